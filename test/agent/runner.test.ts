import { EventEmitter } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import {
  type EventQueue,
  FIRST_RETRY_MS,
  LAST_RETRY_MS,
  type QueuedMessage,
  RECEIVE_SPACING_MS,
} from "../../agent/new-key-events";
import { type RunOptions, runWithKey } from "../../agent/runner";
import { AgentKeyUnreadableError } from "../../agent/secret-reader";
import { AgentKey } from "../../core/key/credential";
import { FrozenClock, HOUR, MINUTE } from "../../local/clock";
import { descendantsOf, isRunning, signalProcess } from "../../local/processes";
import { labelUpdated } from "../../local/secrets-manager/events";
import { removeFolders, temporaryFolder, writeProgram } from "../local/programs";

/** Tells a file of its starts and signals, and does with each signal as it was told. */
const COMMAND = `#!${process.execPath}
const { appendFileSync } = require("node:fs");
const [, , log, onTerm = "exit 0", onStart = "stay"] = process.argv;
const tell = (line) => appendFileSync(log, line + " " + process.pid + "\\n");
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"]) {
  process.on(signal, () => {
    tell(signal);
    if (signal !== "SIGTERM" && signal !== "SIGINT") return;
    if (onTerm.startsWith("exit")) process.exit(Number(onTerm.slice(5)));
  });
}
setInterval(() => {}, 1000);
tell("start " + process.env.VALMI_AGENT_KEY + " " + process.env.VALUE_AGENT_SECRET);
if (onStart.startsWith("exit") && process.env.VALMI_AGENT_KEY === onStart.split(" ")[2]) process.exit(Number(onStart.split(" ")[1]));
`;

const SECRET = "valmi/dev/support/agent-key";
const ARN = `arn:aws:secretsmanager:eu-west-1:000000000000:secret:${SECRET}-AbCdEf`;

function event(changes: { name?: string; secretArn?: string; labelUpdated?: string } = {}): string {
  const { name = SECRET, secretArn = ARN, labelUpdated: label = "AWSCURRENT" } = changes;
  const detail = { name, labelUpdated: label, versionId: "2".repeat(32) };
  return JSON.stringify(labelUpdated({ id: "1", now: 0, secretArn }, detail));
}

/** A queue that hands over what the test sends, and hides nothing: what isn't deleted is to be sent again. */
class FakeQueue implements EventQueue {
  readonly deleted: string[] = [];
  receives = 0;
  isReachable = true;
  onDelete = () => {};
  private readonly waiting: ((messages: QueuedMessage[]) => void)[] = [];

  receive(signal: AbortSignal): Promise<readonly QueuedMessage[]> {
    this.receives += 1;
    if (!this.isReachable)
      return Promise.reject(
        Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:9"), { code: "ECONNREFUSED" }),
      );
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      this.waiting.push(resolve);
    });
  }

  async delete(messages: readonly QueuedMessage[]): Promise<void> {
    this.onDelete();
    this.deleted.push(...messages.map(({ handle }) => handle));
  }

  isWaiting = () => this.waiting.length > 0;

  send(...messages: (readonly [handle: string, body: string, receivedTimes?: number])[]): void {
    this.waiting.shift()?.(
      messages.map(([handle, body, receivedTimes = 1]) => ({ handle, body, receivedTimes })),
    );
  }
}

const stages: Stage[] = [];

/** A runner whose looks come when the test says so. */
class Stage {
  readonly folder = temporaryFolder();
  readonly log = path.join(this.folder, "log");
  readonly program = writeProgram(path.join(this.folder, "command.js"), COMMAND);
  readonly clock = new FrozenClock();
  readonly signals = new EventEmitter();
  readonly told: string[] = [];
  waits: { ms: number; go: () => void }[] = [];
  /** The counter that is never set. */
  steady = 0;
  key = "agent_key_0";
  isReadable = true;
  /** What a terminal sends to the whole process group, if one is there. */
  fromTerminal: readonly NodeJS.Signals[] | undefined;
  queue: FakeQueue | undefined;
  secretId = SECRET;
  reads = 0;
  private seenAt = this.clock.now();

