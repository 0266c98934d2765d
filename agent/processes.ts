import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export interface ProcessInfo {
  readonly pid: number;
  readonly parentPid: number;
  /** Of its process group: the pid of the process that leads it, or led it. */
  readonly groupId: number;
  /** The program and its arguments. May hold whatever somebody wrote there. */
  readonly command: string;
}

/** In the environment of everything that the runner starts: by whose start it came to be, the outermost runner's first. */
const ORIGIN = "VALMI_AGENT_KEYS_ORIGIN";

/** From one look at the list of processes to the next. */
const LOOK_MS = 100;

/**
 * A program that was started, and whatever has come of it. Children outlive their parents and are handed to the first process
 * of the machine, so descent alone does not find them all. On Linux each of them is known by a variable that it has
 * inherited; elsewhere by the process group, if the program was started as the leader of one.
 */
export class ProcessTree {
  readonly child: ChildProcess;
  private readonly id = randomUUID();

  constructor(program: string, args: readonly string[], options: SpawnOptions & { env: NodeJS.ProcessEnv }) {
    const origin = [options.env[ORIGIN], this.id].filter(Boolean).join(" ");
    this.child = spawn(program, args, { ...options, env: { ...options.env, [ORIGIN]: origin } });
  }

  /** What runs of it, parents before their children. A zombie has ended. */
  running(): ProcessInfo[] {
    const { pid: root, exitCode, signalCode } = this.child;
    const all = listProcesses().filter(({ pid }) => pid !== process.pid);
    const isRunning = exitCode === null && signalCode === null;
    const descendants = new Set(
      root !== undefined && isRunning ? [root, ...descendantsOf(root, all).map(({ pid }) => pid)] : [],
    );
    return all.filter(
      ({ pid, groupId }) => descendants.has(pid) || groupId === root || originOf(pid).includes(this.id),
    );
  }

  signal(signal: NodeJS.Signals): void {
    for (const { pid } of this.running()) sendSignal(pid, signal);
  }

  /** Waits until nothing of it runs, but no longer than this; tells whether that is so. */
  async isOver(limitMs: number): Promise<boolean> {
    for (let waited = 0; this.running().length > 0; waited += LOOK_MS) {
      if (waited >= limitMs) return false;
      await pause(LOOK_MS);
    }
    return true;
  }
}

/** One that has ended already, or has become somebody else's, is left alone. */
function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!["ESRCH", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** Names processes for a person: `12 (node), 13 (sh)`. Their arguments may hold a key, and are left out. */
export function namesOf(processes: readonly ProcessInfo[]): string {
  return processes.map(({ pid, command }) => `${pid} (${basename(command.split(" ")[0] ?? "")})`).join(", ");
}

/** Every process that descends from one, parents before their children. The one itself isn't among them. */
export function descendantsOf(pid: number, all: readonly ProcessInfo[] = listProcesses()): ProcessInfo[] {
  const children = all.filter(({ parentPid }) => parentPid === pid);
  return children.flatMap((child) => [child, ...descendantsOf(child.pid, all)]);
}

/** From `/proc` if there is one: slim container images come without `ps`. Zombies are left out. */
export function listProcesses(): ProcessInfo[] {
  return process.platform === "linux" ? listFromProc() : listFromPs();
}

function listFromProc(): ProcessInfo[] {
  const ids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return ids.flatMap((id) => {
    try {
      // "pid (name) state ppid pgrp …": the name may hold spaces and parentheses, so count from its end.
      const stat = readFileSync(`/proc/${id}/stat`, "utf8");
      const [state, parentPid, groupId] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") return [];
      const command = readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0").join(" ").trim();
      return [{ pid: Number(id), parentPid: Number(parentPid), groupId: Number(groupId), command }];
    } catch {
      return []; // ended between the listing and the reading
    }
  });
}

function listFromPs(): ProcessInfo[] {
  const output = execFileSync("ps", ["-A", "-o", "pid=,ppid=,pgid=,stat=,command="], { encoding: "utf8" });
  return output.split("\n").flatMap((line) => {
    const [, pid, parentPid, groupId, state, command] =
      /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state?.startsWith("Z")) return [];
    return [
      { pid: Number(pid), parentPid: Number(parentPid), groupId: Number(groupId), command: command ?? "" },
    ];
  });
}

/** Empty if that can't be known: another user's process, or another system than Linux. */
function originOf(pid: number): string {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
    return environment.find((variable) => variable.startsWith(`${ORIGIN}=`)) ?? "";
  } catch {
    return "";
  }
}
