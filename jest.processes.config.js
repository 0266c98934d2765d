// The programs as their users run them: real processes, signals and terminals. One at a time, since they wait for real seconds.
const { testPathIgnorePatterns, ...unit } = require("./jest.config");

module.exports = {
  ...unit,
  testMatch: ["<rootDir>/test/processes/**/*.test.ts"],
  testTimeout: 120_000,
  maxWorkers: 1,
};
