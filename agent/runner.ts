import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { Clock } from "../core/clock";
import type { AgentKey } from "../core/key/credential";
import { HOUR_MS, MINUTE_MS } from "../core/time";
import type { AgentKeys } from "./agent-keys";
import { type EventPorts, followEvents, type Look } from "./new-key-events";

/** What happens to the command when there is a new key. */
export type OnNewKey =
  /** It is ended, then started again. */
  | { readonly kind: "restart" }
  /** It is started again, and ended once the new one has run for this long. It goes on if the new one fails. */
  | { readonly kind: "overlap"; readonly overlapMs: number }
  /** It runs on, and a shell command of the user's is told the new key. */
  | { readonly kind: "hook"; readonly hook: string };

export interface RunOptions {
  readonly command: readonly [program: string, ...args: string[]];
  /** Without the key. */
  readonly environment: NodeJS.ProcessEnv;
  /** Names of the environment variables that hold the key. */
  readonly variables: readonly string[];
  /** About how long from one look at the secret to the next: it varies by a fifth, so that a fleet spreads out. */
  readonly watchMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopMs: number;
  readonly onNewKey: OnNewKey;
}

export interface RunPorts {
  readonly keys: Pick<AgentKeys, "refresh" | "status">;
  /** Tells of new keys between two looks. @default - nothing does */
  readonly events?: Pick<EventPorts, "queue" | "secretId">;
  readonly clock: Clock;
  /** Waits, and rejects when the signal aborts. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly random: () => number;
  /** One line for a person; never holds a key. */
  readonly tell: (line: string) => void;
  /** Signals that this process gets. */
  readonly signals: Pick<NodeJS.EventEmitter, "on" | "off">;
  /** Whether a terminal is there, which sends its signals to the command by itself. */
  readonly isTerminal: boolean;
}

const FORWARDED = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
/** After these the command is on its way out, and is not started again. */
const ENDING: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT"];
const FROM_TERMINAL: readonly NodeJS.Signals[] = ["SIGINT", "SIGQUIT", "SIGHUP"];

/** A hook that hangs is killed: the next key would wait for it. */
const HOOK_LIMIT_MS = 60_000;
/** What shells exit with where a program can't be run, and where there is none. */
const CANNOT_RUN = 126;
const NOT_FOUND = 127;

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<number>;
}

/**
 * Runs a command with the agent key in its environment, and brings each new key to it.
 *
 * @returns the command's exit code, or 128 and the number of the signal that ended it, as a shell does
 * @throws AgentKeyUnreadableError where there is no key to begin with; later, the command runs on with the key that it has
 */
