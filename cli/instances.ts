import { GetFunctionConfigurationCommand, ResourceNotFoundException } from "@aws-sdk/client-lambda";
import {
  DescribeSecretCommand,
  type Filter,
  paginateListSecrets,
  ResourceNotFoundException as SecretNotFound,
} from "@aws-sdk/client-secrets-manager";
import { dynamoDbAuditJournal, type JournalReader } from "../core/audit/journal";
import { type AuditMemory, dynamoDbAuditMemory } from "../core/audit/memory";
import { SECRET_TAGS } from "../core/contract";
import type { ControlPlane } from "../core/control-plane/client";
import { createFetch } from "../core/control-plane/route";
import { dynamoDbIntentReader, type IntentReader } from "../core/intent-table/intent-reader";
import { dynamoDbIntentStore, type IntentStore } from "../core/intent-table/intent-store";
import { ControlPlaneApiKey } from "../core/key/credential";
import { type AgentKeyRecord, parseRecord } from "../core/key/stored-value";
import { type ListedSecret, toListed } from "../core/secrets/fleet";
import { type SecretStore, secretsManagerStore, versionWith } from "../core/secrets/secret-store";
import { readSettings, type Settings } from "../core/settings/function-settings";
import { CommandError } from "./command-error";
import { controlPlaneFor } from "./control-plane";
import type { OperatorPorts } from "./ports";

/** An agent instance as its secret tells it, without a value. Times are in milliseconds since the epoch. */
export interface ListedInstance extends ListedSecret {
  readonly environment: string;
  /** The instance's `id` in `environments.ts`. */
  readonly id: string;
  /** Name of the environment's own, whatever is configured on the secret. */
  readonly rotationFunction: string;
  /** Absent where there is no such schedule. */
  readonly automaticallyAfterDays?: number;
}

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

export interface Instance extends ListedInstance, EnvironmentAccess {}

/** As people name an instance: `dev/support`. */
export function nameOf({ environment, id }: Pick<ListedInstance, "environment" | "id">): string {
  return `${environment}/${id}`;
}

/** Every instance of this account and region, or of one environment, by environment and id. */
export async function listInstances(ports: OperatorPorts, environment?: string): Promise<ListedInstance[]> {
  // Filters match beginnings: what is listed is looked at again.
  const filters: Filter[] = [{ Key: "tag-key", Values: [SECRET_TAGS.id] }];
  if (environment !== undefined) filters.push({ Key: "tag-value", Values: [environment] });
  const found: ListedInstance[] = [];
  const pages = paginateListSecrets(
    { client: ports.aws.secretsManager, pageSize: 100 },
    { Filters: filters },
  );
  for await (const { SecretList = [] } of pages) {
    for (const entry of SecretList) {
      const instance = toInstance(entry, entry.SecretVersionsToStages);
      if (instance && (environment === undefined || instance.environment === environment)) {
        found.push(instance);
      }
    }
  }
  return found.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** Throws the `CommandError` `usage` where there is none. */
export async function listSome(ports: OperatorPorts, environment?: string): Promise<ListedInstance[]> {
  const all = await listInstances(ports, environment);
  if (all.length > 0) return all;
  throw new CommandError(
    "usage",
    environment === undefined
      ? "there is no secret of an agent key in this account and region"
      : `there is no secret of an agent key of the environment '${environment}' in this account and region`,
    "check credentials, --region and the environment's name; a deploy makes the secrets",
  );
}

/**
 * The instance of a name: `environment/id`, or its secret's name or ARN. Seen as it is now, where the list may lag by minutes.
 *
 * Throws the `CommandError` `usage` where there is none of that name.
 */
export async function findInstance(ports: OperatorPorts, name: string): Promise<ListedInstance> {
  const byName = /^[^/]+\/[^/]+$/.test(name)
    ? (await listInstances(ports, name.split("/")[0])).find((each) => nameOf(each) === name)?.secretArn
    : undefined;
  const described = await describe(ports, byName ?? name);
  if (described) return described;
  const known = (await listInstances(ports)).map(nameOf);
  throw new CommandError(
    "usage",
    `there is no agent instance '${name}' in this account and region`,
    known.length > 0
      ? `name one as environment/id or by its secret: ${listed(known)}`
      : "there is none at all: check credentials and --region, or deploy",
  );
}

/** Reads the environment's settings from its rotation function. */
export async function openInstance(
  ports: OperatorPorts,
  listedOrName: ListedInstance | string,
): Promise<Instance> {
  const listed = typeof listedOrName === "string" ? await findInstance(ports, listedOrName) : listedOrName;
  return { ...listed, ...(await openEnvironment(ports, listed)) };
}

export async function openEnvironment(
  ports: OperatorPorts,
  { environment, rotationFunction }: Pick<ListedInstance, "environment" | "rotationFunction">,
): Promise<EnvironmentAccess> {
  let settings: Settings;
  let rotationFunctionArn: string;
  try {
    const { Environment, FunctionArn } = await ports.aws.lambda.send(
      new GetFunctionConfigurationCommand({ FunctionName: rotationFunction }),
    );
    settings = readSettings(Environment?.Variables ?? {});
    rotationFunctionArn = FunctionArn ?? rotationFunction;
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    throw new CommandError(
      "failed",
      `the environment '${environment}' has no rotation function ${rotationFunction}, from which its settings are read`,
      `deploy it: npx cdktf deploy ${environment}`,
    );
  }
  const secrets = secretsManagerStore(ports.aws.secretsManager);
  // The CA is the Control Plane's; the proxy is the functions' way to it, which an operator's machine need not have.
  const { caCertificate } = settings.controlPlaneRoute ?? {};
  const platform = {
    ...(caCertificate !== undefined && { fetch: createFetch({ caCertificate }) }),
    ...ports,
  };
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
          auth: settings.controlPlaneAuth,
          apiKey: apiKey ?? (await readApiKey(secrets, settings.apiKeySecretArn)),
        },
        platform,
      ),
  };
}

