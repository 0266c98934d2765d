import type { ChildProcess } from "node:child_process";
import { basename, join } from "node:path";
import { descendantsOf, exitOf, isRunning, signalProcess, startProcess, waitForEnd } from "./processes";

/** How long Terraform gets to stop in good order before it is killed. */
const INTERRUPT_LIMIT_MS = 5_000;

export interface PhaseRunnerOptions {
  /** The log of each phase stays in its folder `logs`. */
  readonly folder: string;
  /** Path of Terraform's program, by which its processes are known. */
  readonly terraform: string;
  /** Whole environment of the programs. */
  readonly env: NodeJS.ProcessEnv;
  /** Ends whatever runs, and refuses to start more. */
  readonly signal?: AbortSignal;
}

/** What became of a phase. */
export interface PhaseEnd {
  /** Exit code; 1 if a signal ended the program. */
  readonly code: number;
  readonly logFile: string;
}

/** Runs one program after the other, each into a log of its own, and can end the one that runs with all its children. */
export class PhaseRunner {
  private current: ChildProcess | undefined;
  private logs = 0;

  constructor(private readonly options: PhaseRunnerOptions) {}

  /** Process id of the Terraform that runs now; undefined if none does. */
  get terraformPid(): number | undefined {
    return this.current?.pid === undefined ? undefined : this.terraformBelow(this.current.pid)[0];
  }

  /** Runs a program to its end. Rejects with the signal's reason if that aborts. */
  async execute(phase: string, program: string, args: readonly string[], cwd: string): Promise<PhaseEnd> {
    const { signal, env } = this.options;
    signal?.throwIfAborted();
    this.logs += 1;
    const number = String(this.logs).padStart(2, "0");
    const logFile = join(this.options.folder, "logs", `${number}-${phase}.log`);
    const child = startProcess(program, args, { cwd, env, logFile });
    this.current = child;
    let interrupted: Promise<void> | undefined;
    const onAbort = () => {
      interrupted = this.interrupt();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const code = await exitOf(child);
      await interrupted;
      signal?.throwIfAborted();
      return { code: typeof code === "number" ? code : 1, logFile };
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.current = undefined;
    }
  }

  /**
   * Ends what runs: Terraform first, by its own process id (it may sit in a session of its own, which no signal to
   * `cdktf`'s group reaches), and in good order, so that it writes its state. Returns when everything has ended.
   */
  async interrupt(limitMs = INTERRUPT_LIMIT_MS): Promise<void> {
    const top = this.current?.pid;
    if (top === undefined || !isRunning(top)) return;
    const all = [...descendantsOf(top).map(({ pid }) => pid), top];
    const terraform = this.terraformBelow(top);
    for (const pid of terraform.length > 0 ? terraform : [top]) signalProcess(pid, "SIGINT");
    for (const pid of await waitForEnd(all, limitMs)) signalProcess(pid, "SIGKILL");
    await waitForEnd(all, limitMs);
  }

  private terraformBelow(pid: number): number[] {
    const name = basename(this.options.terraform);
    return descendantsOf(pid)
      .filter(({ command }) => basename(command.split(" ")[0] ?? "") === name)
      .map((process) => process.pid);
  }
}