export async function runWithKey(options: RunOptions, ports: RunPorts): Promise<number> {
  const { keys, clock, tell } = ports;
  const environment = (key: AgentKey) => ({
    ...options.environment,
    ...Object.fromEntries(options.variables.map((name) => [name, key.reveal()])),
  });
  let key = await keys.refresh();

  const all = new Set<Running>();
  const over = new AbortController();
  let isEnding = false;
  let isBetween = false;
  let finish: (code: number) => void = () => {};
  const finished = new Promise<number>((resolve) => {
    finish = resolve;
  });

  function start(withKey: AgentKey): Running {
    const [program, ...args] = options.command;
    const child = spawn(program, args, { env: environment(withKey), stdio: "inherit" });
    const exited = new Promise<number>((resolve) => {
      child.once("error", (error: NodeJS.ErrnoException) => {
        if (child.pid !== undefined) return; // a signal that came too late
        tell(`${program}: ${error.code === "ENOENT" ? "no such program" : `can't be run: ${error.code}`}`);
        resolve(error.code === "ENOENT" ? NOT_FOUND : CANNOT_RUN);
      });
      child.once("exit", (code, signal) =>
        resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]),
      );
    });
    const running = { child, exited };
    all.add(running);
    void exited.then((code) => {
      all.delete(running);
      // The last one to go ends the run, unless its successor is about to start.
      if (all.size === 0 && (isEnding || !isBetween)) finish(code);
    });
    return running;
  }

  async function end({ child, exited }: Running): Promise<void> {
    child.kill("SIGTERM");
    const kill = setTimeout(() => {
      tell(`process ${child.pid} did not end within ${options.stopMs / 1_000} s: killed`);
      child.kill("SIGKILL");
    }, options.stopMs);
    await exited;
    clearTimeout(kill);
  }

  /** Whether the new key has arrived. What fails is tried again at the next look. */
  async function bring(newKey: AgentKey): Promise<boolean> {
    const { onNewKey } = options;
    if (onNewKey.kind === "hook") {
      const { child } = current;
      const code = await runHook(onNewKey.hook, {
        ...environment(newKey),
        VALMI_COMMAND_PID: String(child.pid),
      });
      if (code !== 0) tell(`the hook ended with ${code}; it is run again at the next look`);
      return code === 0;
    }
    const old = current;
    if (onNewKey.kind === "restart") {
      isBetween = true;
      await end(old);
      if (isEnding) return false;
      current = start(newKey);
      isBetween = false;
      return true;
    }
    const next = start(newKey);
    const early = await Promise.race([next.exited, ports.wait(onNewKey.overlapMs, over.signal)]);
    if (early !== undefined && all.has(old)) {
      tell(`the new process ended with ${early}; the old one runs on, and the next look starts another`);
      return false;
    }
    current = next;
    await end(old);
    return true;
  }

  let toldAt = Number.NEGATIVE_INFINITY;

  async function lookOnce(): Promise<Look> {
    try {
      const newest = await keys.refresh();
      if (toldAt > 0) tell("the secret can be read again");
      toldAt = Number.NEGATIVE_INFINITY;
      if (isEnding || all.size === 0 || newest.equals(key)) return "unchanged";
      tell(`new key ${newest.fingerprint}, after ${key.fingerprint}: ${ON_NEW_KEY[options.onNewKey.kind]}`);
      if (!(await bring(newest))) return "unchanged";
      key = newest;
      return "changed";
    } catch (error) {
      if (over.signal.aborted || clock.now() - toldAt < HOUR_MS) return "unread";
      toldAt = clock.now();
      tell(
        `${(error as Error).message}; the command runs on with key ${key.fingerprint}, ${lifeOf(keys, clock)}`,
      );
      return "unread";
    }
  }

  let lastLook: Promise<Look> = Promise.resolve("unchanged");
  /** One at a time, each with a read of its own: one that had begun before an event may show what was there before it. */
  function look(): Promise<Look> {
    lastLook = lastLook.then(lookOnce);
    return lastLook;
  }

  async function watch(): Promise<never> {
    for (;;) {
      await ports.wait(options.watchMs * (0.8 + 0.4 * ports.random()), over.signal);
      await look();
    }
  }

  const handlers = FORWARDED.map((signal) => {
    const handler = () => {
      if (ENDING.includes(signal)) isEnding = true;
      if (ports.isTerminal && FROM_TERMINAL.includes(signal)) return;
      for (const { child } of all) child.kill(signal);
    };
    ports.signals.on(signal, handler);
    return { signal, handler };
  });
  let current = start(key);
  // Both end by the abort.
  void watch().catch(() => {});
  if (ports.events) {
    const { wait, random } = ports;
    void followEvents({ ...ports.events, look, wait, random, tell }, over.signal).catch(() => {});
  }
  try {
    return await finished;
  } finally {
    over.abort();
    for (const { signal, handler } of handlers) ports.signals.off(signal, handler);
  }
}

const ON_NEW_KEY = {
  restart: "restarting the command",
  overlap: "starting the command anew beside the old one",
  hook: "running the hook",
} as const;

/** For how long the key that was seen last goes on working. */
function lifeOf(keys: Pick<AgentKeys, "status">, clock: Clock): string {
  const worksUntil = keys.status()?.worksUntil ?? 0;
  const minutes = Math.floor((worksUntil - clock.now()) / MINUTE_MS);
  const time = new Date(worksUntil).toISOString();
  return minutes < 0
    ? `which is sure to have worked until ${time} only`
    : `which works until ${time} at the least (${Math.floor(minutes / 60)} h ${minutes % 60} min from now)`;
}

function runHook(hook: string, env: NodeJS.ProcessEnv): Promise<number | string> {
  return new Promise((resolve) => {
    const child = spawn(hook, {
      env,
      shell: true,
      stdio: "inherit",
      timeout: HOOK_LIMIT_MS,
      killSignal: "SIGKILL",
    });
    child.once("error", (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    child.once("exit", (code, signal) => resolve(code ?? String(signal)));
  });
}
