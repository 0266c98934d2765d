import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import type { LocalRun } from "../../local/local-run";
import type { Toolchain } from "../../local/toolchain";

const run = promisify(execFile);
const PROJECT = resolve(__dirname, "../..");

/** A section of docs/operations.md, without its heading. */
export function section(heading: string): string {
  const text = readFileSync(join(PROJECT, "docs/operations.md"), "utf8");
  const [, body] = text.split(`${heading}\n`);
  if (body === undefined) throw new Error(`docs/operations.md has no section "${heading}"`);
  return body.split(/^#{1,3} /m)[0] ?? "";
}

/** The commands of a section, written for the environment `dev`, for another one. */
export function commandsOf(heading: string, environment: string): string {
  const blocks = [...section(heading).matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block);
  return blocks.join("").replace(/\bdev\b(?!\/null)/g, environment);
}

/**
 * Runs a documented piece of shell on a local run, as somebody in their project's folder. Two programs are stood in for:
 * `npx`, which here says yes to `cdktf` and asks no registry, and `aws` where the machine has none.
 *
 * @returns what was printed.
 */
export async function runDocumented(
  { folder, deployment }: LocalRun,
  { terraform, emulator }: Toolchain,
  script: string,
): Promise<string> {
  const programs = join(folder, "programs");
  mkdirSync(programs, { recursive: true });
  const program = (name: string, lines: readonly string[]) => {
    writeFileSync(join(programs, name), `${lines.join("\n")}\n`);
    chmodSync(join(programs, name), 0o755);
  };
  symlinkSync(resolve(terraform.path), join(programs, "terraform"));
  const cdktf = `${JSON.stringify(process.execPath)} ${JSON.stringify(require.resolve("cdktf-cli/bundle/bin/cdktf"))}`;
  program("npx", [
    "#!/bin/sh",
    '[ "$1" = cdktf ] && shift || exit 1',
    `[ "$1" = deploy ] && exec ${cdktf} "$@" --auto-approve --skip-provider-lock`,
    `exec ${cdktf} "$@"`,
  ]);
  if ("python" in emulator && !(await run("aws", ["--version"]).catch(() => false)))
    program("aws", [`#!${emulator.python}`, AWS_BY_BOTOCORE]);
  const environment = deployment.environment();
  const { stdout, stderr } = await run("bash", ["-euo", "pipefail", "-c", script], {
    cwd: folder,
    env: { ...environment, PATH: [programs, environment.PATH].join(delimiter) },
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout + stderr;
}

/** `aws SERVICE OPERATION --parameter VALUE … [--query Q --output text]`, by what the emulator's own environment has. */
const AWS_BY_BOTOCORE = `
import sys, jmespath, botocore.session
service, operation, *rest = sys.argv[1:]
options = dict(zip(rest[::2], rest[1::2]))
query = options.pop("--query", None)
options.pop("--output", None)
words = lambda text: "".join(word.capitalize() for word in text.strip("-").split("-"))
client = botocore.session.get_session().create_client(service)
answer = getattr(client, operation.replace("-", "_"))(**{words(name): value for name, value in options.items()})
print(jmespath.search(query, answer) if query else "")
`.trim();