  run(args: readonly string[] = [], options: Partial<RunOptions> = {}): Promise<number> {
    const refresh = async () => {
      this.reads += 1;
      if (!this.isReadable) throw new AgentKeyUnreadableError("secret 'x', AWSCURRENT: ECONNREFUSED");
      this.seenAt = this.clock.now();
      return new AgentKey(this.key);
    };
    const status = () => ({ fingerprint: "", seenAt: this.seenAt, worksUntil: this.seenAt + 24 * HOUR });
    stages.push(this);
    return runWithKey(
      {
        command: [this.program, this.log, ...args],
        environment: process.env,
        variables: ["VALMI_AGENT_KEY", "VALUE_AGENT_SECRET"],
        watchMs: 5 * MINUTE,
        stopMs: 10_000,
        onNewKey: { kind: "restart" },
        ...options,
      },
      {
        keys: { refresh, status },
        ...(this.queue && { events: { queue: this.queue, secretId: this.secretId } }),
        clock: this.clock,
        steady: () => this.steady,
        random: () => 0.5,
        tell: (line) => this.told.push(line),
        signals: this.signals,
        ...(this.fromTerminal && {
          witness: { saw: async (signal) => this.fromTerminal?.includes(signal) ?? false },
        }),
        wait: (ms, signal) =>
          new Promise((resolve, reject) => {
            const abort = () => {
              this.waits = this.waits.filter(({ go: each }) => each !== go);
              reject(signal.reason);
            };
            signal.addEventListener("abort", abort);
            const go = () => {
              signal.removeEventListener("abort", abort);
              resolve();
            };
            this.waits.push({ ms, go });
          }),
      },
    );
  }

  lines = () => (existsSync(this.log) ? readFileSync(this.log, "utf8").split("\n").slice(0, -1) : []);

  /** Pids in the order of their starts. */
  pids = () =>
    this.lines()
      .filter((line) => line.startsWith("start"))
      .map((line) => Number(line.split(" ").at(-1)));

  async until(isSo: () => boolean): Promise<void> {
    for (let turn = 0; !isSo(); turn++) {
      if (turn === 2_000)
        throw new Error(`it never was so: ${isSo}\n${[...this.lines(), ...this.told].join("\n")}`);
      await pause(5);
    }
  }

  started = (count: number) => this.until(() => this.pids().length === count);

  /** Ends the wait that goes on (the one of this length, where there are two) and gives its length. */
  async tick(ms?: number): Promise<number> {
    const index = () => this.waits.findIndex((wait) => ms === undefined || wait.ms === ms);
    await this.until(() => index() >= 0);
    const [wait] = this.waits.splice(index(), 1);
    wait?.go();
    return wait?.ms ?? 0;
  }

  async rotate(): Promise<void> {
    this.key = `agent_key_${Number(this.key.slice(-1)) + 1}`;
    await this.tick();
  }

  signal(signal: NodeJS.Signals): void {
    this.signals.emit(signal);
  }
}

const events = (stage: Stage) => stage.lines().map((line) => line.split(" ").slice(0, -1).join(" "));

afterEach(() => {
  // Of a test that failed: jest would wait for them.
  for (const pid of stages.splice(0).flatMap((stage) => stage.pids())) {
    if (isRunning(pid)) signalProcess(pid, "SIGKILL");
  }
  removeFolders();
});

test("gives the key under both names, and passes the exit code on", async () => {
  const stage = new Stage();
  expect(await stage.run(["exit 0", "exit 3 agent_key_0"])).toBe(3);
  expect(events(stage)).toEqual(["start agent_key_0 agent_key_0"]);
  expect(stage.told).toEqual([]);
});

test("does not start a command without a key", async () => {
  const stage = new Stage();
  stage.isReadable = false;
  await expect(stage.run()).rejects.toThrow(AgentKeyUnreadableError);
  expect(stage.lines()).toEqual([]);
});

test.each<[string, string, number]>([
  ["is not there", "nowhere/to/be/found", 127],
  ["can't be run", __filename, 126],
])("a program that %s", async (_, program, code) => {
  const stage = new Stage();
  expect(await stage.run([], { command: [program] })).toBe(code);
  expect(stage.told).toHaveLength(1);
});

test("passes signals on, and answers like a shell where one ends the command", async () => {
  const stage = new Stage();
  const run = stage.run(["ignore"]);
  await stage.started(1);
  for (const signal of ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTERM"] as const) {
    stage.signal(signal);
    await stage.until(() => events(stage).includes(signal));
  }
  signalProcess(stage.pids()[0] as number, "SIGKILL");
  expect(await run).toBe(128 + 9);
  expect(stage.signals.eventNames()).toEqual([]);
});

