import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { setOperatorKey } from "../cli/commands/operator-key";
import type { Environment } from "../constructs";
import { LOCAL_RUN_VARIABLE } from "../constructs/environment/local-run";
import { realSleep } from "../core/budget";
import { systemClock } from "../core/clock";
import { SettableClock } from "./clock";
import { type LocalCloudwatch, startCloudwatch } from "./cloudwatch";
import {
  type ControlPlaneServerOptions,
  type LocalControlPlane,
  startControlPlane,
} from "./control-plane/server";
import { type CountingProxy, startCountingProxy } from "./demo/counting-proxy";
import { addAdoptedInstances, seedFor } from "./demo/seed";
import { Deployment } from "./deployment";
import { LOCAL_CREDENTIALS, startEmulator } from "./emulator";
import { eventBridge } from "./secrets-manager/event-delivery";
import { lambdaFunctions } from "./secrets-manager/lambda-functions";
import { type SecretsManager, startSecretsManager } from "./secrets-manager/server";
import { PrerequisiteError, type Toolchain } from "./toolchain";

/** How the demo's own client calls itself to Secrets Manager, by which its calls are told from the functions'. */
export const DEMO_APP_ID = "demo";

/** The account that MiniStack and the local Secrets Manager speak of. */
const ACCOUNT_ID = "000000000000";

const PROJECT_FOLDER = resolve(__dirname, "..");

export interface LocalRunOptions {
  readonly environment: Environment;
  readonly toolchain: Toolchain;
  /** Folder that the folder of this run is made in. */
  readonly runsFolder: string;
  readonly signal?: AbortSignal;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
  /** Of the Control Plane, beside what the environment says. @default - see each option */
  readonly controlPlane?: Pick<ControlPlaneServerOptions, "keyPrefix" | "apiKeys">;
  /** Module that synthesises the stacks. @default - `main.ts` */
  readonly app?: string;
  /** Variables of `cdktf` and Terraform, beside those that lead to the local services. @default - none */
  readonly variables?: Readonly<Record<string, string>>;
  /** Whatever Terraform asks of AWS, and Secrets Manager of the functions, goes through here. @default - nothing does */
  readonly front?: Front;
}

/** Stands between those who call the local AWS and the local AWS. */
export interface Front {
  readonly url: string;
  /** Where requests go. Called before the first one comes. */
  forwardTo(services: { readonly emulatorUrl: string; readonly secretsManagerUrl: string }): void;
}

/** The three parts of a local run, wired, and a deployment of one environment on them that hasn't begun. */
export interface LocalRun {
  readonly folder: string;
  readonly environment: Environment;
  readonly clock: SettableClock;
  readonly controlPlane: LocalControlPlane;
  readonly secretsManager: SecretsManager;
  /** Keeps the alarms. */
  readonly cloudwatch: LocalCloudwatch;
  /** Process id of the emulator; undefined where it is the user's own. */
  readonly emulatorPid: number | undefined;
  /** Counts the functions' calls of DynamoDB; undefined where the emulator is the user's own. */
  readonly dynamoDb: CountingProxy | undefined;
  readonly deployment: Deployment;
  /** A client of the local Secrets Manager. */
  readonly secrets: SecretsManagerClient;
  /** Variables by which a child process reaches the local services with an AWS SDK. */
  readonly awsVariables: Readonly<Record<string, string>>;
  /** Ends everything that was started. Safe to repeat. The folder stays. */
  close(): Promise<void>;
  /** Removes the folder of the run. */
  removeFolder(): Promise<void>;
}

/** The shell command that synthesises the stacks, by a module, into the working folder. */
export function synthCommand(
  app: string,
  projectFolder = PROJECT_FOLDER,
  environments = join(projectFolder, "environments.ts"),
): string {
  const program = [process.execPath, "--import", require.resolve("tsx"), require.resolve("./synth")];
  return [...program, projectFolder, environments, app].map((part) => JSON.stringify(part)).join(" ");
}

/**
 * Starts Control Plane, Secrets Manager and emulator on free ports, one clock for the first two, and puts the
 * operator's API key into its secret. What has been started is ended again where a later part fails.
 */
