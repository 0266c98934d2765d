import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A temporary folder, removed by `removeFolders`. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "valmi-test-"));
  folders.push(folder);
  return folder;
}

const folders: string[] = [];

export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Writes an executable file, such as a stand-in for a program that a test doesn't want to run. */
export function writeProgram(path: string, content: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, 0o755);
  return path;
}

/** A shell script that answers `version` as the program of that name and version does. */
export function fakeTerraform(path: string, product: "Terraform" | "OpenTofu", version: string): string {
  return writeProgram(path, `#!/bin/sh\necho "${product} v${version}"\n`);
}