test("does not repeat what a terminal sends to the command by itself", async () => {
  const stage = new Stage();
  stage.fromTerminal = ["SIGINT"];
  const run = stage.run(["exit 0"]);
  await stage.started(1);
  stage.signal("SIGINT");
  stage.signal("SIGTERM");
  expect(await run).toBe(0);
  expect(events(stage)).toEqual(["start agent_key_0 agent_key_0", "SIGTERM"]);
});

test("restarts the command for a new key, and for no other reason", async () => {
  const stage = new Stage();
  const run = stage.run();
  await stage.started(1);
  expect(await stage.tick()).toBe(5 * MINUTE);
  await stage.tick();
  await stage.rotate();
  await stage.started(2);
  await stage.rotate();
  await stage.started(3);
  stage.signal("SIGTERM");
  expect(await run).toBe(0);
  expect(events(stage)).toEqual([
    "start agent_key_0 agent_key_0",
    "SIGTERM",
    "start agent_key_1 agent_key_1",
    "SIGTERM",
    "start agent_key_2 agent_key_2",
    "SIGTERM",
  ]);
  expect(stage.told).toEqual([
    expect.stringMatching(/^new key [0-9a-f]{12}, after [0-9a-f]{12}: restarting the command$/),
    expect.stringMatching(/^new key [0-9a-f]{12}/),
  ]);
});

test("kills a command that does not end in time", async () => {
  const stage = new Stage();
  const run = stage.run(["ignore"], { stopMs: 20 });
  await stage.started(1);
  await stage.rotate();
  await stage.started(2);
  expect(isRunning(stage.pids()[0] as number)).toBe(false);
  expect(stage.told.at(-1)).toMatch(/^process \d+ did not end within 0.02 s: killed$/);
  signalProcess(stage.pids()[1] as number, "SIGKILL");
  expect(await run).toBe(137);
});

test("does not start the command again that was asked to end while it was being restarted", async () => {
  const stage = new Stage();
  const run = stage.run(["ignore"]);
  await stage.started(1);
  await stage.rotate();
  await stage.until(() => events(stage).includes("SIGTERM"));
  stage.signal("SIGTERM");
  await stage.until(() => events(stage).filter((event) => event === "SIGTERM").length === 2);
  signalProcess(stage.pids()[0] as number, "SIGKILL");
  expect(await run).toBe(137);
  await pause(5);
  const left = descendantsOf(process.pid).filter(({ command }) => command.includes(stage.program));
  expect(left).toEqual([]);
});

describe("with overlap", () => {
  const onNewKey = { kind: "overlap", overlapMs: 7_000 } as const;

  test("ends the old process when the new one has run for a while", async () => {
    const stage = new Stage();
    const run = stage.run([], { onNewKey });
    await stage.started(1);
    await stage.rotate();
    await stage.started(2);
    expect(events(stage)).not.toContain("SIGTERM");
    expect(await stage.tick()).toBe(7_000);
    await stage.until(() => events(stage).includes("SIGTERM"));
    expect(stage.lines().at(-1)).toBe(`SIGTERM ${stage.pids()[0]}`);
    stage.signal("SIGTERM");
    expect(await run).toBe(0);
    expect(stage.lines().at(-1)).toBe(`SIGTERM ${stage.pids()[1]}`);
  });

  test("keeps the old process where the new one fails, and tries again", async () => {
    const stage = new Stage();
    const run = stage.run(["exit 0", "exit 1 agent_key_1"], { onNewKey });
    await stage.started(1);
    await stage.rotate();
    await stage.until(() => stage.told.length === 2);
    expect(stage.told[1]).toBe(
      "the new process ended with 1; the old one runs on, and the next look starts another",
    );
    expect(isRunning(stage.pids()[0] as number)).toBe(true);
    stage.waits.shift(); // of the overlap
    await stage.rotate();
    await stage.started(3);
    stage.signal("SIGTERM");
    expect(await run).toBe(0);
  });

  test("goes on with the new process where the old one ends by itself", async () => {
    const stage = new Stage();
    const run = stage.run([], { onNewKey });
    await stage.started(1);
    await stage.rotate();
    await stage.started(2);
    signalProcess(stage.pids()[0] as number, "SIGTERM");
    await stage.until(() => !isRunning(stage.pids()[0] as number));
    expect(isRunning(stage.pids()[1] as number)).toBe(true);
    await stage.tick();
    stage.signal("SIGTERM");
    expect(await run).toBe(0);
  });
});

