import { type ChildProcess, execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { LOCAL_CREDENTIALS, regionVariables, withoutAws } from "./emulator";
import { descendantsOf, exitOf, isRunning, signalProcess, startProcess, waitForEnd } from "./processes";
import type { Toolchain } from "./toolchain";
import { terraformCliConfig } from "./toolchain/aws-provider";

const run = promisify(execFile);

/** How long Terraform gets to stop in good order before it is killed. */
const INTERRUPT_LIMIT_MS = 5_000;

/** Room for a plan of a large environment as JSON. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

export interface DeploymentOptions {
  /** Folder of this run: state, output, logs and Terraform's configuration stay below it. */
  readonly folder: string;
  /** Name of the environment, which is the stack's name too. */
  readonly environment: string;
  readonly region: string;
  readonly toolchain: Pick<Toolchain, "terraform" | "awsProvider">;
  /** Shell command that synthesises the stacks. */
  readonly app: string;
  /** Variables beside the fake credentials, such as `AWS_ENDPOINT_URL`. */
  readonly variables: Readonly<Record<string, string>>;
  /** Ends whatever runs, and refuses to start more. */
  readonly signal?: AbortSignal;
  /** @default process.env - without its settings of AWS and Terraform */
  readonly env?: NodeJS.ProcessEnv;
}

/** A resource of the state, as far as a judgement needs it. */
export interface StateResource {
  readonly address: string;
  readonly tainted: boolean;
}

export interface SynthesisedResource {
  readonly address: string;
  /** Such as `dev/agent-keys/instances/support/secret/secret`. */
  readonly constructPath: string;
}

/** Numbers of resources. */
export interface Applied {
  readonly added: number;
  readonly changed: number;
  readonly destroyed: number;
}

export interface PlanOutcome {
  readonly isEmpty: boolean;
  /** The plan as `terraform show -json` prints it. */
  readonly json: string;
}

/** A phase that didn't do what it was to do. The message ends with Terraform's own words and the log's path. */
export class DeploymentError extends Error {
  override readonly name = "DeploymentError";
}

/**
 * `cdktf` in a folder of its own, with a state of its own.
 *
 * `cdktf` exits with 0 also where its Terraform was killed, so each phase is judged by what the state says afterwards.
 */
export class Deployment {
  private current: ChildProcess | undefined;
  private logs = 0;

  private constructor(private readonly options: DeploymentOptions) {}

  /** Writes the folder's `cdktf.json` and Terraform's CLI configuration. */
  static async prepare(options: DeploymentOptions): Promise<Deployment> {
    const { folder, app, toolchain } = options;
    await mkdir(join(folder, "logs"), { recursive: true });
    const settings = {
      language: "typescript",
      app,
      output: "cdktf.out",
      projectId: "local",
      sendCrashReports: "false",
    };
    await writeFile(join(folder, "cdktf.json"), `${JSON.stringify(settings, null, 2)}\n`);
    await writeFile(join(folder, "terraform.rc"), terraformCliConfig(toolchain.awsProvider));
    return new Deployment(options);
  }

  /** Process id of the Terraform that runs now; undefined where none does. */
  get terraformPid(): number | undefined {
    return this.current?.pid === undefined ? undefined : this.terraformBelow(this.current.pid)[0];
  }

  /**
   * @returns what Terraform says it did.
   * @throws DeploymentError unless the state holds every synthesised resource afterwards, none of them half made.
   */
  async deploy(): Promise<Applied> {
    const { code, logFile } = await this.cdktf("deploy", "--auto-approve");
    if (!existsSync(this.stackFile())) {
      throw await this.failure("deploy", logFile, "the stack could not be synthesised");
    }
    const state = await this.resources();
    const complete = new Set(state.filter(({ tainted }) => !tainted).map(({ address }) => address));
    const missing = (await this.synthesised()).filter(({ address }) => !complete.has(address));
    const applied = appliedCounts(await readFile(logFile, "utf8"));
    if (code !== 0 || missing.length > 0 || applied === undefined) {
      const judgement = `Terraform was cut off, ${missing.length} resources are missing or tainted`;
      throw await this.failure("deploy", logFile, judgement);
    }
    return applied;
  }

  /** @throws DeploymentError unless the state is empty afterwards. */
  async destroy(): Promise<void> {
    const { code, logFile } = await this.cdktf("destroy", "--auto-approve");
    const left = await this.resources();
    if (code !== 0 || left.length > 0) {
      throw await this.failure("destroy", logFile, `${left.length} resources are left in the state`);
    }
  }

  /**
   * `cdktf diff`, then the same plan again by Terraform itself: its detailed exit code is a judgement, the former's
   * output is prose.
   */
  async diff(): Promise<PlanOutcome> {
    const { code, logFile } = await this.cdktf("diff");
    if (code !== 0) throw await this.failure("diff", logFile, `cdktf exited with ${code}`);
    return this.plan();
  }

  /** Terraform's plan of the stack as last synthesised. */
  async plan(): Promise<PlanOutcome> {
    const file = join(this.options.folder, "plan.out");
    const args = ["plan", "-detailed-exitcode", "-input=false", "-no-color", "-lock=false", `-out=${file}`];
    const { code, logFile } = await this.execute("plan", this.options.toolchain.terraform.path, args);
    if (code !== 0 && code !== 2) {
      throw await this.failure("plan", logFile, `terraform exited with ${code}`);
    }
    const json = await this.terraform("show", "-json", file);
    await writeFile(join(this.options.folder, "plan.json"), json);
    return { isEmpty: code === 0, json };
  }

