import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { LOCAL_CREDENTIALS, regionVariables, withoutAws } from "./emulator";
import { type PhaseEnd, PhaseRunner } from "./phase-runner";
import {
  type Applied,
  appliedCounts,
  managedResources,
  type StateResource,
  type SynthesisedResource,
  type SynthesisedStack,
  synthesisedResources,
  terraformErrors,
} from "./terraform-records";
import type { Toolchain } from "./toolchain";
import { terraformCliConfig } from "./toolchain/aws-provider";

const run = promisify(execFile);

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
  private readonly runner: PhaseRunner;

  private constructor(private readonly options: DeploymentOptions) {
    const { folder, toolchain, signal } = options;
    const env = this.environment();
    this.runner = new PhaseRunner({
      folder,
      terraform: toolchain.terraform.path,
      env,
      ...(signal && { signal }),
    });
  }

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
    const { code, logFile } = await this.runner.execute(
      "plan",
      this.options.toolchain.terraform.path,
      args,
      this.stackFolder(),
    );
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
    return synthesisedResources(await this.synthesisedStack());
  }

  /** Process id of the Terraform that runs now; undefined if none does. */
  get terraformPid(): number | undefined {
    return this.runner.terraformPid;
  }

  /** Ends what runs, Terraform in good order first. Returns when everything has ended. */
  async interrupt(limitMs?: number): Promise<void> {
    await this.runner.interrupt(limitMs);
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

  private async cdktf(...args: string[]): Promise<PhaseEnd> {
    const [command = "", ...flags] = args;
    const program = require.resolve("cdktf-cli/bundle/bin/cdktf");
    // Without the flag Terraform asks its registry for the provider's hashes of every platform.
    const all = [program, command, this.options.environment, ...flags, "--skip-provider-lock"];
    return this.runner.execute(command, process.execPath, all, this.options.folder);
  }

  private async terraform(...args: string[]): Promise<string> {
    const { stdout } = await run(this.options.toolchain.terraform.path, args, {
      cwd: this.stackFolder(),
      env: this.environment(),
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return stdout;
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
