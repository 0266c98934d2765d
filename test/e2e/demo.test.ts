import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { NO_TELEMETRY } from "../../local/demo/manual";
import { descendantsOf, listProcesses, type ProcessInfo } from "../../local/processes";
import { playOperator, stepsUpon } from "../../proofs/harness/operator";

const PROJECT = resolve(__dirname, "../..");

let folder: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "valmi-demo-"));
});

afterEach(() => {
  if (child?.exitCode === null) child.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

/** The demo as a user starts it, and every process that descended from it so far. */
class Demo {
  output = "";
  readonly seen = new Map<number, ProcessInfo>();
  private readonly child: ChildProcess;
  private readonly watch: NodeJS.Timeout;

  constructor(...args: string[]) {
    // As a terminal does: a process group for the command, which a Ctrl-C goes to.
    this.child = spawn(process.execPath, ["--import", "tsx", "local/demo.ts", ...args], {
      cwd: PROJECT,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = this.child;
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on("data", (chunk) => {
        this.output += chunk;
      });
    this.watch = setInterval(() => {
      for (const process of descendantsOf(this.child.pid ?? 0)) this.seen.set(process.pid, process);
    }, 100);
  }

  /** Waits until one of its descendants runs such a command. */
  async untilRuns(command: RegExp): Promise<void> {
    while (![...this.seen.values()].some((process) => command.test(process.command))) {
      if (this.child.exitCode !== null) throw new Error(`the demo ended early:\n${this.output}`);
      await delay(100);
    }
  }

  async untilSays(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.child.exitCode !== null) throw new Error(`the demo ended early:\n${this.output}`);
      await delay(100);
    }
  }

  interrupt(): void {
    process.kill(-(this.child.pid ?? 0), "SIGINT");
  }

  async exitCode(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null)
      await new Promise((end) => this.child.once("exit", end));
    clearInterval(this.watch);
    return this.child.exitCode;
  }

  /** Commands of the descendants that are still there. */
  leftOvers(): string[] {
    const now = new Map(listProcesses().map((process) => [process.pid, process.command]));
    return [...this.seen.values()]
      .filter(({ pid, command }) => now.get(pid) === command)
      .map(({ command }) => command);
  }
}

/** Whether somebody listens at a URL's port. */
function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(Number(new URL(url).port), "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

test("plays the main job to its end, and leaves nothing running", async () => {
  const json = join(folder, "figures.json");
  const demo = new Demo("--json", json);

  const code = await demo.exitCode();

  expect(demo.output).toMatch(/\npassed: \d+ checks in [\d.]+ s\n$/);
  expect(code).toBe(0);
  expect(demo.leftOvers()).toEqual([]);
  const figures = JSON.parse(readFileSync(json, "utf8"));
  expect(figures).toMatchObject({
    passed: true,
    environment: "dev",
    instances: 2,
    resources: { perInstance: 3 },
    consumers: { failedCalls: 0 },
    leaks: { hits: [] },
  });
  expect(figures.consumers.calls).toBeGreaterThan(100);
  expect(figures.startUpReader.failedCalls).toBeGreaterThan(0);
  // The operator's API key, of each instance the first key, one on demand and one after 90 days, and the healed one.
  expect(figures.leaks.keys).toBe(1 + 2 * 3 + 1);
  expect(figures.calls.rotation.controlPlane["POST /agent_instance/{agent_instance_id}/refresh"]).toBe(1);
  const sum = (calls: Record<string, number>) => Object.values(calls).reduce((all, count) => all + count, 0);
  expect(sum(figures.calls.rotation.secretsManager)).toBeLessThanOrEqual(7);
  expect(sum(figures.calls.rotation.controlPlane)).toBeLessThanOrEqual(5);
  expect(figures.calls.rotation.dynamoDb.PutItem).toBe(1);
});

test("Ctrl-C in the middle of a deploy ends everything", async () => {
  const demo = new Demo();
  await demo.untilRuns(/terraform-provider-aws/);
  await demo.untilRuns(/terraform apply/);

  demo.interrupt();

  expect(await demo.exitCode()).toBe(130);
  expect(demo.leftOvers()).toEqual([]);
  expect(demo.output).toContain("ended by SIGINT; nothing is left running");
});

test("--keep leaves everything up until Ctrl-C, and says how to talk to it, also by the command line", async () => {
  const demo = new Demo("--keep");
  await demo.untilSays("/_local/clock");
  const urls = [...new Set(demo.output.match(/http:\/\/127\.0\.0\.1:\d+/g))].filter(
    (url) => url !== NO_TELEMETRY,
  );
  expect(urls.length).toBeGreaterThanOrEqual(3);
  expect(await Promise.all(urls.map(answers))).toEqual(urls.map(() => true));
  expect(demo.output).toMatch(/export VALUE_BACKEND_URL=http:\/\/127\.0\.0\.1:\d+\n/);
  const variables = Object.fromEntries(
    [...demo.output.matchAll(/export (AWS_\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  );
  const { failures, said } = await playOperator(stepsUpon(folder), variables);
  expect(failures).toEqual([]);
  const report = readFileSync(join(folder, "report.html"), "utf8");
  for (const text of [said, report]) expect(text).not.toMatch(/(?:agent|token|secret)_[A-Za-z0-9]{8,}/);

  demo.interrupt();

  const code = await demo.exitCode();
  expect(demo.output).toMatch(/\npassed: \d+ checks in [\d.]+ s\n$/);
  expect(code).toBe(0);
  expect(demo.leftOvers()).toEqual([]);
  expect(await Promise.all(urls.map(answers))).toEqual(urls.map(() => false));
}, 600_000);

test("a missing prerequisite is one line with the fix", async () => {
  const demo = new Demo("--environment", "qa");

  expect(await demo.exitCode()).toBe(1);
  expect(demo.output).toBe(
    'environments.ts has no environment "qa". Fix: choose one of: dev, staging, production\n',
  );
});
