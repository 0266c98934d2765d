import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism, constants } from "node:os";

/** Says to a process that it is a worker. */
const IS_WORKER = "PROOF_WORKER";

export interface PoolOptions<Job, Answer> {
  /** @default one for each core */
  readonly workers?: number;
  /** Told of each answer as it comes. It may add to the jobs. */
  readonly onAnswer: (job: Job, answer: Answer) => void;
  /** Options of Node.js for each worker. @default - none */
  readonly execArgv?: readonly string[];
}

/**
 * Has processes of their own take the jobs off the list, one after the other, until it is empty. `file` is a program that calls
 * `serve`. Jobs and answers are plain data. No worker outlives this process. Rejects if a worker fails.
 */
export async function inWorkers<Job, Answer>(
  file: string,
  jobs: Job[],
  { workers = availableParallelism(), onAnswer, execArgv = [] }: PoolOptions<Job, Answer>,
): Promise<void> {
  const children: ChildProcess[] = [];
  const end = () => {
    for (const child of children) child.kill("SIGKILL");
  };
  const endBy = (signal: NodeJS.Signals) => {
    end();
    process.exit(128 + constants.signals[signal]);
  };
  process.once("exit", end);
  for (const signal of SIGNALS) process.once(signal, endBy);
  const runOne = async () => {
    const child = fork(file, process.argv.slice(2), {
      env: { ...process.env, [IS_WORKER]: "yes" },
      execArgv: ["--import", require.resolve("tsx"), ...execArgv],
    });
    children.push(child);
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      onAnswer(job, await ask<Job, Answer>(child, job));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, runOne));
  } finally {
    end();
    process.off("exit", end);
    for (const signal of SIGNALS) process.off(signal, endBy);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function ask<Job, Answer>(worker: ChildProcess, job: Job): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) =>
      reject(new Error(`a worker ended with ${code} at its job ${JSON.stringify(job)}`));
    worker.once("exit", ended);
    worker.once("message", (answer) => {
      worker.off("exit", ended);
      resolve(answer as Answer);
    });
    worker.send(job as object);
  });
}

/**
 * For a program that is its own worker, or for a file that is nothing else: does `work` on each job that comes from the parent, as
 * long as there is one. `false`, and nothing done, if this process is no worker. A worker that works for long without a pause
 * notices its parent's death at the next one.
 */
export function serve<Job, Answer>(work: (job: Job) => Promise<Answer>): boolean {
  if (process.env[IS_WORKER] === undefined) return false;
  process.on("disconnect", () => process.exit());
  process.on("message", (job: Job) => {
    work(job).then(
      (answer) => process.send?.(answer as object),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
  return true;
}
