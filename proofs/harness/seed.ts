import { execFileSync } from "node:child_process";
import * as path from "node:path";

/**
 * The seed of a proof that nobody gave one: a number made of the commit. So every commit is tried with other random
 * numbers, and the same commit always with the same. 1 where this is no clone.
 */
export function seedOfCommit(): number {
  try {
    const options = { cwd: path.join(__dirname, "..", ".."), encoding: "utf8", stdio: "pipe" } as const;
    return Number.parseInt(execFileSync("git", ["rev-parse", "HEAD"], options).slice(0, 7), 16);
  } catch {
    return 1;
  }
}
