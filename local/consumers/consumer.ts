import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Clock } from "../../core/clock";
import { exitOf, signalProcess, waitForEnd } from "../processes";
import type { CallReport } from "./calls";

const STOP_LIMIT_MS = 5_000;

/** The calls of one consumer, of however many processes. Times are those of the local services' clock. */
export class CallLog {
  calls = 0;
  failed = 0;
  private readonly firstUse = new Map<string, number>();
  private readonly lastUse = new Map<string, number>();
  private waiting: { left: number; readonly resolve: () => void }[] = [];
  private lastKey = "";

  constructor(private readonly clock: Clock) {}

  note({ ok, key }: CallReport): void {
    const now = this.clock.now();
    this.calls += 1;
    if (!ok) this.failed += 1;
    if (!this.firstUse.has(key)) this.firstUse.set(key, now);
    this.lastUse.set(key, now);
    this.lastKey = key;
    for (const wait of this.waiting) wait.left -= 1;
    for (const { resolve } of this.waiting.filter(({ left }) => left <= 0)) resolve();
    this.waiting = this.waiting.filter(({ left }) => left > 0);
  }

  /** Waits until that many calls have ended from now on: of two, the second has begun after now. */
  next(count: number): Promise<void> {
    return new Promise((resolve) => this.waiting.push({ left: count, resolve }));
  }

  /** Whether the last call was made with that key. */
  uses(key: string): boolean {
    return this.lastKey === key;
  }

  /** When calls with the new key had begun and calls with the old one had ended; undefined where that isn't so yet. */
  switchedAt(from: string, to: string): number | undefined {
    const first = this.firstUse.get(to);
    return first === undefined ? undefined : Math.max(first, this.lastUse.get(from) ?? first);
  }
}

export interface AgentProcessOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly log: CallLog;
  /** What it writes to standard error goes here. */
  readonly errorFile: string;
}

/**
 * A process that writes its calls to standard output. It sees a Ctrl-C by its parent only; where the parent is gone, its
 * next line ends it.
 */
export class AgentProcess {
  /** Rejects where it ends before. */
  readonly firstCall: Promise<void>;
  private readonly child: ChildProcess;

  constructor({ program, args, env, log, errorFile }: AgentProcessOptions) {
    this.child = spawn(program, args, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stderr?.pipe(createWriteStream(errorFile, { flags: "a" }));
    this.firstCall = new Promise((resolve, reject) => {
      exitOf(this.child).then(
        (code) => reject(new Error(`${program} ended with ${code} before its first call (${errorFile})`)),
        reject,
      );
      if (!this.child.stdout) return;
      createInterface({ input: this.child.stdout }).on("line", (line) => {
        log.note(JSON.parse(line));
        resolve();
      });
    });
    // Who doesn't ask is told by the log's silence.
    this.firstCall.catch(() => {});
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** SIGTERM, and SIGKILL after 5 s. */
  async stop(): Promise<void> {
    const { pid } = this.child;
    if (pid === undefined || this.hasEnded) return;
    signalProcess(pid, "SIGTERM");
    for (const left of await waitForEnd([pid], STOP_LIMIT_MS)) signalProcess(left, "SIGKILL");
    await exitOf(this.child);
  }
}

/** One way to bring an agent its key. */
export interface Consumer {
  readonly name: string;
  /** How it learns of a new key, in a few words. */
  readonly learns: string;
  /** From the label's move to calls with the new key alone, in milliseconds: with this run's settings, and with the defaults. */
  readonly bounds: { readonly here: number; readonly byDefault: number };
  readonly log: CallLog;
  /** Whether nothing is under way: no task starts or ends. */
  isSteady(): boolean;
  /** Whether it makes no more calls, though nobody has stopped it. */
  hasEnded(): boolean;
  stop(): Promise<void>;
}
