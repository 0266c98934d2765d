import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { type Clock, type Mark, stopwatch } from "../core/clock";
import type { AgentKey } from "../core/key/credential";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../core/time";
import type { RotatingAgentKey } from "./agent-keys";
import { type EventPorts, followEvents, type Look } from "./new-key-events";
import { namesOf, ProcessTree } from "./processes";
import { FORWARDED, type Forwarded, type SignalWitness } from "./signal-witness";

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
  readonly keys: Pick<RotatingAgentKey, "refresh" | "status">;
  /** Tells of new keys between two looks. @default - nothing does */
  readonly events?: Pick<EventPorts, "queue" | "secretId">;
  readonly clock: Clock;
  /** Milliseconds since some moment; never goes back. @default - the machine's */
  readonly steady?: () => number;
  /** Waits, and rejects when the signal aborts. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly random: () => number;
  /** One line for a person; never holds a key. */
  readonly tell: (line: string) => void;
  /** Signals that this process gets. */
  readonly signals: Pick<NodeJS.EventEmitter, "on" | "off">;
  /**
   * Needed where a terminal may send signals to the runner and to the command alike. The command shares the runner's process group
   * then, and has one of its own otherwise.
   * @default - no terminal is there
   */
  readonly witness?: Pick<SignalWitness, "saw">;
}

/** A hook that hangs is killed: the next key would wait for it. */
const HOOK_LIMIT_MS = MINUTE_MS;
/** What is on its way out when the command has ended gets this long before it is told to. */
const LEAVING_MS = 500;
/** A process that was killed is gone by then, unless the kernel holds it. */
const KILLED_MS = 2_000;
/** What shells exit with where a program can't be run, and where there is none. */
const CANNOT_RUN = 126;
const NOT_FOUND = 127;

/**
 * Somebody who sends one of these while the command is being replaced wants an end, and the process that it reaches is on its
 * way out already: the next one is not started.
 */
const ENDING_A_REPLACEMENT: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"];

