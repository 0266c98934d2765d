import { join } from "node:path";
import { inWorkers } from "../harness/pool";
import { addFigures, type Figures, figuresOf, liveAgent } from "./figures";
import { agentOptions, type SimulationOptions } from "./options";

/** So few that the workers end at about the same time, and so many that messages cost nothing. */
const BATCH = 10;

const WORKER = join(__dirname, "worker.ts");

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
  const results = new Map<number, readonly Figures[]>();
  let done = 0;
  const onAnswer = ({ from }: Batch, figures: readonly Figures[]) => {
    results.set(from, figures);
    done += figures.length;
    onProgress(done);
  };
  const workers = Math.min(options.workers, batches.length);
  if (workers === 1) for (const batch of batches) onAnswer(batch, await runBatch(batch));
  else await inWorkers<Batch, readonly Figures[]>(WORKER, [...batches], { workers, onAnswer });
  return batches.flatMap(({ from }) => results.get(from) ?? []);
}

/** All agents' figures as one. */
export const sumOf = (figures: readonly Figures[]): Figures => figures.reduce(addFigures);
