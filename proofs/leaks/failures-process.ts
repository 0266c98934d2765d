import { writeFileSync } from "node:fs";
import { playFailures } from "./failures";

/** Plays the failures in a process of its own, beside Terraform, and writes what left the functions to a file. */
const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("Usage: failures-process.ts FILE");

playFailures().then(({ names, ...failures }) => {
  writeFileSync(file, JSON.stringify({ ...failures, names: [...names] }));
});
