import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
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
 * @param input what it reads from standard input. @default - nothing
 * @returns what was printed.
 */
export async function runDocumented(
  { folder, deployment }: LocalRun,
  { terraform, emulator }: Toolchain,
  script: string,
  input = "",
): Promise<string> {
  const programs = join(folder, "programs");
  mkdirSync(programs, { recursive: true });
  const program = (name: string, lines: readonly string[]) => {
    writeFileSync(join(programs, name), `${lines.join("\n")}\n`);
    chmodSync(join(programs, name), 0o755);
  };
  if (!existsSync(join(programs, "terraform")))
    symlinkSync(resolve(terraform.path), join(programs, "terraform"));
  const node = (script: string) => `${JSON.stringify(process.execPath)} ${JSON.stringify(script)}`;
  const cdktf = node(require.resolve("cdktf-cli/bundle/bin/cdktf"));
  program("npx", [
    "#!/bin/sh",
    '[ "$1" = --no-install ] && shift',
    "name=$1",
    "shift",
    `[ "$name" = valmi-agent-keys ] && exec ${node(join(PROJECT, "cli/valmi-agent-keys.js"))} "$@"`,
    '[ "$name" = cdktf ] || exit 1',
    `[ "$1" = deploy ] && exec ${cdktf} "$@" --auto-approve --skip-provider-lock`,
    `exec ${cdktf} "$@"`,
  ]);
  if ("python" in emulator && !(await run("aws", ["--version"]).catch(() => false)))
    program("aws", [`#!${emulator.python}`, AWS_BY_BOTOCORE]);
  const environment = deployment.environment();
  const running = run("bash", ["-euo", "pipefail", "-c", script], {
    cwd: folder,
    env: { ...environment, PATH: [programs, environment.PATH].join(delimiter) },
    maxBuffer: 64 * 1024 * 1024,
  });
  running.child.stdin?.end(input);
  const { stdout, stderr } = await running;
  return stdout + stderr;
}

/** `aws SERVICE OPERATION --parameter VALUE … [--query Q] [--output text]`, by what the emulator's own environment has. */
const AWS_BY_BOTOCORE = `
import json, sys, jmespath, botocore.session
service, operation, *rest = sys.argv[1:]
options = {}
for word in rest:
    if word.startswith("--"): options[(name := word)] = True
    else: options[name] = word
query = options.pop("--query", None)
isText = options.pop("--output", None) == "text"
words = lambda text: "".join(word.capitalize() for word in text.strip("-").split("-"))
renamed = lambda name: "Endpoint" if name == "--notification-endpoint" else words(name)
client = botocore.session.get_session().create_client(service)
answer = getattr(client, operation.replace("-", "_"))(**{renamed(name): value for name, value in options.items()})
found = jmespath.search(query, answer) if query else None
print(found if isText else json.dumps(found))
`.trim();