/** The operator's API key that a secret holds. Throws the `CommandError` `failed` where it holds none. */
export async function readApiKey(secrets: SecretStore, secretId: string): Promise<ControlPlaneApiKey> {
  const text = ((await secrets.readCurrent(secretId)) ?? "").trim();
  if (text !== "") return new ControlPlaneApiKey(text);
  throw new CommandError(
    "failed",
    `the secret '${secretId}' holds no API key of the Control Plane`,
    "store one: valmi-agent-keys operator-key set",
  );
}

/** A key that a secret holds, and the version that it is stored under. */
export interface StoredRecord extends AgentKeyRecord {
  readonly versionId: string;
}

/** What stands under a label. `undefined`: no version has it, or none with a value. Throws where it can't be read. */
export async function readLabel(
  { secrets, secretArn, versionStages }: Pick<Instance, "secrets" | "secretArn" | "versionStages">,
  label: "AWSCURRENT" | "AWSPENDING" | "AWSPREVIOUS",
): Promise<StoredRecord | undefined> {
  const versionId = versionWith(label, versionStages);
  const value = versionId && (await secrets.readVersion(secretArn, versionId));
  return versionId && value ? { ...parseRecord(value), versionId } : undefined;
}

/** The key under AWSCURRENT. Throws the `CommandError` `failed` where there is none. */
export async function readCurrent(instance: Instance): Promise<StoredRecord> {
  const current = await readLabel(instance, "AWSCURRENT");
  if (current) return current;
  throw new CommandError(
    "failed",
    `${nameOf(instance)} has no key under AWSCURRENT`,
    `deploy the environment, which stores the first one: npx cdktf deploy ${instance.environment}`,
  );
}

/** The secret's labels and dates as they are now. */
export async function lookAgain<T extends ListedInstance>(ports: OperatorPorts, instance: T): Promise<T> {
  return { ...instance, ...(await findInstance(ports, instance.secretArn)) };
}

async function describe(ports: OperatorPorts, secretId: string): Promise<ListedInstance | undefined> {
  try {
    const secret = await ports.aws.secretsManager.send(new DescribeSecretCommand({ SecretId: secretId }));
    return toInstance(secret, secret.VersionIdsToStages);
  } catch (error) {
    if (error instanceof SecretNotFound) return undefined;
    throw error;
  }
}

/** `undefined` where the secret is no agent key's. */
function toInstance(
  entry: Parameters<typeof toListed>[0],
  versionStages: Parameters<typeof toListed>[1],
): ListedInstance | undefined {
  const listed = toListed(entry, versionStages);
  const { [SECRET_TAGS.environment]: environment, [SECRET_TAGS.id]: id } = listed.tags;
  if (!environment || !id) return undefined;
  const prefix = listed.secretName.slice(0, listed.secretName.indexOf(`/${environment}/`));
  const days = entry.RotationRules?.AutomaticallyAfterDays;
  return {
    ...listed,
    environment,
    id,
    rotationFunction: `${prefix}-${environment}-agent-key-rotation`,
    ...(days !== undefined && { automaticallyAfterDays: days }),
  };
}

const MOST_NAMES = 12;

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMES;
  return (
    names.slice(0, MOST_NAMES).join(", ") + (more > 0 ? ` and ${more} more (valmi-agent-keys status)` : "")
  );
}
