import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import Table from "cli-table3";
import { Command, InvalidArgumentError, Option } from "commander";
import { unzipSync } from "fflate";
import { bundleFunctions } from "../bundle-functions";
import { functionBundles } from "../constructs/function-bundles";
import { REPORT_FD, type Task, type Usage } from "./synth/run";

/**
 * How long synth takes, and how much memory, for fleets of several sizes: through our constructs, by an app that makes the
 * same stack with the provider's classes directly, and by that app in the manner of `cdktf init`. The functions are bundled
 * once, before the measurements. The figures of one run compare; those of different runs don't.
 */

const SIZE_OF_AIMS = 1_000;
const MOST_OF_BARE = 1.25;
const LEAST_OF_IDIOM = 6;

/** The stack that every app makes. */
const STACK = "bench";

type App = "ours" | "bare" | "idiom";

/** How Node.js is started for each app. Our main.ts is run by tsx, so the bare app is as well. */
const NODE_ARGUMENTS: Record<App, () => string[]> = {
  ours: () => ["--import", "tsx", "bench/synth/ours.ts"],
  bare: () => ["--import", "tsx", "bench/synth/bare.ts"],
  // Without npx, which `cdktf init` puts before it and which would take longer still.
  idiom: () => [
    require.resolve("ts-node/dist/bin.js"),
    "--project",
    "bench/synth/idiom/tsconfig.json",
    "bench/synth/idiom/main.ts",
  ],
};
const NAMES: Record<App, string> = {
  ours: "our constructs (tsx)",
  bare: "bare CDKTF (tsx)",
  idiom: "cdktf init idiom (ts-node, barrel)",
};
const APPS = Object.keys(NODE_ARGUMENTS) as App[];

interface Sample extends Usage {
  readonly wallMs: number;
}

interface Options {
  readonly size: keyof typeof SIZES;
  readonly sizes?: readonly number[];
  readonly runs?: number;
}

/** `ci` says whether the three apps still make the same stack. Its figures mean nothing: each app runs once, and cold. */
const SIZES = {
  full: { sizes: [1, 100, 1_000, 5_000], runs: 3, isWarmedUp: true },
  ci: { sizes: [3], runs: 1, isWarmedUp: false },
};

