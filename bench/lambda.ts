import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import Table from "cli-table3";
import { Command, InvalidArgumentError, Option } from "commander";
import { bundleFunction } from "../bundle-functions";
import { DEFAULT_CONTROL_PLANE_URL, FUNCTION_ENV, FUNCTION_TIMEOUT_SECONDS } from "../core/contract";

/**
 * Size and start-up of the rotation function, beside a function that only makes the same clients and logger. Both are
 * bundled with the same options, and started by turns in one run; figures of different runs don't compare.
 */

const MOST_OF_SIZE = 1.1;
const MOST_OF_START = 1.15;

const ENTRY_POINTS = { rotation: "lambda/rotation/handler.ts", bare: "bench/lambda/bare.ts" };
const NAMES: Record<App, string> = { rotation: "rotation", bare: "same clients and logger" };
type App = keyof typeof ENTRY_POINTS;
const APPS = Object.keys(ENTRY_POINTS) as App[];

interface Start {
  /** Loading the bundle and its first call, in milliseconds. */
  readonly wallMs: number;
  /** The processor time of the same, which other programs on the machine disturb less. */
  readonly cpuMs: number;
}

/** Where a started function reports to; its log goes elsewhere. */
const REPORT_FD = 3;
/**
 * Loads a bundle and calls its handler once without an event: the clients and the logger are made, and rotation then
 * refuses the event and logs so, which counts against it. Plain JavaScript, since a loader would be measured as well.
 */
const START = `
  const cpu = process.cpuUsage();
  const started = performance.now();
  const context = { awsRequestId: "bench", getRemainingTimeInMillis: () => ${FUNCTION_TIMEOUT_SECONDS * 1_000} };
  const called = require(process.argv[1]).handler(undefined, context);
  called.catch(() => {}).then(() => {
    const wallMs = performance.now() - started;
    const { user, system } = process.cpuUsage(cpu);
    require("node:fs").writeSync(${REPORT_FD}, JSON.stringify({ wallMs, cpuMs: (user + system) / 1_000 }));
  });
`;

/** What Lambda and the constructs set. No client makes a call. */
const ENVIRONMENT: NodeJS.ProcessEnv = {
  AWS_REGION: "eu-west-1",
  [FUNCTION_ENV.controlPlaneUrl]: DEFAULT_CONTROL_PLANE_URL,
  [FUNCTION_ENV.controlPlaneAuth]: "api-key",
  [FUNCTION_ENV.apiKeySecretArn]: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:api-key-AbCdEf",
  [FUNCTION_ENV.gracePeriodHours]: "24",
  [FUNCTION_ENV.intentTable]: "intents",
};

/** `ci` says whether both functions still start. Its figures mean nothing. */
const RUNS = { full: 40, ci: 2 };

interface Options {
  readonly size: keyof typeof RUNS;
  readonly runs?: number;
}

function main({ size, runs = RUNS[size] }: Options): void {
  const folder = mkdtempSync(path.join(tmpdir(), "bench-lambda-"));
  try {
    const bundleOf = (app: App) => path.join(folder, app, "index.js");
    for (const app of APPS) {
      mkdirSync(path.dirname(bundleOf(app)));
      writeFileSync(bundleOf(app), bundleFunction(ENTRY_POINTS[app]));
      start(bundleOf(app));
    }
    const starts: Record<App, Start[]> = { rotation: [], bare: [] };
    for (let run = 1; run <= runs; run++) {
      if (run % 10 === 0) console.error(`run ${run} of ${runs}`);
      for (const app of APPS) starts[app].push(start(bundleOf(app)));
    }
    const figuresOf = (app: App) => ({
      bytes: statSync(bundleOf(app)).size,
      wallMs: medianOf(starts[app].map(({ wallMs }) => wallMs)),
      cpuMs: medianOf(starts[app].map(({ cpuMs }) => cpuMs)),
    });
    print(figuresOf("rotation"), figuresOf("bare"), runs);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Starts a function in a process of its own. */
function start(bundle: string): Start {
  const { status, output, stderr } = spawnSync(process.execPath, ["-e", START, bundle], {
    env: ENVIRONMENT,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  if (status !== 0) throw new Error(`${bundle} failed (${status}):\n${stderr}`);
  return JSON.parse(output[REPORT_FD] ?? "");
}

function medianOf(figures: number[]): number {
  const sorted = figures.sort((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

type Figures = Start & { readonly bytes: number };

function print(rotation: Figures, bare: Figures, runs: number): void {
  const table = new Table({
    head: ["function", "bytes", "× bare", "start ms", "× bare", "CPU ms", "× bare"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  const ratio = (figure: keyof Figures, of: Figures) => of[figure] / bare[figure];
  for (const [app, of] of [
    ["rotation", rotation],
    ["bare", bare],
  ] as const)
    table.push([
      NAMES[app],
      of.bytes.toLocaleString("en"),
      ratio("bytes", of).toFixed(3),
      of.wallMs.toFixed(1),
      ratio("wallMs", of).toFixed(2),
      of.cpuMs.toFixed(1),
      ratio("cpuMs", of).toFixed(2),
    ]);
  console.log(table.toString());
  console.log(`Start: loading the bundle and its first call; medians of ${runs} starts of each, by turns.`);
  const verdict = (figure: keyof Figures, most: number) =>
    `at most ${most} ×: ${ratio(figure, rotation).toFixed(3)} ×, ${ratio(figure, rotation) <= most ? "met" : "not met"}`;
  console.log(`  size, ${verdict("bytes", MOST_OF_SIZE)}\n  start, ${verdict("wallMs", MOST_OF_START)}`);
}

new Command("bench:lambda")
  .addOption(
    new Option("--size <size>", "`ci`: two starts of each function").choices(["ci", "full"]).default("full"),
  )
  .option("--runs <n>", "measured starts of each function (default: 40)", (value) => {
    if (!/^[1-9]\d*$/.test(value)) throw new InvalidArgumentError("It must be a whole number above 0.");
    return Number(value);
  })
  .action(main)
  .parse();
