import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import Table from "cli-table3";
import { Command, Option } from "commander";
import { EXPLAINED, type Explained } from "./explained";

/**
 * Breaks the protocol's modules in every way that Stryker knows, one at a time, and counts the breakages that the
 * modules' own tests notice. Fails where one survives that `explained.ts` does not explain.
 */

const ROOT = path.join(__dirname, "..", "..");
const JEST_CONFIG: object = require("../../jest.config.js");

/** An ES module, which a CommonJS one imports so. */
const stryker = () => import("@stryker-mutator/core");
type Stryker = InstanceType<Awaited<ReturnType<typeof stryker>>["Stryker"]>;
type MutantResult = Awaited<ReturnType<Stryker["runMutationTest"]>>[number];

/** Modules that are judged by the same tests. */
interface Suite {
  readonly files: readonly string[];
  readonly tests: readonly string[];
}

const DECISION: Suite = {
  files: ["decision", "grace-period", "stops"].map((name) => `core/protocol/${name}.ts`),
  tests: ["decision", "grace-period", "stops"].map((name) => `core/protocol/${name}`),
};
const ROTATION_TESTS = ["core/rotation/steps", "core/rotation/look", "core/rotation/promote"];
const STEPS: Suite = { files: ["core/rotation/steps.ts"], tests: ROTATION_TESTS };
const ROTATION: Suite = {
  files: ["look", "promote", "rotation"].map((name) => `core/rotation/${name}.ts`),
  tests: ROTATION_TESTS,
};
const ROTATION_FUNCTION: Suite = {
  files: ["lambda/rotation/handler.ts", "core/rotation/self-test.ts"],
  tests: ["lambda/rotation/handler", "core/rotation/self-test"],
};
const MINT: Suite = {
  files: ["mint", "intent", "orders"].map((name) => `core/protocol/${name}.ts`),
  tests: ["mint", "intent", "orders"].map((name) => `core/protocol/${name}`),
};
const PROVISIONING: Suite = {
  files: [
    "adoption",
    "convergence",
    "first-key",
    "first-mint",
    "instance-fields",
    "removal",
    "stored-key",
  ].map((name) => `core/provisioning/${name}.ts`),
  tests: [
    ...["adoption", "convergence", "first-key", "removal"].map((name) => `core/provisioning/${name}`),
    "lambda/provisioning/handler",
  ],
};
const PROVISIONING_CALLS: Suite = {
  files: ["lambda/provisioning/event.ts"],
  tests: ["lambda/provisioning/event", "lambda/provisioning/handler"],
};
const DOMAIN: Suite = {
  files: ["credential", "ownership", "stored-value"].map((name) => `core/key/${name}.ts`),
  tests: ["credential", "ownership", "stored-value"].map((name) => `core/key/${name}`),
};

const SIZES = {
  /** A few minutes: the decision, the mint and the steps. */
  least: [DECISION, MINT, STEPS],
  protocol: [DECISION, MINT, STEPS, ROTATION],
  all: [DECISION, MINT, STEPS, ROTATION, ROTATION_FUNCTION, PROVISIONING, PROVISIONING_CALLS, DOMAIN],
} as const satisfies Record<string, readonly Suite[]>;

type Size = keyof typeof SIZES;

interface Mutant extends Omit<Explained, "because"> {
  readonly at: string;
  readonly status: MutantResult["status"];
}

async function main({ size, only }: { size: Size; only?: string }): Promise<void> {
  const suites = only ? [suiteOf(only)] : SIZES[size];
  const mutants: Mutant[] = [];
  for (const suite of suites) mutants.push(...(await mutate(suite)));

  const files = suites.flatMap((suite) => suite.files);
  const isExplained = (mutant: Mutant) => EXPLAINED.some((entry) => isSame(entry, mutant));
  const survivors = mutants.filter(({ status }) => !isKilled(status));
  printTable(files, mutants, isExplained);
  for (const { at, mutant } of mutants.filter(({ status }) => status === "Timeout"))
    console.log(`noticed by a test that did not end: ${at}  ${mutant}`);
  for (const { at, mutant, because } of EXPLAINED.flatMap((entry) =>
    survivors.filter((survivor) => isSame(entry, survivor)).map((survivor) => ({ ...entry, ...survivor })),
  ))
    console.log(`survives, explained: ${at}  ${mutant}\n  ${because}`);

  const unexplained = survivors.filter((survivor) => !isExplained(survivor));
  const outdated = EXPLAINED.filter(
    (entry) => files.includes(entry.file) && !survivors.some((survivor) => isSame(entry, survivor)),
  );
  for (const { at, line, mutant } of unexplained) console.error(`SURVIVES: ${at}\n  ${line}\n  ${mutant}`);
  for (const { file, line, mutant } of outdated) {
    console.error(`explained, but no longer a survivor: ${file}\n  ${line}\n  ${mutant}`);
  }
  if (unexplained.length + outdated.length > 0) process.exitCode = 1;
}

