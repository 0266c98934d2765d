import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { listProcesses } from "../agent/processes";

export { descendantsOf, listProcesses, type ProcessInfo } from "../agent/processes";

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
