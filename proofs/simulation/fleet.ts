import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { addFigures, type Figures, figuresOf, liveAgent } from "./figures";
import { agentOptions, type SimulationOptions } from "./options";

/** So few that the workers end at about the same time, and so many that messages cost nothing. */
const BATCH = 10;

/** What a worker is sent, one at a time; it answers with the figures of each agent. */
export interface Batch {
  readonly options: SimulationOptions;
  readonly from: number;
  readonly until: number;
}

export async function runBatch({ options, from, until }: Batch): Promise<readonly Figures[]> {
  const figures: Figures[] = [];
  for (let index = from; index < until; index++) {
    const agent = agentOptions(options, index);
    figures.push(figuresOf(agent, await liveAgent(agent)));
  }
  return figures;
}

/**
 * The figures of every agent, by its number. Agents share nothing but the weather, which depends on the seed alone, so
 * that who runs them makes no difference.
 */
export async function runFleet(
  options: SimulationOptions,
  onProgress: (done: number) => void = () => {},
): Promise<readonly Figures[]> {
  const batches: Batch[] = [];
  for (let from = 0; from < options.agents; from += BATCH) {
    batches.push({ options, from, until: Math.min(from + BATCH, options.agents) });
  }
  const results: (readonly Figures[])[] = [];
  let next = 0;
  let done = 0;
  const take = async (run: (batch: Batch) => Promise<readonly Figures[]>) => {
    for (let number = next++; number < batches.length; number = next++) {
      const figures = await run(batches[number] as Batch);
      results[number] = figures;
      done += figures.length;
      onProgress(done);
    }
  };
  const count = Math.min(options.workers, batches.length);
  if (count === 1) await take(runBatch);
  else await Promise.all(Array.from({ length: count }, () => inWorker(take)));
  return results.flat();
}

async function inWorker(
  take: (run: (batch: Batch) => Promise<readonly Figures[]>) => Promise<void>,
): Promise<void> {
  const worker = fork(join(__dirname, "worker.ts"), { execArgv: ["--import", require.resolve("tsx")] });
  try {
    await take((batch) => ask(worker, batch));
  } finally {
    worker.kill();
  }
}

function ask(worker: ChildProcess, batch: Batch): Promise<readonly Figures[]> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a worker of the simulation ended with ${code}`));
    worker.once("exit", ended);
    worker.once("message", (figures) => {
      worker.off("exit", ended);
      resolve(figures as readonly Figures[]);
    });
    worker.send(batch);
  });
}

/** All agents' figures as one. */
export const sumOf = (figures: readonly Figures[]): Figures => figures.reduce(addFigures);