function suiteOf(file: string): Suite {
  const suite = SIZES.all.find(({ files }) => files.includes(file));
  if (suite) return { ...suite, files: [file] };
  const known = SIZES.all.flatMap(({ files }) => files);
  throw new Error(`--only: must be one of ${known.join(", ")}, got ${file}`);
}

/** Gives every mutant of a suite's files, with what became of it. The rest of the settings: `stryker.config.json`. */
async function mutate({ files, tests }: Suite): Promise<Mutant[]> {
  const { Stryker } = await stryker();
  // Outside the project, so that no other run of jest meets the copy.
  const tempDirName = mkdtempSync(path.join(tmpdir(), "mutants-"));
  const testMatch = tests.map((name) => `<rootDir>/test/${name}.test.ts`);
  try {
    const results = await new Stryker({
      mutate: [...files],
      tempDirName,
      jest: { config: { ...JEST_CONFIG, testMatch } },
    }).runMutationTest();
    return results.map(toMutant);
  } finally {
    rmSync(tempDirName, { recursive: true, force: true });
  }
}

function toMutant({ fileName, location, replacement, status }: MutantResult): Mutant {
  const { start, end } = location;
  // Lines and columns are counted from 1.
  const lines = readFileSync(fileName, "utf8")
    .split("\n")
    .slice(start.line - 1, end.line);
  const [first = ""] = lines;
  const cut = [...lines.slice(0, -1), lines.at(-1)?.slice(0, end.column - 1)]
    .join("\n")
    .slice(start.column - 1);
  const file = path.relative(ROOT, fileName);
  return {
    file,
    line: first.trim(),
    mutant: `${inOneLine(cut)} → ${inOneLine(replacement ?? "")}`,
    at: `${file}:${start.line}`,
    status,
  };
}

function inOneLine(code: string): string {
  const text = code.replace(/\s+/g, " ");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function isSame(a: Omit<Explained, "because">, b: Omit<Explained, "because">): boolean {
  return a.file === b.file && a.line === b.line && a.mutant === b.mutant;
}

/** A mutant that makes a test wait for ever is noticed as well. */
function isKilled(status: Mutant["status"]): boolean {
  return status === "Killed" || status === "Timeout" || status === "RuntimeError";
}

function printTable(
  files: readonly string[],
  mutants: readonly Mutant[],
  isExplained: (mutant: Mutant) => boolean,
): void {
  const table = new Table({
    head: ["module", "mutants", "killed", "survive, explained", "SURVIVE", "killed of the rest"],
    colAligns: ["left", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  const row = (name: string, all: readonly Mutant[]) => {
    const killed = all.filter(({ status }) => isKilled(status)).length;
    const explained = all.filter((mutant) => !isKilled(mutant.status) && isExplained(mutant)).length;
    const share = (100 * killed) / (all.length - explained);
    table.push([
      name,
      all.length,
      killed,
      explained,
      all.length - killed - explained,
      `${share.toFixed(1)} %`,
    ]);
  };
  for (const file of files)
    row(
      file,
      mutants.filter((mutant) => mutant.file === file),
    );
  if (files.length > 1) row("all", mutants);
  console.log(table.toString());
}

new Command("test:mutants")
  .addOption(
    new Option("--size <size>", "which modules: the least, the protocol, or every one")
      .choices(Object.keys(SIZES))
      .default("protocol"),
  )
  .option("--only <file>", "one module, such as core/protocol/mint.ts")
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  });