export async function startLocalRun(options: LocalRunOptions): Promise<LocalRun> {
  const { environment, toolchain, runsFolder, signal, env = process.env } = options;
  const { region } = environment;
  const own = "url" in toolchain.emulator ? toolchain.emulator : undefined;
  await mkdir(runsFolder, { recursive: true });
  const folder = await mkdtemp(join(resolve(runsFolder), `${environment.name}-`));

  const opened: { close(): Promise<unknown> }[] = [];
  const close = async (): Promise<void> => {
    for (const part of opened.splice(0).reverse()) await part.close();
  };
  const open = <T extends { close(): Promise<unknown> }>(part: T): T => {
    opened.push(part);
    return part;
  };

  try {
    const clock = new SettableClock();
    const controlPlane = open(
      await startControlPlane({
        clock,
        seed: seedFor(environment),
        graceHours: environment.controlPlane.gracePeriodHours ?? 24,
        ...options.controlPlane,
      }),
    );
    addAdoptedInstances(controlPlane.state, environment);
    // Filled in below: the emulator needs to know Secrets Manager's address, so it starts later.
    const lambdaVariables: NodeJS.ProcessEnv = { ...LOCAL_CREDENTIALS };
    const eventVariables: NodeJS.ProcessEnv = { ...LOCAL_CREDENTIALS };
    const secretsManager = open(
      await startSecretsManager({
        clock,
        region,
        functions: lambdaFunctions(ACCOUNT_ID, lambdaVariables),
        eventBus: eventBridge(eventVariables),
        ...(own && { port: own.secretsManagerPort }),
      }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EADDRINUSE") throw error;
        throw new PrerequisiteError(
          `AWS_ENDPOINT_URL_SECRETS_MANAGER names port ${own?.secretsManagerPort}, which is taken`,
          "start the emulator with a port that is free, and set the same here",
          { cause: error },
        );
      }),
    );
    const dynamoDb = own ? undefined : open(await startCountingProxy());
    const emulator =
      "python" in toolchain.emulator
        ? open(
            await startEmulator({
              python: toolchain.emulator.python,
              folder,
              region,
              secretsManagerUrl: secretsManager.url,
              ...(dynamoDb && { dynamoDbUrl: dynamoDb.url }),
              env,
            }),
          )
        : { ...toolchain.emulator, pid: undefined };
    dynamoDb?.forwardTo(emulator.url);
    const { front } = options;
    front?.forwardTo({ emulatorUrl: emulator.url, secretsManagerUrl: secretsManager.url });
    lambdaVariables.AWS_ENDPOINT_URL_LAMBDA = front?.url ?? emulator.url;
    eventVariables.AWS_ENDPOINT_URL = emulator.url;

    const cloudwatch = open(await startCloudwatch({ region, accountId: ACCOUNT_ID }));
    const endpoints = {
      AWS_ENDPOINT_URL: emulator.url,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
      AWS_ENDPOINT_URL_CLOUDWATCH: cloudwatch.url,
    };
    const secrets = new SecretsManagerClient({
      endpoint: secretsManager.url,
      region,
      userAgentAppId: DEMO_APP_ID,
      credentials: {
        accessKeyId: LOCAL_CREDENTIALS.AWS_ACCESS_KEY_ID,
        secretAccessKey: LOCAL_CREDENTIALS.AWS_SECRET_ACCESS_KEY,
      },
    });
    open({ close: async () => secrets.destroy() });
    const deployment = await Deployment.prepare({
      folder,
      environment: environment.name,
      region,
      toolchain,
      app: synthCommand(options.app ?? join(PROJECT_FOLDER, "main.ts")),
      variables: {
        ...endpoints,
        ...(front && { AWS_ENDPOINT_URL: front.url, AWS_ENDPOINT_URL_SECRETS_MANAGER: front.url }),
        [LOCAL_RUN_VARIABLE]: controlPlane.url,
        ...options.variables,
      },
      ...(signal && { signal }),
      env,
    });
    open({ close: () => deployment.interrupt() });
    await setOperatorKey(
      { aws: { secretsManager: secrets }, clock: systemClock, sleep: realSleep },
      {
        secretName: environment.controlPlane.apiKeySecretName,
        controlPlaneUrl: controlPlane.url,
        auth: environment.controlPlane.auth ?? "api-key",
        text: controlPlane.apiKey,
      },
    );

    return {
      folder,
      environment,
      clock,
      controlPlane,
      secretsManager,
      cloudwatch,
      emulatorPid: emulator.pid,
      dynamoDb,
      deployment,
      secrets,
      awsVariables: { ...endpoints, ...LOCAL_CREDENTIALS, AWS_REGION: region, AWS_DEFAULT_REGION: region },
      close,
      removeFolder: () => rm(folder, { recursive: true, force: true }),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
