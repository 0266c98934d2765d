import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { createInterface } from "node:readline";

/** What the runner passes on to its command. */
export const FORWARDED = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
export type Forwarded = (typeof FORWARDED)[number];

/**
 * A process beside the command, which gets what everybody in the runner's process group gets, and nothing else. It tells a
 * signal that a terminal sent to the whole group from one that somebody sent to the runner alone: Node.js doesn't.
 */
export interface SignalWitness {
  /** Whether the signal that the runner has just got went to the whole process group. */
  saw(signal: Forwarded): Promise<boolean>;
  close(): void;
}

/** By then, a signal to a group has reached all of its processes. */
const SETTLE_MS = 50;

/** It ends when the runner does, since its standard input ends then. */
const PROGRAM = `
process.title = "valmi-agent-keys: signal witness";
const seen = new Set();
for (const signal of ${JSON.stringify(FORWARDED)}) process.on(signal, () => seen.add(signal));
const answer = (signal) => process.stdout.write(signal + (seen.delete(signal) ? " seen" : " unseen") + "\\n");
const asked = require("node:readline").createInterface({ input: process.stdin });
asked.on("line", (signal) => setTimeout(answer, ${SETTLE_MS}, signal));
asked.on("close", () => process.exit());
process.stdout.on("error", () => process.exit());
console.log("ready");
`;

/** Resolves when it watches. One that could not be started, or is gone, has seen nothing. */
export async function startSignalWitness(): Promise<SignalWitness> {
  // Nothing of the environment: options for Node.js there are meant for the agent.
  const child = spawn(process.execPath, ["-e", PROGRAM], { env: {}, stdio: ["pipe", "pipe", "ignore"] });
  const answers = createInterface({ input: child.stdout });
  const gone = Promise.race([once(child, "error"), once(child, "close")]).catch(() => {});
  child.stdin.on("error", () => {});
  await Promise.race([once(answers, "line"), gone]);
  // The runner ends without it.
  for (const held of [child, child.stdin, child.stdout] as { unref(): void }[]) held.unref();

  const asked = new Map<string, (saw: boolean) => void>();
  answers.on("line", (line) => {
    const [signal = "", outcome] = line.split(" ");
    asked.get(signal)?.(outcome === "seen");
  });
  void gone.then(() => {
    for (const resolve of asked.values()) resolve(false);
  });
  return {
    async saw(signal) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return false;
      return new Promise((resolve) => {
        asked.set(signal, resolve);
        child.stdin.write(`${signal}\n`);
      });
    },
    close() {
      child.stdin.end();
    },
  };
}

/** Whether this process has a terminal that may send signals to its group: also if its standard input is a file. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}