interface Running {
  readonly tree: ProcessTree;
  /** With the exit code of the command itself. */
  readonly exited: Promise<number>;
  /** When nothing that it has started runs any more, either. */
  readonly gone: Promise<number>;
  /** Set when it is to end. What still runs at that time is killed. */
  deadline?: NodeJS.Timeout;
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
    const tree = new ProcessTree(program, args, {
      env: environment(withKey),
      stdio: "inherit",
      // Only a process of the terminal's foreground group can read from it. Without a terminal, a group of its own keeps
      // off what is sent to the runner's group: the runner passes that on.
      detached: ports.witness === undefined,
    });
    const exited = exitOf(tree.child, program, tell);
    const running: Running = { tree, exited, gone: exited.then((code) => endRest(running, code)) };
    all.add(running);
    void running.gone.then((code) => {
      all.delete(running);
      // The last one to go ends the run, unless its successor is about to start.
      if (all.size === 0 && (isEnding || !isBetween)) finish(code);
    });
    return running;
  }

  function kill({ tree }: Running): void {
    const left = tree.running();
    if (left.length === 0) return;
    const isAlone = left.every(({ pid }) => pid === tree.child.pid);
    const which = isAlone ? `process ${tree.child.pid}` : `processes ${namesOf(left)}`;
    tell(`${which} did not end within ${options.stopMs / SECOND_MS} s: killed`);
    tree.signal("SIGKILL");
  }

  /** Kills what still runs of it in a while. The first call counts. */
  function setDeadline(running: Running): void {
    running.deadline ??= setTimeout(() => kill(running), options.stopMs);
  }

  /** The command has ended: so does what it has left behind. */
  async function endRest(running: Running, code: number): Promise<number> {
    const { tree } = running;
    if (!(await tree.isOver(LEAVING_MS))) {
      tell(`the command has ended, and left ${namesOf(tree.running())}: ended, too`);
      tree.signal("SIGTERM");
      if (!(await tree.isOver(options.stopMs))) kill(running);
      if (!(await tree.isOver(KILLED_MS))) tell(`${namesOf(tree.running())} can't be ended, and run on`);
    }
    clearTimeout(running.deadline);
    return code;
  }

  async function end(running: Running): Promise<void> {
    running.tree.child.kill("SIGTERM");
    setDeadline(running);
    await running.gone;
  }

  let hook: Promise<unknown> | undefined;

  /** Whether the new key has arrived. What fails is tried again at the next look. */
  async function bring(newKey: AgentKey): Promise<boolean> {
    const { onNewKey } = options;
    if (onNewKey.kind === "hook") {
      const pid = String(current.tree.child.pid);
      hook = runHook(onNewKey.hook, { ...environment(newKey), VALMI_COMMAND_PID: pid }, ports, over.signal);
      const outcome = await hook;
      if (outcome !== 0 && !over.signal.aborted)
        tell(`the hook ${outcome}; it is run again at the next look`);
      return outcome === 0;
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
    if (early !== undefined && isAlive(old.tree)) {
      tell(`the new process ended with ${early}; the old one runs on, and the next look starts another`);
      return false;
    }
    current = next;
    await end(old);
    return true;
  }

  const watch = stopwatch(clock, ports.steady);
  let toldAt: Mark | undefined;

  async function lookOnce(): Promise<Look> {
    try {
      const newest = await keys.refresh();
      if (toldAt) tell("the secret can be read again");
      toldAt = undefined;
      if (isEnding || all.size === 0 || newest.equals(key)) return "unchanged";
      tell(`new key ${newest.fingerprint}, after ${key.fingerprint}: ${ON_NEW_KEY[options.onNewKey.kind]}`);
      if (!(await bring(newest))) return "unchanged";
      key = newest;
      return "changed";
    } catch (error) {
      if (over.signal.aborted || (toldAt && watch.since(toldAt) < HOUR_MS)) return "unread";
      toldAt = watch.mark();
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

  async function lookForEver(): Promise<never> {
    for (;;) {
      await ports.wait(options.watchMs * (0.8 + 0.4 * ports.random()), over.signal);
      await look();
    }
  }

  const asked = new Set<Forwarded>();

  async function pass(signal: Forwarded): Promise<void> {
    const reached = [...all];
    if (signal === "SIGTERM" || (isBetween && ENDING_A_REPLACEMENT.includes(signal))) isEnding = true;
    // Signals of one kind that come together are one, as they are anywhere.
    if (asked.has(signal)) return;
    asked.add(signal);
    const isKnown = await ports.witness?.saw(signal);
    asked.delete(signal);
    for (const running of reached) {
      if (!isKnown) running.tree.child.kill(signal);
      if (signal === "SIGTERM") setDeadline(running);
    }
  }

  const handlers = FORWARDED.map((signal) => {
    const handler = () => void pass(signal);
    ports.signals.on(signal, handler);
    return { signal, handler };
  });
  let current = start(key);
  // Both end by the abort.
  void lookForEver().catch(() => {});
  if (ports.events) {
    const { wait, random } = ports;
    void followEvents({ ...ports.events, look, wait, random, tell }, over.signal).catch(() => {});
  }
  try {
    return await finished;
  } finally {
    over.abort();
    await hook;
    for (const { signal, handler } of handlers) ports.signals.off(signal, handler);
  }
}

const ON_NEW_KEY = {
  restart: "restarting the command",
  overlap: "starting the command anew beside the old one",
  hook: "running the hook",
} as const;

/** For how long the key that was seen last goes on working. */
function lifeOf(keys: Pick<RotatingAgentKey, "status">, clock: Clock): string {
  const worksUntil = keys.status()?.worksUntil ?? 0;
  const minutes = Math.floor((worksUntil - clock.now()) / MINUTE_MS);
  const time = new Date(worksUntil).toISOString();
  return minutes < 0
    ? `which is sure to have worked until ${time} only`
    : `which works until ${time} at the least (${Math.floor(minutes / 60)} h ${minutes % 60} min from now)`;
}

const isAlive = ({ child }: ProcessTree) => child.exitCode === null && child.signalCode === null;

/** The exit code of the command itself, as a shell gives it. */
function exitOf(child: ChildProcess, program: string, tell: RunPorts["tell"]): Promise<number> {
  return new Promise((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return; // a signal that came too late
      tell(`${program}: ${error.code === "ENOENT" ? "no such program" : `can't be run: ${error.code}`}`);
      resolve(error.code === "ENOENT" ? NOT_FOUND : CANNOT_RUN);
    });
    child.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal as NodeJS.Signals]));
  });
}

/**
 * Runs the hook beside the command: it takes nothing of the command's input, and what it prints goes to standard error.
 *
 * @returns 0, or what went wrong. Where it hangs, and where the run is over, all that it has started is killed.
 */
async function runHook(
  hook: string,
  env: NodeJS.ProcessEnv,
  { wait }: Pick<RunPorts, "wait">,
  over: AbortSignal,
): Promise<0 | string> {
  const tree = new ProcessTree(hook, [], { env, shell: true, detached: true, stdio: ["ignore", 2, 2] });
  const done = new AbortController();
  const ended = new Promise<0 | string>((resolve) => {
    tree.child.once("error", (error: NodeJS.ErrnoException) => resolve(`can't be run: ${error.code}`));
    tree.child.once("exit", (code, signal) => resolve(code === 0 ? 0 : `ended with ${code ?? signal}`));
  });
  const hangs = wait(HOOK_LIMIT_MS, AbortSignal.any([over, done.signal])).then(
    () => `did not end within ${HOOK_LIMIT_MS / SECOND_MS} s, and was killed with all that it had started`,
    () => "was ended",
  );
  const outcome = await Promise.race([ended, hangs]);
  done.abort();
  if (isAlive(tree)) tree.signal("SIGKILL");
  return outcome;
}