describe("with a hook", () => {
  test("tells it the new key and the command's process, and leaves the command alone", async () => {
    const stage = new Stage();
    const hook = `echo "hook $VALMI_AGENT_KEY $VALMI_COMMAND_PID" >> ${stage.log}`;
    const run = stage.run([], { onNewKey: { kind: "hook", hook } });
    await stage.started(1);
    await stage.rotate();
    await stage.until(() => stage.lines().length === 2);
    expect(stage.lines()[1]).toBe(`hook agent_key_1 ${stage.pids()[0]}`);
    await stage.tick();
    stage.signal("SIGTERM");
    await run;
    expect(stage.lines()).toHaveLength(3);
  });

  test("runs it again where it fails", async () => {
    const stage = new Stage();
    const hook = `echo hook >> ${stage.log}; [ $(grep -c hook ${stage.log}) = 2 ]`;
    const run = stage.run([], { onNewKey: { kind: "hook", hook } });
    await stage.started(1);
    await stage.rotate();
    await stage.tick(5 * MINUTE);
    await stage.tick(5 * MINUTE);
    await stage.until(() => stage.waits.some(({ ms }) => ms === 5 * MINUTE));
    expect(stage.lines().filter((line) => line === "hook")).toHaveLength(2);
    expect(stage.told).toContain("the hook ended with 1; it is run again at the next look");
    stage.signal("SIGTERM");
    await run;
  });

  const started = (stage: Stage) =>
    stage.lines().flatMap((line) => (line.startsWith("hook ") ? Number(line.split(" ")[1]) : []));
  const hanging = (stage: Stage) =>
    `sleep 1000 & echo "hook $!" >> ${stage.log}; echo "hook $$" >> ${stage.log}; sleep 1001`;

  test("kills one that hangs, with all that it has started, and runs it again", async () => {
    const stage = new Stage();
    const run = stage.run([], { onNewKey: { kind: "hook", hook: hanging(stage) } });
    await stage.started(1);
    await stage.rotate();
    await stage.until(() => started(stage).length === 2);
    await stage.tick(MINUTE);
    await stage.until(() => started(stage).every((pid) => !isRunning(pid)));
    await stage.tick(5 * MINUTE);
    await stage.until(() => started(stage).length === 4);
    expect(stage.told).toContain(
      "the hook did not end within 60 s, and was killed with all that it had started; it is run again at the next look",
    );
    stage.signal("SIGTERM");
    await run;
    await stage.until(() => started(stage).every((pid) => !isRunning(pid)));
    expect(stage.told.filter((line) => line.startsWith("the hook"))).toHaveLength(1);
  });
});

test("lets the command run while the secret can't be read, and says for how long its key works", async () => {
  const stage = new Stage();
  const run = stage.run();
  await stage.started(1);
  stage.isReadable = false;
  for (const minutes of [5, 5, 60, 23 * 60]) {
    stage.clock.advanceBy(minutes * MINUTE);
    await stage.tick();
    await stage.until(() => stage.waits.length > 0);
  }
  stage.isReadable = true;
  await stage.tick();
  await stage.until(() => stage.waits.length > 0);
  const reason = "secret 'x', AWSCURRENT: ECONNREFUSED; the command runs on with key b3fe44b8dc54, ";
  expect(stage.told.map((line) => line.replace(/key [0-9a-f]{12}/, "key b3fe44b8dc54"))).toEqual([
    `${reason}which works until 2026-01-02T00:00:00.000Z at the least (23 h 55 min from now)`,
    `${reason}which works until 2026-01-02T00:00:00.000Z at the least (22 h 50 min from now)`,
    `${reason}which is sure to have worked until 2026-01-02T00:00:00.000Z only`,
    "the secret can be read again",
  ]);
  stage.signal("SIGTERM");
  expect(await run).toBe(0);
  expect(stage.pids()).toHaveLength(1);
});

test("tells of an outage again after an hour, though the clock was set back meanwhile", async () => {
  const stage = new Stage();
  const run = stage.run();
  await stage.started(1);
  stage.isReadable = false;
  const looks = async (count: number) => {
    for (let look = 0; look < count; look++) {
      await stage.tick();
      await stage.until(() => stage.waits.length > 0);
    }
  };
  await looks(1);
  stage.clock.advanceBy(-5 * HOUR);
  await looks(1);
  expect(stage.told).toHaveLength(1);
  stage.steady = HOUR;
  await looks(1);
  expect(stage.told).toHaveLength(2);
  stage.signal("SIGTERM");
  await run;
});