  /** The outputs of the stack, by their names in Terraform. */
  async outputs(): Promise<Record<string, unknown>> {
    const outputs = JSON.parse(await this.terraform("output", "-json")) as Record<string, { value: unknown }>;
    return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value]));
  }

  /** The managed resources of the state; none where there is no state yet. */
  async resources(): Promise<StateResource[]> {
    return managedResources(await this.stateText());
  }

  /** The state file as it is; "" where there is none yet. */
  async stateText(): Promise<string> {
    return readFile(await this.stateFile(), "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
  }

  /** The managed resources that the last synth wrote. */
  async synthesised(): Promise<SynthesisedResource[]> {
    const { resource = {} } = await this.synthesisedStack();
    return Object.entries(resource).flatMap(([type, byName]) =>
      Object.entries(byName).map(([name, body]) => ({
        address: `${type}.${name}`,
        constructPath: body["//"]?.metadata?.path ?? "",
      })),
    );
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

  private async cdktf(...args: string[]): Promise<{ code: number; logFile: string }> {
    const [command = "", ...flags] = args;
    const program = require.resolve("cdktf-cli/bundle/bin/cdktf");
    // Without the flag Terraform asks its registry for the provider's hashes of every platform.
    const all = [program, command, this.options.environment, ...flags, "--skip-provider-lock"];
    return this.execute(command, process.execPath, all, this.options.folder);
  }

  private async execute(
    phase: string,
    program: string,
    args: readonly string[],
    cwd = this.stackFolder(),
  ): Promise<{ code: number; logFile: string }> {
    const { signal } = this.options;
    signal?.throwIfAborted();
    this.logs += 1;
    const number = String(this.logs).padStart(2, "0");
    const logFile = join(this.options.folder, "logs", `${number}-${phase}.log`);
    const child = startProcess(program, args, {
      cwd,
      env: this.environment(),
      logFile,
    });
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

  private async terraform(...args: string[]): Promise<string> {
    const { stdout } = await run(this.options.toolchain.terraform.path, args, {
      cwd: this.stackFolder(),
      env: this.environment(),
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return stdout;
  }

  /** The whole environment of the programs that it starts, for whoever runs Terraform beside it. */
  environment(): NodeJS.ProcessEnv {
    const { env = process.env, folder, region, toolchain, variables } = this.options;
    const kept = Object.entries(withoutAws(env)).filter(([name]) => !name.startsWith("TF_"));
    return {
      ...Object.fromEntries(kept),
      ...LOCAL_CREDENTIALS,
      ...regionVariables(region),
      TERRAFORM_BINARY_NAME: toolchain.terraform.path,
      TF_CLI_CONFIG_FILE: join(folder, "terraform.rc"),
      TF_IN_AUTOMATION: "1",
      CHECKPOINT_DISABLE: "1",
      FORCE_COLOR: "0",
      ...variables,
    };
  }

  private terraformBelow(pid: number): number[] {
    const name = basename(this.options.toolchain.terraform.path);
    return descendantsOf(pid)
      .filter(({ command }) => basename(command.split(" ")[0] ?? "") === name)
      .map((process) => process.pid);
  }

  private async failure(phase: string, logFile: string, judgement: string): Promise<DeploymentError> {
    const said = terraformErrors(await readFile(logFile, "utf8"));
    return new DeploymentError(`${phase}: ${said.join("; ") || judgement} (${logFile})`);
  }

  private async stateFile(): Promise<string> {
    const { terraform } = await this.synthesisedStack();
    const path = terraform?.backend?.local?.path;
    if (path === undefined) throw new DeploymentError("the synthesised stack has no local state");
    return path;
  }

  private async synthesisedStack(): Promise<SynthesisedStack> {
    return JSON.parse(await readFile(this.stackFile(), "utf8")) as SynthesisedStack;
  }

  private stackFile(): string {
    return join(this.stackFolder(), "cdk.tf.json");
  }

  /** Where the last synth put the stack, and where Terraform is to run. */
  stackFolder(): string {
    return join(this.options.folder, "cdktf.out", "stacks", this.options.environment);
  }
}

interface SynthesisedStack {
  readonly resource?: Readonly<Record<string, Readonly<Record<string, SynthesisedBody>>>>;
  readonly terraform?: {
    readonly backend?: { readonly local?: { readonly path?: string } };
  };
}

interface SynthesisedBody {
  readonly "//"?: { readonly metadata?: { readonly path?: string } };
}

/** The managed resources in a state file's text. */
export function managedResources(state: string): StateResource[] {
  if (state === "") return [];
  const { resources = [] } = JSON.parse(state) as {
    resources?: {
      mode: string;
      type: string;
      name: string;
      instances: { status?: string }[];
    }[];
  };
  return resources
    .filter(({ mode, instances }) => mode === "managed" && instances.length > 0)
    .map(({ type, name, instances }) => ({
      address: `${type}.${name}`,
      tainted: instances.some(({ status }) => status === "tainted"),
    }));
}

/** What the last apply in a log says it did; undefined where none came to its end. */
export function appliedCounts(log: string): Applied | undefined {
  const pattern = /Apply complete! Resources: (\d+) added, (\d+) changed, (\d+) destroyed/g;
  const [, added, changed, destroyed] = [...log.matchAll(pattern)].at(-1) ?? [];
  if (added === undefined) return undefined;
  return {
    added: Number(added),
    changed: Number(changed),
    destroyed: Number(destroyed),
  };
}

/** The heads of Terraform's errors in a log, each once, without colours and frames. */
export function terraformErrors(log: string): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours
  const plain = log.replace(/\u001b\[[0-9;]*m/g, "");
  return [...new Set([...plain.matchAll(/Error: (.+)/g)].map((match) => (match[1] ?? "").trim()))];
}
