import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { environments } from "../environments";
import { manual } from "./demo/manual";
import { Progress } from "./demo/progress";
import { figuresTable } from "./demo/report";
import { Story } from "./demo/story";
import { environmentNamed } from "./environment-named";
import { type LocalRun, startLocalRun } from "./local-run";
import { runProgram } from "./program";
import { prepareToolchain } from "./toolchain";

/** Installs and runs are kept here, out of the repository. */
const LOCAL_FOLDER = resolve(__dirname, "..", ".local");

interface DemoOptions {
  readonly environment: string;
  readonly keep: boolean;
  readonly json?: string;
}

/** Plays the story, and returns whether everything was as expected. */
async function demo(options: DemoOptions, signal: AbortSignal): Promise<boolean> {
  const environment = environmentNamed(options.environment, environments);
  const progress = new Progress(process.stdout);
  const report = (line: string) => progress.say(`          ${line}`);
  const toolchain = await progress.phase("toolchain", () =>
    prepareToolchain({ cacheFolder: LOCAL_FOLDER, report }),
  );
  signal.throwIfAborted();

  const startedAt = performance.now();
  const runsFolder = join(LOCAL_FOLDER, "runs");
  const run = await progress.phase("Control Plane, Secrets Manager and emulator", () =>
    startLocalRun({ environment, toolchain, runsFolder, signal }),
  );
  const story = new Story(run, progress, signal);
  let passed = false;
  try {
    const played = await story.play().catch((error: unknown) => {
      if (!options.keep || signal.aborted) throw error;
      // What is there already is left up for whoever wants to look at it.
      progress.check(
        "the story comes to its end",
        false,
        error instanceof Error ? error.message : String(error),
      );
    });
    const keyTexts = story.keyTexts();
    if (!options.keep) await story.destroy();
    const leaks = await story.searchLeaks(keyTexts);
    if (played) progress.say(figuresTable(played));
    passed = progress.failed.length === 0;
    const seconds = { total: secondsSince(startedAt), ...progress.seconds };
    if (options.json !== undefined) {
      const figures = { passed, ...played, leaks, seconds, checks: progress.checks };
      await writeFile(options.json, `${JSON.stringify(figures, null, 2)}\n`);
    }
    if (options.keep) await keepUp(run, story, progress, signal);
    progress.say(verdict(progress, seconds.total));
    return passed;
  } finally {
    await story.stopConsumers();
    await run.close();
    if (passed || signal.aborted) await run.removeFolder();
    else progress.say(`logs and state are in ${run.folder}`);
  }
}

/** Leaves everything up until a signal comes. */
async function keepUp(run: LocalRun, story: Story, progress: Progress, signal: AbortSignal): Promise<void> {
  await story.stopConsumers();
  // There are none if the deploy came to nothing.
  const outputs = await run.deployment.outputs().catch(() => ({}));
  progress.say(manual(run, outputs));
  if (!signal.aborted) await once(signal, "abort");
}

function verdict({ checks, failed }: Progress, seconds: number): string {
  if (failed.length === 0) return `passed: ${checks.length} checks in ${seconds} s`;
  return `FAILED: ${failed.map(({ name }) => name).join("; ")}`;
}

const secondsSince = (startedAt: number) => Number(((performance.now() - startedAt) / 1_000).toFixed(1));

const program = new Command("npm run local --")
  .description(
    "Provision, store and rotate agent keys on this machine, with a Control Plane and an AWS of its own.",
  )
  .option("--environment <name>", "environment of environments.ts to deploy", "dev")
  .option("--keep", "leave everything up afterwards, and say how to talk to it", false)
  .option("--json <file>", "write the figures to a file");

void runProgram(program, demo);
