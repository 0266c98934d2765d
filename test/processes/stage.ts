import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { AgentKey } from "../../core/key/credential";
import { serialiseRecord } from "../../core/key/stored-value";
import { SettableClock } from "../../local/clock";
import { descendantsOf, isRunning, listProcesses, signalProcess } from "../../local/processes";
import { type SecretsManager, startSecretsManager } from "../../local/secrets-manager/server";
import { record } from "../../proofs/harness/builders";
import { removeFolders, temporaryFolder, writeProgram } from "../local/programs";

/** The Node.js that the programs run on. @default the one that runs the tests */
export const NODE = process.env.NODE_UNDER_TEST ?? process.execPath;
export const COMMAND = path.join(__dirname, "../../cli/valmi-agent-keys.js");
const NAME = "valmi/dev/support/agent-key";

/**
 * An agent. It tells a file of its starts (with the fingerprint of its key), of its signals, and of what it reads, and survives
 * every signal but those after which it was told to end.
 */
const AGENT = `#!${NODE}
const { appendFileSync } = require("node:fs");
const [, , log, ...endsAfter] = process.argv;
const tell = (line) => appendFileSync(log, line + " " + process.pid + "\\n");
for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"]) {
  process.on(signal, () => {
    tell(signal);
    if (endsAfter.includes(signal)) process.exit(7);
  });
}
process.stdin.on("data", (text) => {
  tell("read " + text.toString().trim());
  process.stdout.write("heard " + text);
});
process.stdin.on("error", () => {});
setInterval(() => {}, 1000);
const key = require("node:crypto").createHash("sha256").update(process.env.VALMI_AGENT_KEY ?? "").digest("hex");
tell("start " + key.slice(0, 12));
`;

export interface Started {
  readonly child: ChildProcess;
  /** The runner itself, also where a terminal is between. */
  readonly pid: number;
  readonly output: () => string;
  readonly errors: () => string;
  /** The exit code, once all output is there. */
  readonly ended: Promise<number | null>;
}

/** A secret with a key that is rotated when the test says so, and a runner of an agent that tells what happens to it. */
export class Stage {
  readonly folder = temporaryFolder();
  readonly log = path.join(this.folder, "log");
  readonly agent = writeProgram(path.join(this.folder, "agent.js"), AGENT);
  private readonly started: ChildProcess[] = [];
  private versions = 0;

  private constructor(private readonly secretsManager: SecretsManager) {
    this.rotate();
  }

  static async open(): Promise<Stage> {
    return new Stage(await startSecretsManager({ clock: new SettableClock() }));
  }

  async close(): Promise<void> {
    const left = this.started.flatMap((child) => [child.pid as number, ...pidsBelow(child.pid as number)]);
    for (const pid of [...left, ...this.processesOf(this.folder)]) signalProcess(pid, "SIGKILL");
    await this.secretsManager.close();
    removeFolders();
  }

  /** Stores a new key, and gives its fingerprint. */
  rotate(): string {
    this.versions += 1;
    const agentKey = new AgentKey(`agent_key_${this.versions}`);
    const input = {
      ...(this.versions === 1 ? { Name: NAME } : { SecretId: NAME }),
      ClientRequestToken: String(this.versions).repeat(32).slice(0, 32),
      SecretString: serialiseRecord(record({ agentKey })),
    };
    this.secretsManager.state.call(
      this.versions === 1 ? "CreateSecret" : "PutSecretValue",
      input,
      "eu-west-1",
    );
    return agentKey.fingerprint;
  }

  environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      AWS_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      AWS_ENDPOINT_URL_SECRETS_MANAGER: this.secretsManager.url,
      AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    };
  }

  /** The runner's command line; the first words may be its options. */
  runner(options: readonly string[], command: readonly string[]): string[] {
    return [NODE, COMMAND, "exec", "--secret", NAME, "--watch", "5", ...options, "--", ...command];
  }

  /** The agent's, which ends after these signals. */
  agentEndingAfter(...signals: NodeJS.Signals[]): string[] {
    return [NODE, this.agent, this.log, ...signals];
  }

  /** Starts a program without a terminal, in a process group of its own. */
  start(words: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
    const started = this.spawn(words, env);
    return { ...started, pid: started.child.pid as number };
  }

  /** Starts a program at a terminal. Its standard input is the keyboard. */
  async startAtTerminal(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Started> {
    const started = this.spawn(["python3", path.join(__dirname, "terminal.py"), ...words], env);
    await until(() => started.errors().includes("\n"));
    return { ...started, pid: Number(started.errors().split("\n")[0]) };
  }

  private spawn([program = "", ...args]: readonly string[], env: NodeJS.ProcessEnv): Omit<Started, "pid"> {
    const stdio: StdioOptions = "pipe";
    const child = spawn(program, args, {
      cwd: this.folder,
      env: { ...this.environment(), ...env },
      stdio,
      detached: true,
    });
    this.started.push(child);
    const texts = { output: "", errors: "" };
    child.stdout?.on("data", (text) => {
      texts.output += text;
    });
    child.stderr?.on("data", (text) => {
      texts.errors += text;
    });
    const ended = once(child, "close").then(([code]) => code as number | null);
    return { child, output: () => texts.output, errors: () => texts.errors, ended };
  }

  /** What the agents told, without their process ids. */
  told = () => this.lines().map((line) => line.split(" ").slice(0, -1).join(" "));

  /** The agents' process ids, in the order of their starts. */
  agents = () =>
    this.lines().flatMap((line) => (line.startsWith("start") ? Number(line.split(" ").at(-1)) : []));

  runningAgents = () => this.agents().filter(isRunning);

  private lines = () => (existsSync(this.log) ? readFileSync(this.log, "utf8").split("\n").slice(0, -1) : []);

  count = (event: string) => this.told().filter((line) => line === event).length;

  async agentStarted(count: number): Promise<void> {
    await until(
      () => this.agents().length >= count,
      () => this.lines().join("\n"),
    );
  }

  /** Processes whose command line names this. */
  processesOf(text: string): number[] {
    return listProcesses().flatMap(({ pid, command }) =>
      command.includes(text) && pid !== process.pid ? pid : [],
    );
  }
}

const pidsBelow = (pid: number) => descendantsOf(pid).map((each) => each.pid);

export function fingerprint(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 12);
}

/** Waits for as long as a slow machine may take. */
export async function until(isSo: () => boolean, about: () => string = () => ""): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    if (turn === 1_500) throw new Error(`it never was so: ${isSo}\n${about()}`);
    await pause(20);
  }
}

/** Long enough for something that must not happen to be seen if it does. */
export const settle = () => pause(500);
