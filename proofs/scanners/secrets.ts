import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import Table from "cli-table3";
import { KNOWN_SECRETS } from "./known-secrets";
import { PythonTool, ROOT } from "./python-tool";

const DETECT_SECRETS = "detect-secrets==1.5.0";

/**
 * `npm run test:secrets`: detect-secrets over every version of every file that any commit holds, and over what is tracked
 * now. Exits with 1 where it finds what `known-secrets.ts` doesn't explain. Secrets that are planted beside the files show
 * that it finds any.
 */
async function main(): Promise<void> {
  if (git("rev-parse", "--is-shallow-repository").trim() === "true") {
    throw new Error("this clone has no history to scan: fetch all of it (git fetch --unshallow)");
  }
  const scanner = await PythonTool.install(DETECT_SECRETS);
  const folder = mkdtempSync(join(tmpdir(), "valmi-agent-keys-secrets-"));
  try {
    const versions = [...versionsOfFiles()];
    for (const { blob, path } of versions)
      write(join(folder, blob, path), gitBytes("cat-file", "blob", blob));
    for (const [path, text] of Object.entries(planted())) write(join(folder, PLANTED, path), text);
    report(versions, await scan(scanner, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const PLANTED = "planted";

/** Put together here, so that this file holds none of them. */
function planted(): Readonly<Record<string, string>> {
  const digits = "q7Zp2LmX9vK4tR8sN3wY6bHd";
  return {
    "aws.txt": `aws_access_key_id = ${"AK" + "IA"}Q3EGR6M2XV7JPNLW\n`,
    "key.pem": `-----BEGIN RSA ${"PRIVATE"} KEY-----\nMIIB\n`,
    "url.ts": `const url = "https://operator:${digits}@cp.example/api";\n`,
    "agent.env": `VALMI_AGENT_KEY=${"agent" + "_"}${digits}\n`,
    "operator.ts": `const header = { "api-key": "${"token" + "_"}${digits}" };\n`,
    "earlier-dialect.md": `Authorization: Bearer ${"sk_" + "api_"}${digits}\n`,
  };
}

interface Version {
  readonly blob: string;
  readonly path: string;
}

/** Each once, however many commits hold it. What is tracked and not yet committed is in no commit. */
function* versionsOfFiles(): Generator<Version> {
  const committed = git("rev-list", "--all", "--objects")
    .split("\n")
    .map((line) => /^([0-9a-f]{40}) (.+)$/.exec(line));
  const staged = git("ls-files", "--stage")
    .split("\n")
    .map((line) => /^100\d{3} ([0-9a-f]{40}) 0\t(.+)$/.exec(line));
  const known = new Set<string>();
  const blobs = new Set(
    execFileSync("git", ["cat-file", "--batch-check=%(objecttype) %(objectname)"], {
      cwd: ROOT,
      input: [...committed, ...staged].flatMap((match) => (match?.[1] ? [match[1]] : [])).join("\n"),
      maxBuffer: 1e9,
      encoding: "utf8",
    })
      .split("\n")
      .flatMap((line) => (line.startsWith("blob ") ? [line.slice(5)] : [])),
  );
  for (const match of [...committed, ...staged]) {
    const [, blob = "", path = ""] = match ?? [];
    if (!blobs.has(blob) || known.has(blob)) continue;
    known.add(blob);
    yield { blob, path };
  }
}

interface Found {
  readonly type: string;
  /** `<blob>/<path>`, or `planted/<path>`. */
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

async function scan(scanner: PythonTool, folder: string): Promise<Found[]> {
  // By name alone: whatever is called `secret` in a project about secrets.
  const options = ["--all-files", "--disable-plugin", "KeywordDetector"];
  const plugin = join(__dirname, "valmi_keys.py");
  const output = await scanner.run(["-m", "detect_secrets", "scan", ...options, "-p", plugin, "."], {
    cwd: folder,
  });
  const { results } = JSON.parse(output) as {
    readonly results: Readonly<
      Record<string, readonly { readonly type: string; readonly line_number: number }[]>
    >;
  };
  return Object.entries(results).flatMap(([file, found]) => {
    const lines = readFileSync(join(folder, file), "utf8").split("\n");
    return found.map(({ type, line_number }) => ({
      type,
      file,
      line: line_number,
      text: lines[line_number - 1] ?? "",
    }));
  });
}

function report(versions: readonly Version[], found: readonly Found[]): void {
  const isPlanted = ({ file }: Found) => file.startsWith(`${PLANTED}/`);
  const used = new Map<(typeof KNOWN_SECRETS)[number], number>(KNOWN_SECRETS.map((known) => [known, 0]));
  const unknown = found.filter((each) => {
    if (isPlanted(each)) return false;
    const path = each.file.slice(each.file.indexOf("/") + 1);
    const known = KNOWN_SECRETS.find(
      ({ type, path: where, line }) => type === each.type && where.test(path) && line.test(each.text),
    );
    if (known) used.set(known, (used.get(known) ?? 0) + 1);
    return known === undefined;
  });

  const table = new Table({
    head: ["taken for", "in", "versions", "what it is"],
    style: { head: [], border: [] },
    colWidths: [28, 60, 10, 50],
    wordWrap: true,
  });
  for (const [{ type, path, why }, count] of used) {
    table.push([type, path.source, count, why]);
    if (count === 0) fail(`known-secrets.ts: ${type} in ${path.source} is found no more: remove it`);
  }
  console.log(table.toString());
  for (const { file, line, type } of unknown) {
    const [blob = "", ...path] = file.split("/");
    const [commit = "not committed"] = git("log", "--all", "--format=%h", `--find-object=${blob}`)
      .trim()
      .split("\n");
    fail(
      `${path.join("/")}:${line} (${commit}): ${type}. If it is one, replace it where it is used, and take it out.`,
    );
  }
  for (const path of Object.keys(planted())) {
    if (!found.some(({ file }) => file === `${PLANTED}/${path}`))
      fail(`the secret planted in ${path} was not found`);
  }
  const commits = git("rev-list", "--all", "--count").trim();
  const plantedFound = new Set(found.filter(isPlanted).map(({ file }) => file)).size;
  console.log(
    `${versions.length} versions of files in ${commits} commits: ${unknown.length} secrets, ` +
      `${found.filter((each) => !isPlanted(each)).length - unknown.length} explained; ` +
      `of ${Object.keys(planted()).length} planted ones ${plantedFound} found`,
  );
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

function git(...args: string[]): string {
  return gitBytes(...args).toString("utf8");
}

function gitBytes(...args: string[]): Buffer {
  return execFileSync("git", args, { cwd: ROOT, maxBuffer: 1e9 });
}

function write(file: string, content: string | Buffer): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
