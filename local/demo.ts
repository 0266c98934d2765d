import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { environments } from "../environments";
import { manual } from "./demo/manual";
import { Progress } from "./demo/progress";
import { figuresTable } from "./demo/report";
import { Story } from "./demo/story";
import { QUIET_SDK } from "./emulator";
import { type LocalRun, startLocalRun } from "./local-run";
import { PrerequisiteError, prepareToolchain } from "./toolchain";

/** Installs and runs are kept here, out of the repository. */
const LOCAL_FOLDER = resolve(__dirname, "..", ".local");

interface DemoOptions {
  readonly environment: string;
  readonly keep: boolean;
  readonly json?: string;
}

/** The signal that ends the demo; every other end is its own. */
class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** Plays the story, and returns whether everything was as expected. */
async function demo(options: DemoOptions, signal: AbortSignal): Promise<boolean> {
  const environment = environments.find(({ name }) => name === options.environment);
  if (environment === undefined) {
    const known = environments.map(({ name }) => name).join(", ");
    throw new PrerequisiteError(
      `environments.ts has no environment "${options.environment}"`,
      `choose one of: ${known}`,
    );
  }
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
  try {
    const figures = await story.play();
    const keyTexts = story.keyTexts();
    if (options.keep) await keepUp(run, story, progress, signal);
    else await story.destroy();
    const leaks = await story.searchLeaks(keyTexts);
    progress.say(figuresTable(figures));

    const passed = progress.failed.length === 0;
    if (options.json !== undefined) {
      const seconds = { total: secondsSince(startedAt), ...progress.seconds };
      const all = { passed, ...figures, leaks, seconds, checks: progress.checks };
      await writeFile(options.json, `${JSON.stringify(all, null, 2)}\n`);
    }
    progress.say(
      passed
        ? `passed: ${progress.checks.length} checks in ${secondsSince(startedAt)} s`
        : `FAILED: ${progress.failed.length} of ${progress.checks.length} checks; logs in ${run.folder}`,
    );
    if (passed) await run.removeFolder();
    return passed;
  } finally {
    await story.stopConsumers();
    await run.close();
  }
}

/** Leaves everything up until it is interrupted. */
async function keepUp(run: LocalRun, story: Story, progress: Progress, signal: AbortSignal): Promise<void> {
  await story.stopConsumers();
  progress.say(manual(run, await run.deployment.outputs()));
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

const secondsSince = (startedAt: number) => Number(((performance.now() - startedAt) / 1_000).toFixed(1));

async function main(): Promise<void> {
  // For the clients in this process; its children are told by `withoutAws`.
  Object.assign(process.env, QUIET_SDK);
  const interruption = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => interruption.abort(new Interrupted(`ended by ${name}`)));
  }

  const program = new Command("npm run local --")
    .description(
      "Provision, store and rotate agent keys on this machine, with a Control Plane and an AWS of its own.",
    )
    .option("--environment <name>", "environment of environments.ts to deploy", "dev")
    .option("--keep", "leave everything up afterwards, and say how to talk to it", false)
    .option("--json <file>", "write the figures to a file")
    .action(async (options: DemoOptions) => {
      const passed = await demo(options, interruption.signal);
      process.exitCode = passed ? 0 : 1;
    });

  await program.parseAsync().catch((error: unknown) => {
    const expected = error instanceof PrerequisiteError || error instanceof Interrupted;
    console.error(expected || !(error instanceof Error) ? `${(error as Error).message}` : error.stack);
    process.exitCode = 1;
  });
}

void main();
