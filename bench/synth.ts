import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { unzipSync } from "fflate";
import { bundleFunctions } from "../bundle-functions";
import type { FunctionBundles } from "../constructs";
import { REPORT_FD, type Usage } from "./synth/run";

/**
 * How long synth takes, and how much memory, for fleets of several sizes: through our constructs, by an app that uses
 * the provider's classes directly, and by that app in the manner of `cdktf init`. The functions are bundled once,
 * before the measurements. One run compares; figures of different runs don't.
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

/** Resource types of a synthesised stack, each with its number and the attributes that occur. */
type Inventory = Record<string, { count: number; attributes: string[] }>;

async function main({ sizes, runs }: { sizes: number[]; runs: number }): Promise<void> {
  const root = path.join(__dirname, "..");
  const folder = mkdtempSync(path.join(tmpdir(), "bench-synth-"));
  try {
    const zips = bundleFunctions(folder);
    const folders = {
      rotation: unpack(zips.rotation),
      provisioning: unpack(zips.provisioning),
      audit: unpack(zips.audit),
    };
    const synth = (app: App, size: number) => {
      const bundles = app === "idiom" ? folders : zips;
      return measure(app, size, { root, bundles, outdir: path.join(folder, app) });
    };

    for (const app of APPS) {
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
      const ours = inventoryOf(path.join(folder, "ours"));
      for (const app of ["bare", "idiom"] as const)
        assert.deepEqual(
          inventoryOf(path.join(folder, app)),
          ours,
          `${NAMES[app]} has other resources than ours`,
        );
      medians.set(size, {
        ours: medianOf(samples.ours),
        bare: medianOf(samples.bare),
        idiom: medianOf(samples.idiom),
      });
    }
    print(medians, runs);
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

/** Runs an app in a process of its own. Rejects with what it wrote where it fails. */
async function measure(
  app: App,
  size: number,
  { root, bundles, outdir }: { root: string; bundles: FunctionBundles; outdir: string },
): Promise<Sample> {
  const started = performance.now();
  const { rotation, provisioning, audit } = bundles;
  const args = [...NODE_ARGUMENTS[app](), String(size), rotation, provisioning, audit];
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

function inventoryOf(outdir: string): Inventory {
  const stack = JSON.parse(readFileSync(path.join(outdir, "stacks", STACK, "cdk.tf.json"), "utf8"));
  const inventory: Inventory = {};
  for (const block of ["data", "resource"])
    for (const [type, resources] of Object.entries<Record<string, object>>(stack[block])) {
      const all = Object.values(resources);
      const attributes = [...new Set(all.flatMap((resource) => Object.keys(resource)))].sort();
      inventory[`${block}.${type}`] = { count: all.length, attributes };
    }
  return inventory;
}

function medianOf(samples: readonly Sample[]): Sample {
  const of = (figure: keyof Sample) => {
    const sorted = samples.map((sample) => sample[figure]).sort((a, b) => a - b);
    const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
    return middle.reduce((sum, value) => sum + value, 0) / middle.length;
  };
  return { wallMs: of("wallMs"), cpuMs: of("cpuMs"), peakMemory: of("peakMemory") };
}

function print(medians: ReadonlyMap<number, Record<App, Sample>>, runs: number): void {
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
  console.log(
    `Medians of ${runs} runs, each in a process of its own, after a warm-up; same resources in all three.`,
  );

  const figures = medians.get(SIZE_OF_AIMS);
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
  .option(
    "--sizes <n,n,…>",
    "numbers of agent instances",
    (list) => list.split(",").map(count),
    [1, 100, 1_000, 5_000],
  )
  .option("--runs <n>", "measured runs of each app and size", count, 3)
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  });
