// The programs as their users run them: real processes, signals and terminals. One at a time, since they wait for real seconds.
const { testPathIgnorePatterns, workerIdleMemoryLimit, ...unit } = require("./jest.config");
const programs = require("./jest.programs");

module.exports = {
  ...unit,
  testMatch: ["<rootDir>/test/processes/**/*.test.ts", ...programs],
  testTimeout: 120_000,
  maxWorkers: 1,
};
