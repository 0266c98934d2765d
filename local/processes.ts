import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

export interface StartOptions {
  readonly cwd: string;
  /** The whole environment of the child: nothing is inherited beside it. */
  readonly env: NodeJS.ProcessEnv;
  /** File that standard output and standard error are appended to. */
  readonly logFile: string;
}

/**
 * Starts a program in a process group of its own, so that a Ctrl-C in the terminal reaches this process only, which
 * then ends its children in the right order.
 */
export function startProcess(command: string, args: readonly string[], options: StartOptions): ChildProcess {
  const log = openSync(options.logFile, "a");
  try {
    const { cwd, env } = options;
    return spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", log, log] });
  } finally {
    closeSync(log);
  }
}

/** Resolves with the exit code, or with the signal's name; rejects where the program couldn't be started. */
export function exitOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve, reject) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve(child.exitCode ?? (child.signalCode as NodeJS.Signals));
      return;
    }
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? (signal as NodeJS.Signals)));
  });
}

export interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  /** The program and its arguments. */
  readonly command: string;
}

/** Every process that descends from one, parents before their children. The one itself isn't among them. */
export function descendantsOf(pid: number, all = listProcesses()): ProcessInfo[] {
  const children = all.filter(({ parentPid }) => parentPid === pid);
  return children.flatMap((child) => [child, ...descendantsOf(child.pid, all)]);
}

/** Whether a process exists (one that has ended but wasn't waited for doesn't). */
export function isRunning(pid: number): boolean {
  return listProcesses().some((process) => process.pid === pid);
}

/** Sends a signal; one that has ended already is fine. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Waits until none of the processes runs, for at most `limitMs`; returns those that still do. */
export async function waitForEnd(pids: readonly number[], limitMs: number): Promise<number[]> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const running = new Set(listProcesses().map(({ pid }) => pid));
    const left = pids.filter((pid) => running.has(pid));
    if (left.length === 0 || Date.now() >= deadline) return left;
    await delay(50);
  }
}

/** From `/proc` where there is one: slim container images come without `ps`. Zombies are left out. */
export function listProcesses(): ProcessInfo[] {
  return process.platform === "linux" ? listFromProc() : listFromPs();
}

function listFromProc(): ProcessInfo[] {
  const ids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return ids.flatMap((id) => {
    try {
      // "pid (name) state ppid …": the name may hold spaces and parentheses, so count from its end.
      const stat = readFileSync(`/proc/${id}/stat`, "utf8");
      const [state, parentPid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") return [];
      const command = readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0").join(" ").trim();
      return [{ pid: Number(id), parentPid: Number(parentPid), command }];
    } catch {
      return []; // ended between the listing and the reading
    }
  });
}

function listFromPs(): ProcessInfo[] {
  const output = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,command="], { encoding: "utf8" });
  return output.split("\n").flatMap((line) => {
    const [, pid, parentPid, state, command] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state?.startsWith("Z")) return [];
    return [{ pid: Number(pid), parentPid: Number(parentPid), command: command ?? "" }];
  });
}
