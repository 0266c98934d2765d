import { type ChildProcess, execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { LocalRun } from "../../local/local-run";
import { descendantsOf, exitOf, signalProcess, startProcess, waitForEnd } from "../../local/processes";
import { managedResources } from "../../local/terraform-records";
import type { Toolchain } from "../../local/toolchain";

const run = promisify(execFile);

/** A module that synthesises the stacks into the working folder's `cdktf.out`. */
export const THIS_RELEASE = require.resolve("./app");

export interface Apply {
  /** Whether Terraform came to its end and had no error. */
  readonly succeeded: boolean;
  readonly log: string;
}

/** An error of Terraform's about one resource. */
export interface ResourceError {
  readonly address: string;
  readonly text: string;
}

/** Terraform alone, without `cdktf` before it, so that many deploys of one stack take little time. */
export class Terraform {
  private current: ChildProcess | undefined;
  private applies = 0;

  constructor(
    private readonly local: Pick<LocalRun, "folder" | "deployment">,
    private readonly toolchain: Pick<Toolchain, "terraform">,
  ) {}

  /** Synthesises the stacks, and has Terraform take them in. */
  async synthesise(app = THIS_RELEASE): Promise<void> {
    const { folder, deployment } = this.local;
    const args = ["--import", require.resolve("tsx"), app];
    await run(process.execPath, args, { cwd: folder, env: deployment.environment() });
    await this.execute("init", "-input=false");
  }

  /** The addresses of what a deploy would change, with how; none where the plan is empty. */
  async plan(): Promise<string[]> {
    const file = join(this.local.folder, "plan.out");
    await this.execute("plan", "-input=false", `-out=${file}`);
    const { resource_changes = [], output_changes = {} } = JSON.parse(
      await this.execute("show", "-json", file),
    ) as {
      resource_changes?: { address: string; change: { actions: string[] } }[];
      output_changes?: Record<string, { actions: string[] }>;
    };
    const outputs = Object.entries(output_changes).map(([name, change]) => ({
      address: `output.${name}`,
      change,
    }));
    return [...resource_changes, ...outputs]
      .filter(({ change }) => !["no-op", "read"].includes(change.actions.join()))
      .map(({ address, change }) => `${change.actions.join("+")} ${address}`);
  }

  /**
   * @param parallelism how many resources Terraform is at together. @default 10
   * @param destroy whether everything is removed. @default false
   */
  async apply({ parallelism = 10, destroy = false } = {}): Promise<Apply> {
    const { folder, deployment } = this.local;
    this.applies += 1;
    const logFile = join(folder, "logs", `apply-${String(this.applies).padStart(2, "0")}.log`);
    const args = ["apply", "-auto-approve", "-input=false", "-no-color", `-parallelism=${parallelism}`];
    if (destroy) args.push("-destroy");
    const child = startProcess(this.toolchain.terraform.path, args, {
      cwd: deployment.stackFolder(),
      env: deployment.environment(),
      logFile,
    });
    this.current = child;
    try {
      const code = await exitOf(child);
      return { succeeded: code === 0, log: await readFile(logFile, "utf8") };
    } finally {
      this.current = undefined;
    }
  }

  /** As where the machine dies: Terraform and its provider are gone at once. */
  async kill(): Promise<void> {
    const pid = this.current?.pid;
    if (pid === undefined) throw new Error("Terraform doesn't run");
    const all = [pid, ...descendantsOf(pid).map((process) => process.pid)];
    for (const each of all) signalProcess(each, "SIGKILL");
    await waitForEnd(all, 5_000);
  }

  async import(address: string, id: string): Promise<void> {
    await this.execute("import", "-input=false", address, id);
  }

  /** The addresses in the state. */
  async known(): Promise<Set<string>> {
    const state = await this.local.deployment.stateText();
    return new Set(managedResources(state).map(({ address }) => address));
  }

  /** The arguments of a resource as synthesised. */
  async argumentsOf(address: string): Promise<Record<string, unknown>> {
    const stack = join(this.local.deployment.stackFolder(), "cdk.tf.json");
    const { resource } = JSON.parse(await readFile(stack, "utf8"));
    const [type = "", name = ""] = address.split(".");
    return resource[type][name];
  }

  private async execute(command: string, ...args: string[]): Promise<string> {
    const { deployment } = this.local;
    const quiet = command === "show" ? [] : ["-no-color"];
    const { stdout } = await run(this.toolchain.terraform.path, [command, ...quiet, ...args], {
      cwd: deployment.stackFolder(),
      env: deployment.environment(),
      maxBuffer: 256 * 1024 * 1024,
    });
    return stdout;
  }
}

/** The errors in a log that name a resource. */
export function resourceErrors(log: string): ResourceError[] {
  return [...log.matchAll(/^Error: (.+)$[\s\S]*?^ {2}with ([\w.-]+),$/gm)].map(
    ([, text = "", address = ""]) => ({
      address,
      text,
    }),
  );
}
