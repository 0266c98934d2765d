import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { descendantsOf, listProcesses } from "../../local/processes";

const PROJECT = resolve(__dirname, "../..");

test("consumers of every kind go through ten rotations, and lose no call", async () => {
  const folder = mkdtempSync(join(tmpdir(), "valmi-consumers-"));
  const json = join(folder, "figures.json");
  let output = "";
  const seen = new Map<number, string>();
  const child = spawn(process.execPath, ["--import", "tsx", "local/consumers.ts", "--json", json], {
    cwd: PROJECT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const watch = setInterval(() => {
    for (const { pid, command } of descendantsOf(child.pid ?? 0)) seen.set(pid, command);
  }, 200);
  try {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        output += chunk;
      });
    }
    const code = await new Promise((end) => child.once("exit", end));

    expect(output).toMatch(/\npassed: \d+ checks in [\d.]+ s\n$/);
    expect(code).toBe(0);
    const figures = JSON.parse(readFileSync(json, "utf8"));
    expect(figures.consumers.map(({ name }: { name: string }) => name)).toEqual([
      "ECS service",
      "process under the runner",
      "TypeScript library",
      "Python, Valmi's SDK",
    ]);
    for (const consumer of figures.consumers) {
      expect(consumer).toMatchObject({ rotations: 10, failed: 0 });
      expect(consumer.calls).toBeGreaterThan(100);
      expect(consumer.graceLeftMs).toBeGreaterThan(0);
    }
    expect(figures.startUpReader.failed).toBeGreaterThan(0);
    // The operator's API key, the other instance's one key, and of this one the first and ten more.
    expect(figures.leaks).toMatchObject({ keys: 13, hits: [] });
    const left = listProcesses().filter(({ pid, command }) => seen.get(pid) === command);
    expect(left).toEqual([]);
  } finally {
    clearInterval(watch);
    if (child.exitCode === null) child.kill("SIGTERM");
    rmSync(folder, { recursive: true, force: true });
  }
}, 600_000);
