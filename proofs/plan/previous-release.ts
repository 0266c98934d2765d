import { execFile } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const PROJECT = resolve(__dirname, "../..");

/** The commit that the release before this one was made of: to be moved on with each release. */
export const PREVIOUS_RELEASE = "700f074d4b4a571c6d2230e247e6332cbd2bd674";

/**
 * Takes the release before this one out of the repository's history, constructs and functions alike, with the packages
 * that are installed now.
 *
 * @param folder outside of the repository
 * @returns the module that synthesises its stacks; undefined where the history doesn't reach back that far.
 */
export async function previousRelease(folder: string): Promise<string | undefined> {
  await mkdir(folder, { recursive: true });
  const archive = join(folder, "release.tar");
  try {
    await run("git", ["archive", "--format=tar", `--output=${archive}`, PREVIOUS_RELEASE], { cwd: PROJECT });
  } catch {
    return undefined;
  }
  await run("tar", ["-xf", archive, "-C", folder]);
  await symlink(join(PROJECT, "node_modules"), join(folder, "node_modules"));
  return join(folder, "main.ts");
}