async function main(options: Options): Promise<void> {
  const { sizes, runs, isWarmedUp } = { ...SIZES[options.size], ...options };
  const root = path.join(__dirname, "..");
  const folder = mkdtempSync(path.join(tmpdir(), "bench-synth-"));
  try {
    const zips = bundleFunctions(folder);
    const folders = functionBundles((name) => unpack(zips[name]));
    const templateFile = stackFile(path.join(folder, "template"));
    const synth = (app: App, size: number) => {
      const bundles = app === "idiom" ? folders : zips;
      return measure(app, { size, bundles, templateFile }, { root, outdir: path.join(folder, app) });
    };

    const template: Task = { size: "template", bundles: zips, templateFile };
    await measure("ours", template, { root, outdir: path.join(folder, "template") });
    for (const app of isWarmedUp ? APPS : []) {
      progress(`warming up: ${NAMES[app]}`);
      await synth(app, 1);
    }
    const medians = new Map<number, Record<App, Sample>>();
    for (const size of sizes) {
      const samples: Record<App, Sample[]> = { ours: [], bare: [], idiom: [] };
      // By turns, so that whatever else the machine does befalls all of them.
      for (let run = 1; run <= runs; run++)
        for (const app of APPS) {
          progress(`${size} instances, run ${run} of ${runs}: ${NAMES[app]}`);
          samples[app].push(await synth(app, size));
        }
      const ours = comparable(path.join(folder, "ours"));
      for (const app of ["bare", "idiom"] as const)
        assert.deepEqual(
          comparable(path.join(folder, app)),
          ours,
          `${NAMES[app]} makes another stack than ours`,
        );
      medians.set(size, {
        ours: medianOf(samples.ours),
        bare: medianOf(samples.bare),
        idiom: medianOf(samples.idiom),
      });
    }
    print(medians);
    const warm = isWarmedUp ? ", after a warm-up" : "";
    console.log(
      `Each run in a process of its own${warm}; medians of ${runs}. All three make the same stack.`,
    );
    judge(medians.get(SIZE_OF_AIMS));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @returns the folder that holds what is in a function's zip. */
function unpack(zip: string): string {
  const folder = zip.slice(0, -path.extname(zip).length);
  mkdirSync(folder);
  for (const [file, content] of Object.entries(unzipSync(readFileSync(zip))))
    writeFileSync(path.join(folder, file), content);
  return folder;
}

/** Runs an app in a process of its own. Rejects with what it wrote if it fails. */
async function measure(
  app: App,
  task: Task,
  { root, outdir }: { readonly root: string; readonly outdir: string },
): Promise<Sample> {
  const started = performance.now();
  const args = [...NODE_ARGUMENTS[app](), JSON.stringify(task)];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, CDKTF_OUTDIR: outdir },
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  const stderr = text(child.stderr as Readable);
  const report = text(child.stdio[REPORT_FD] as Readable);
  const [code] = await once(child, "close");
  const wallMs = performance.now() - started;
  if (code !== 0) throw new Error(`${NAMES[app]} failed (${code}):\n${await stderr}`);
  return { wallMs, ...(JSON.parse(await report) as Usage) };
}

const stackFile = (outdir: string) => path.join(outdir, "stacks", STACK, "cdk.tf.json");

/** A synthesised stack without what follows from the construct's place and from the instance's number. */
function comparable(outdir: string): unknown {
  const text = readFileSync(stackFile(outdir), "utf8")
    .replace(/_[0-9A-F]{8}\b/g, "")
    .replace(/assets\/[^"\\]+\.zip/g, "assets/code.zip")
    .replace(/(\\"digest\\":\\")[0-9a-f]{64}/g, "$1");
  return JSON.parse(text, (key, value) => (key === "//" ? undefined : value));
}

function medianOf(samples: readonly Sample[]): Sample {
  const of = (figure: keyof Sample) => {
    const sorted = samples.map((sample) => sample[figure]).sort((a, b) => a - b);
    const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
    return middle.reduce((sum, value) => sum + value, 0) / middle.length;
  };
  return { wallMs: of("wallMs"), cpuMs: of("cpuMs"), peakMemory: of("peakMemory") };
}

function print(medians: ReadonlyMap<number, Record<App, Sample>>): void {
  const table = new Table({
    head: ["instances", "app", "wall s", "wall × bare", "CPU s", "peak MiB", "memory × bare"],
    colAligns: ["right", "left", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const [size, figures] of medians)
    for (const app of APPS) {
      const { wallMs, cpuMs, peakMemory } = figures[app];
      table.push([
        size,
        NAMES[app],
        (wallMs / 1_000).toFixed(2),
        (wallMs / figures.bare.wallMs).toFixed(2),
        (cpuMs / 1_000).toFixed(2),
        (peakMemory / 1_024).toFixed(0),
        (peakMemory / figures.bare.peakMemory).toFixed(2),
      ]);
    }
  console.log(table.toString());
}

function judge(figures: Record<App, Sample> | undefined): void {
  if (!figures) return;
  const ofBare = figures.ours.wallMs / figures.bare.wallMs;
  const ofIdiom = figures.idiom.wallMs / figures.ours.wallMs;
  const verdict = (isMet: boolean) => (isMet ? "met" : "not met");
  console.log(`At ${SIZE_OF_AIMS} instances:
  at most ${MOST_OF_BARE} × the bare app: ${ofBare.toFixed(2)} ×, ${verdict(ofBare <= MOST_OF_BARE)}
  at least ${LEAST_OF_IDIOM} × faster than the idiom: ${ofIdiom.toFixed(1)} ×, ${verdict(ofIdiom >= LEAST_OF_IDIOM)}`);
}

function progress(what: string): void {
  console.error(what);
}

function count(value: string): number {
  if (!/^[1-9]\d*$/.test(value)) throw new InvalidArgumentError("It must be a whole number above 0.");
  return Number(value);
}

new Command("bench:synth")
  .addOption(
    new Option("--size <size>", "`ci`: each app once, with 3 instances")
      .choices(["ci", "full"])
      .default("full"),
  )
  .option("--sizes <n,n,…>", "numbers of agent instances (default: 1, 100, 1000 and 5000)", (list: string) =>
    list.split(",").map(count),
  )
  .option("--runs <n>", "measured runs of each app and size (default: 3)", count)
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  });
