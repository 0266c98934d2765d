// Least privilege: what the functions call, recorded, against the policies that are synthesised. One file at a time.
const { testPathIgnorePatterns, workerIdleMemoryLimit, ...unit } = require("./jest.config");

module.exports = {
  ...unit,
  testMatch: ["<rootDir>/test/iam/**/*.test.ts"],
  setupFiles: ["<rootDir>/test/iam/setup.ts"],
  maxWorkers: 1,
  testTimeout: 60_000,
};
