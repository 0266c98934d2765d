#!/usr/bin/env node
const { existsSync } = require("node:fs");
const { join } = require("node:path");

// In the published package the commands are compiled; in a clone they run as they are written.
const compiled = join(__dirname, "..", "dist", "cli", "main.js");
if (existsSync(compiled)) {
  require(compiled);
} else {
  require("tsx/cjs");
  require("./main");
}
