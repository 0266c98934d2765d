import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { environments } from "../environments";
import { HOUR } from "./clock";
import { callTable, switchTable } from "./consumers/report";
import { ConsumersStory } from "./consumers/story";
import { Progress } from "./demo/progress";
import { environmentNamed } from "./environment-named";
import { startLocalRun } from "./local-run";
import { runProgram } from "./program";
import { prepareToolchain } from "./toolchain";
import { findPython } from "./toolchain/ministack";
import { preparePythonClient } from "./toolchain/python-client";

const PROJECT_FOLDER = resolve(__dirname, "..");
/** Installs and runs are kept here, out of the repository. */
const LOCAL_FOLDER = join(PROJECT_FOLDER, ".local");

interface ConsumersOptions {
  readonly rotations: number;
  readonly json?: string;
}

async function consumers({ rotations, json }: ConsumersOptions, signal: AbortSignal): Promise<boolean> {
  const environment = environmentNamed("dev", environments);
  const progress = new Progress(process.stdout);
  const report = (line: string) => progress.say(`          ${line}`);
  const [toolchain, python] = await progress.phase(
    "toolchain",
    async () =>
      [
        await prepareToolchain({ cacheFolder: LOCAL_FOLDER, report }),
        await preparePythonClient(await findPython(process.env), LOCAL_FOLDER),
      ] as const,
  );
  signal.throwIfAborted();

  const startedAt = performance.now();
  const run = await progress.phase("Control Plane, Secrets Manager and emulator", () =>
    startLocalRun({
      environment,
      toolchain,
      runsFolder: join(LOCAL_FOLDER, "runs"),
      app: join(PROJECT_FOLDER, "examples/main.ts"),
      signal,
    }),
  );
  const story = new ConsumersStory(run, progress, python, signal);
  let passed = false;
  try {
    const figures = await story.play(rotations);
    await story.stop();
    const leaks = story.searchLeaks();
    progress.say(callTable(figures));
    const { gracePeriodHours = 24 } = environment.controlPlane;
    progress.say(switchTable(figures.consumers, gracePeriodHours * HOUR));
    passed = progress.failed.length === 0;
    const seconds = Number(((performance.now() - startedAt) / 1_000).toFixed(1));
    if (json !== undefined) {
      const all = { passed, ...figures, leaks, seconds, checks: progress.checks };
      await writeFile(json, `${JSON.stringify(all, null, 2)}\n`);
    }
    progress.say(
      passed
        ? `passed: ${progress.checks.length} checks in ${seconds} s`
        : `FAILED: ${progress.failed.map(({ name }) => name).join("; ")}`,
    );
    return passed;
  } finally {
    await story.stop();
    await run.close();
    if (passed || signal.aborted) await run.removeFolder();
    else progress.say(`logs and state are in ${run.folder}`);
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("must be a whole number from 1 on");
}

const program = new Command("npm run local:consumers --")
  .description(
    "Agents of every kind go through rotations of their key on this machine, under load: an ECS service, a process under " +
      "the runner, the TypeScript library, and Valmi's Python SDK.",
  )
  .option("--rotations <count>", "how many rotations", wholeNumber, 10)
  .option("--json <file>", "write the figures to a file");

void runProgram(program, consumers);
