import { GetFunctionConfigurationCommand, ResourceNotFoundException } from "@aws-sdk/client-lambda";
import { dynamoDbAuditJournal, type JournalReader } from "../../core/audit/journal";
import { type AuditMemory, dynamoDbAuditMemory } from "../../core/audit/memory";
import { command } from "../../core/command-line";
import { type ControlPlaneAuth, SECRET_TAGS } from "../../core/contract";
import { type ControlPlane, createControlPlane } from "../../core/control-plane/client";
import { outwardFetch } from "../../core/control-plane/outward";
import { dynamoDbIntentReader, type IntentReader } from "../../core/intent-table/intent-reader";
import { dynamoDbIntentStore } from "../../core/intent-table/intent-store";
import { ControlPlaneApiKey } from "../../core/key/credential";
import type { IntentStore } from "../../core/protocol/intent";
import { type SecretStore, secretsManagerStore } from "../../core/secrets/secret-store";
import {
  readControlPlaneUrl,
  readSettings,
  refuseUncheckedTls,
  type Settings,
  SettingsError,
} from "../../core/settings/function-settings";
import { MINUTE_MS } from "../../core/time";
import { CommandError } from "../command-error";
import type { OperatorPorts } from "../ports";
import { findInstance, type ListedInstance } from "./instance";

/** The settings of an environment, and what its functions work with. */
export interface EnvironmentAccess {
  readonly settings: Settings;
  readonly secrets: SecretStore;
  readonly intents: IntentStore;
  readonly history: IntentReader;
  readonly journal: JournalReader;
  readonly memory: Pick<AuditMemory, "read">;
  /** What the rotation function's ARN is, as secrets are configured with it. */
  readonly rotationFunctionArn: string;
  /** A client with the operator's API key as it is stored now, or with another one. */
  readonly connect: (apiKey?: ControlPlaneApiKey) => Promise<ControlPlane>;
}

/** An instance, and the environment that it is in. */
export interface Instance extends ListedInstance, EnvironmentAccess {}

export async function openInstance(ports: OperatorPorts, name: string): Promise<Instance> {
  const listed = await findInstance(ports, name);
  return { ...listed, ...(await openEnvironment(ports, listed)) };
}

/** Reads the environment's settings from its rotation function. Throws the `CommandError` `failed` if there is none. */
export async function openEnvironment(
  ports: OperatorPorts,
  { environment, rotationFunction, secretName }: ListedInstance,
): Promise<EnvironmentAccess> {
  if (!secretName.includes(`/${environment}/`)) {
    throw new CommandError(
      "failed",
      `the name of its secret, ${secretName}, is not one that this project makes`,
      `take the tag '${SECRET_TAGS.id}' off it if it holds no agent key of this project`,
    );
  }
  let settings: Settings;
  let rotationFunctionArn: string;
  try {
    const { Environment, FunctionArn } = await ports.aws.lambda.send(
      new GetFunctionConfigurationCommand({ FunctionName: rotationFunction }),
    );
    settings = readSettings(Environment?.Variables ?? {});
    rotationFunctionArn = FunctionArn ?? rotationFunction;
  } catch (error) {
    const fix = `deploy it: npx cdktf deploy ${environment}`;
    if (error instanceof SettingsError) {
      throw new CommandError("failed", `the function ${rotationFunction}: ${error.message}`, fix);
    }
    if (!(error instanceof ResourceNotFoundException)) throw error;
    throw new CommandError(
      "failed",
      `the environment '${environment}' has no rotation function ${rotationFunction}, from which its settings are read`,
      fix,
    );
  }
  const secrets = secretsManagerStore(ports.aws.secretsManager);
  // The CA is the Control Plane's; the proxy is the functions' way to it, which an operator's machine need not have.
  const { caCertificate } = settings.controlPlaneRoute ?? {};
  return {
    settings,
    secrets,
    intents: dynamoDbIntentStore(ports.aws.dynamoDb, settings.intentTable),
    history: dynamoDbIntentReader(ports.aws.dynamoDb, settings.intentTable),
    journal: dynamoDbAuditJournal(ports.aws.dynamoDb, settings.intentTable),
    memory: dynamoDbAuditMemory(ports.aws.dynamoDb, settings.intentTable),
    rotationFunctionArn,
    connect: async (apiKey) =>
      controlPlaneFor(
        {
          url: settings.controlPlaneUrl,
          urlFrom: rotationFunction,
          caCertificate,
          auth: settings.controlPlaneAuth,
          apiKey: apiKey ?? (await readApiKey(secrets, settings.apiKeySecretArn)),
        },
        ports,
      ),
  };
}

/** The operator's API key that a secret holds. Throws the `CommandError` `failed` if it holds none. */
export async function readApiKey(
  secrets: Pick<SecretStore, "readCurrent">,
  secretId: string,
): Promise<ControlPlaneApiKey> {
  const text = ((await secrets.readCurrent(secretId)) ?? "").trim();
  if (text !== "") return new ControlPlaneApiKey(text);
  throw new CommandError(
    "failed",
    `the secret '${secretId}' holds no API key of the Control Plane`,
    `store one: ${command(`operator-key set --secret ${secretId}`)}`,
  );
}

/** A person waits: a call is given up after a minute. */
const CALL_MS = MINUTE_MS;

/** Throws a `SettingsError` if a key would be sent in clear text: the URL must be https, or a loopback address. */
export function controlPlaneFor(
  options: {
    readonly url: string;
    /** Where the URL came from, for that error. */
    readonly urlFrom: string;
    readonly auth: ControlPlaneAuth;
    readonly apiKey: ControlPlaneApiKey;
    /** As in the environment's settings. @default - the authorities that Node.js trusts */
    readonly caCertificate?: string | undefined;
  },
  platform: Pick<OperatorPorts, "clock" | "sleep" | "fetch">,
): ControlPlane {
  refuseUncheckedTls(process.env);
  const { clock, sleep } = platform;
  const baseUrl = readControlPlaneUrl(options.urlFrom, options.url);
  const fetch = platform.fetch ?? outwardFetch(baseUrl, options.caCertificate, process.env);
  return createControlPlane({
    baseUrl,
    auth: options.auth,
    apiKey: options.apiKey,
    clock,
    budget: { remainingMs: () => CALL_MS },
    sleep,
    random: Math.random,
    ...(fetch && { fetch }),
  });
}

/** A client that has heard the time from the Control Plane: the one clock that the protocol goes by. */
export async function connectOnTime({ connect }: Pick<EnvironmentAccess, "connect">): Promise<ControlPlane> {
  const controlPlane = await connect();
  await controlPlane.workspaceName();
  return controlPlane;
}