describe("with a queue of events", () => {
  const WATCH = 15 * MINUTE;

  async function start(options: Partial<RunOptions> = {}, queue = new FakeQueue(), secretId = SECRET) {
    const stage = new Stage();
    Object.assign(stage, { queue, secretId });
    const run = stage.run(["exit 0"], { watchMs: WATCH, ...options });
    await stage.started(1);
    /** Waits for the queue to be asked (again), and sends. */
    const send = async (...messages: Parameters<FakeQueue["send"]>) => {
      if (stage.waits.some(({ ms }) => ms === RECEIVE_SPACING_MS)) await stage.tick(RECEIVE_SPACING_MS);
      await stage.until(queue.isWaiting);
      queue.send(...messages);
      await stage.until(() => stage.waits.some(({ ms }) => ms === RECEIVE_SPACING_MS));
    };
    const stop = async () => {
      stage.signal("SIGTERM");
      expect(await run).toBe(0);
    };
    return { stage, queue, send, stop };
  }

  test.each([
    ["its name", SECRET],
    ["its ARN", ARN],
    ["its ARN without the last part", ARN.slice(0, -7)],
  ])("restarts at once, and deletes the message once the secret was read: by %s", async (_, secretId) => {
    const { stage, queue, send, stop } = await start({}, new FakeQueue(), secretId);
    stage.key = "agent_key_1";
    const readsAtDelete: number[] = [];
    queue.onDelete = () => readsAtDelete.push(stage.reads);
    await send(["a", event()]);
    await stage.started(2);
    expect([queue.deleted, readsAtDelete, stage.reads]).toEqual([["a"], [2], 2]);
    expect(stage.waits.map(({ ms }) => ms)).toEqual([WATCH, RECEIVE_SPACING_MS]);
    expect(stage.told).toEqual([expect.stringMatching(/^new key [0-9a-f]{12}/)]);
    await stop();
  });

  test("reads once for many messages", async () => {
    const { stage, queue, send, stop } = await start();
    stage.key = "agent_key_1";
    await send(["a", event()], ["b", event()], ["c", event({ name: "other", secretArn: "arn:other" })]);
    await stage.started(2);
    expect([stage.reads, queue.deleted]).toEqual([2, ["a", "b", "c"]]);
    await stop();
  });

  test.each([
    [
      "another secret",
      event({ name: "valmi/dev/billing/agent-key", secretArn: ARN.replace("support", "billing") }),
    ],
    [
      "a secret whose name only begins so",
      event({ name: `${SECRET}-2`, secretArn: ARN.replace("-AbC", "-2-AbC") }),
    ],
    ["AWSPENDING", event({ labelUpdated: "AWSPENDING" })],
    ["another kind of event", event().replace("Secret Label Updated", "AWS API Call via CloudTrail")],
    ["another source", event().replace("aws.secretsmanager", "custom")],
    ["nothing", "no JSON"],
  ])("does not read for what tells of %s; deletes it, and says so once", async (_, body) => {
    const { stage, queue, send, stop } = await start();
    stage.key = "agent_key_1";
    await send(["a", body]);
    await send(["b", body]);
    expect([stage.reads, queue.deleted]).toEqual([1, ["a", "b"]]);
    expect(stage.told).toEqual([
      "the queue holds messages that tell of no new key of this secret; they are deleted",
    ]);
    await stop();
  });

  test("keeps the message while the secret can't be read, however often it comes", async () => {
    const { stage, queue, send, stop } = await start();
    stage.isReadable = false;
    for (const times of [1, 2, 3]) await send(["a", event(), times]);
    expect([stage.reads, queue.deleted, stage.told.length]).toEqual([4, [], 1]);
    stage.isReadable = true;
    stage.key = "agent_key_1";
    await send(["a", event(), 4]);
    await stage.started(2);
    expect(queue.deleted).toEqual(["a"]);
    await stop();
  });

  test("reads a second time where the first read showed nothing new, and no third time", async () => {
    const { stage, queue, send, stop } = await start();
    await send(["a", event(), 1]);
    expect(queue.deleted).toEqual([]);
    await send(["a", event(), 2]);
    expect([stage.reads, queue.deleted]).toEqual([3, ["a"]]);
    await stop();
  });

  test("runs a hook that failed again with the message's second delivery", async () => {
    const stage = new Stage();
    const hook = `echo hook >> ${stage.log}; [ $(grep -c hook ${stage.log}) = 2 ]`;
    const { stage: own, queue, send, stop } = await start({ onNewKey: { kind: "hook", hook } });
    own.key = "agent_key_1";
    await send(["a", event(), 1]);
    await send(["a", event(), 2]);
    expect(stage.lines()).toEqual(["hook", "hook"]);
    expect(queue.deleted).toEqual(["a"]);
    await stop();
  });

  test("does one thing at a time where a look and an event come together", async () => {
    const { stage, queue, send, stop } = await start();
    await stage.rotate();
    await send(["a", event(), 2]);
    await stage.started(2);
    expect([stage.reads, queue.deleted]).toEqual([3, ["a"]]);
    await stop();
    expect(stage.pids()).toHaveLength(2);
  });

  test("goes on by looking where the queue is out of reach for ever, and asks it more and more seldom", async () => {
    const queue = new FakeQueue();
    queue.isReachable = false;
    const { stage, stop } = await start({}, queue);
    const retries: number[] = [];
    for (let n = 0; n < 9; n++) {
      await stage.until(() => stage.waits.length === 2);
      const retry = stage.waits.find(({ ms }) => ms !== WATCH)?.ms ?? 0;
      retries.push(retry);
      expect(queue.receives).toBe(n + 1);
      await stage.tick(retry);
    }
    expect(retries).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300].map((seconds) => seconds * 1_000));
    expect([FIRST_RETRY_MS, LAST_RETRY_MS]).toEqual([5_000, 300_000]);
    expect(stage.told).toEqual([
      "the queue of events: connect ECONNREFUSED 127.0.0.1:9; new keys are found by looking until it is back",
    ]);
    stage.key = "agent_key_1";
    await stage.tick(WATCH);
    await stage.started(2);
    await stop();
  });

  test("takes the queue up again when it is back, and tells of the next outage anew", async () => {
    const queue = new FakeQueue();
    queue.isReachable = false;
    const { stage, send, stop } = await start({}, queue);
    queue.isReachable = true;
    await stage.tick(FIRST_RETRY_MS);
    stage.key = "agent_key_1";
    await send(["a", event()]);
    await stage.started(2);
    queue.isReachable = false;
    await stage.tick(RECEIVE_SPACING_MS);
    await stage.tick(FIRST_RETRY_MS);
    expect(stage.told.map((line) => line.split(/[:;]| [0-9a-f]{12}/)[0])).toEqual([
      "the queue of events",
      "the queue of events can be read again",
      "new key",
      "the queue of events",
    ]);
    await stop();
  });

  test("a message that can't be deleted ends nothing", async () => {
    const { stage, queue, send, stop } = await start();
    queue.onDelete = () => {
      throw Object.assign(new Error("not authorized to perform it"), {
        name: "AccessDenied",
        $fault: "client",
      });
    };
    stage.key = "agent_key_1";
    await stage.until(queue.isWaiting);
    queue.send(["a", event(), 1]);
    await stage.tick(FIRST_RETRY_MS);
    await stage.started(2);
    expect(stage.told.at(-1)).toContain("the queue of events: AccessDenied: not authorized to perform it; ");
    queue.onDelete = () => {};
    await send(["a", event(), 2]);
    expect(queue.deleted).toEqual(["a"]);
    await stop();
  });

  test("a queue that is never empty is asked with a pause", async () => {
    const { stage, queue, stop } = await start();
    for (let n = 1; n <= 3; n++) {
      await stage.until(queue.isWaiting);
      queue.send(["a", "no JSON"]);
      await stage.until(() => stage.waits.length === 2);
      expect(queue.receives).toBe(n);
      await stage.tick(RECEIVE_SPACING_MS);
    }
    await stop();
  });

  test("what comes while the command ends is kept for the runner after this one", async () => {
    const stage = new Stage();
    stage.queue = new FakeQueue();
    const run = stage.run(["ignore"], { watchMs: WATCH });
    await stage.started(1);
    stage.signal("SIGTERM");
    await stage.until(stage.queue.isWaiting);
    stage.key = "agent_key_1";
    stage.queue.send(["a", event()]);
    await stage.until(() => stage.waits.some(({ ms }) => ms === RECEIVE_SPACING_MS));
    signalProcess(stage.pids()[0] as number, "SIGKILL");
    expect(await run).toBe(137);
    expect([stage.queue.deleted, stage.pids().length]).toEqual([[], 1]);
  });
});
