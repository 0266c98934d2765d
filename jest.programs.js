/** Tests that start programs of this project, or play years: `npm run test:processes` runs them, and `npm test` doesn't. */
module.exports = [
  "agent/exec",
  "bundle-functions",
  "cli/main",
  "docs/consumers",
  "local/control-plane/start",
  "local/help",
  "local/secrets-manager/start",
  "main",
  "proofs/simulation/fleet",
].map((name) => `<rootDir>/test/${name}.test.ts`);
