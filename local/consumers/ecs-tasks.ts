import { DescribeServicesCommand, DescribeTaskDefinitionCommand, type ECSClient } from "@aws-sdk/client-ecs";
import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { AgentProcess } from "./consumer";

const LOOK_EVERY_MS = 200;

export interface EcsTasksOptions {
  readonly ecs: ECSClient;
  readonly secrets: SecretsManagerClient;
  readonly cluster: string;
  readonly service: string;
  /** Starts the container's program with these variables. */
  readonly run: (variables: Readonly<Record<string, string>>) => AgentProcess;
}

/**
 * What the emulator's ECS leaves out: it keeps services and deployments, and runs nothing. For each new deployment of a
 * service this starts a task, with the secrets of the container definition in its environment as ECS puts them there, and
 * ends the old task when the new one works.
 */
export class EcsTasks {
  private readonly over = new AbortController();
  private task: { readonly deployment: string; readonly process: AgentProcess } | undefined;
  private isDeploying = false;
  private failure: unknown;
  private readonly done: Promise<void>;

  constructor(private readonly options: EcsTasksOptions) {
    this.done = this.follow().catch((error: unknown) => {
      this.failure = error;
    });
  }

  /** Whether the one task is that of the latest deployment that was seen. Throws what ended the following. */
  isSteady(): boolean {
    if (this.failure !== undefined) throw this.failure;
    return this.task !== undefined && !this.isDeploying;
  }

  hasEnded(): boolean {
    return this.isSteady() && this.task?.process.hasEnded === true;
  }

  /** Waits until the first task works. Rejects where it doesn't. */
  async started(): Promise<void> {
    while (!this.isSteady()) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }

  async stop(): Promise<void> {
    this.over.abort();
    await this.done;
    await this.task?.process.stop();
  }

  private async follow(): Promise<void> {
    const { ecs, cluster, service } = this.options;
    while (!this.over.signal.aborted) {
      const { services = [] } = await ecs.send(new DescribeServicesCommand({ cluster, services: [service] }));
      const primary = services[0]?.deployments?.find(({ status }) => status === "PRIMARY");
      if (primary?.id && primary.id !== this.task?.deployment) {
        await this.deploy(primary.id, primary.taskDefinition ?? "");
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  private async deploy(deployment: string, taskDefinition: string): Promise<void> {
    this.isDeploying = true;
    const old = this.task?.process;
    const started = this.options.run(await this.secretsOf(taskDefinition));
    this.task = { deployment, process: started };
    await started.firstCall;
    await old?.stop();
    this.isDeploying = false;
  }

  /** `valueFrom` is the secret's ARN, then `:` and the JSON key, the staging label and the version id, each maybe empty. */
  private async secretsOf(taskDefinition: string): Promise<Record<string, string>> {
    const { ecs, secrets } = this.options;
    const answer = await ecs.send(new DescribeTaskDefinitionCommand({ taskDefinition }));
    const entries = answer.taskDefinition?.containerDefinitions?.[0]?.secrets ?? [];
    const variables = entries.map(async ({ name = "", valueFrom = "" }) => {
      const parts = valueFrom.split(":");
      const SecretId = parts.slice(0, 7).join(":");
      const [jsonKey = "", VersionStage] = parts.slice(7);
      const { SecretString = "" } = await secrets.send(
        new GetSecretValueCommand({ SecretId, ...(VersionStage ? { VersionStage } : {}) }),
      );
      return [name, jsonKey ? JSON.parse(SecretString)[jsonKey] : SecretString];
    });
    return Object.fromEntries(await Promise.all(variables));
  }
}
