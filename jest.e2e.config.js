// The suites that run the real programs: Terraform, the emulator, the demo. Minutes, not seconds, and one at a time.
const { testPathIgnorePatterns, workerIdleMemoryLimit, ...unit } = require("./jest.config");

module.exports = {
  ...unit,
  testMatch: ["<rootDir>/test/e2e/**/*.test.ts"],
  testTimeout: 300_000,
  maxWorkers: 1,
};
