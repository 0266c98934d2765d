import { inWorkers, serve } from "../../proofs/harness/pool";

/** What the pool's tests start: workers that never end, that square numbers, or that fail. */
async function work(job: number): Promise<number> {
  if (job === 13) throw new Error("unlucky");
  if (job !== 0) return job * job;
  console.log(process.pid);
  for (;;) {
    // As busy as the proofs are, and as seldom at rest.
    const until = performance.now() + 100;
    while (performance.now() < until);
    await new Promise(setImmediate);
  }
}

async function main([kind]: readonly string[]): Promise<void> {
  const jobs = kind === "squares" ? [1, 2, 3] : kind === "failing" ? [13] : [0, 0];
  await inWorkers<number, number>(__filename, jobs, {
    workers: 2,
    onAnswer: (job, answer) => {
      console.log(`${job} ${answer}`);
      if (job === 3) jobs.push(4);
    },
  });
}

if (!serve(work)) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
