#!/usr/bin/env node
import { run } from "./program";
import { endQuietlyWithoutReader } from "./terminal";

endQuietlyWithoutReader();
void run(process.argv.slice(2));
