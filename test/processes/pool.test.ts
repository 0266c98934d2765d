import { type ChildProcess, spawn } from "node:child_process";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { exitOf, waitForEnd } from "../../local/processes";

const PROGRAM = path.join(__dirname, "spinning-pool.ts");

/** A pool of two workers that never end by themselves; gives their ids. */
async function start(): Promise<{ readonly pool: ChildProcess; readonly workers: number[] }> {
  const pool = spawn(process.execPath, ["--import", "tsx", PROGRAM], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const workers: number[] = [];
  for await (const line of createInterface({ input: pool.stdout as NodeJS.ReadableStream })) {
    workers.push(Number(line));
    if (workers.length === 2) break;
  }
  return { pool, workers };
}

describe("a pool of workers", () => {
  it.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "ends them with itself on %s",
    async (signal) => {
      const { pool, workers } = await start();
      pool.kill(signal);

      expect(await exitOf(pool)).toBe(128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[signal]);
      expect(await waitForEnd(workers, 5_000)).toEqual([]);
    },
    30_000,
  );

  it("has none left if it is killed: each sees that its parent is gone", async () => {
    const { pool, workers } = await start();
    pool.kill("SIGKILL");

    expect(await exitOf(pool)).toBe("SIGKILL");
    expect(await waitForEnd(workers, 5_000)).toEqual([]);
  }, 30_000);

  it("gives each answer with its job, and takes jobs that an answer adds", async () => {
    const pool = spawn(process.execPath, ["--import", "tsx", PROGRAM, "squares"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines: string[] = [];
    for await (const line of createInterface({ input: pool.stdout as NodeJS.ReadableStream }))
      lines.push(line);

    expect(lines.sort()).toEqual(["1 1", "2 4", "3 9", "4 16"]);
    expect(await exitOf(pool)).toBe(0);
  }, 30_000);

  it("fails by the name of the job whose worker fails", async () => {
    const pool = spawn(process.execPath, ["--import", "tsx", PROGRAM, "failing"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let told = "";
    for await (const chunk of pool.stderr as NodeJS.ReadableStream) told += chunk;

    expect(told).toContain("a worker ended with 1 at its job 13");
    expect(await exitOf(pool)).toBe(1);
  }, 30_000);
});
