import { paginateListSecretVersionIds } from "@aws-sdk/client-secrets-manager";
import { command } from "../../core/command-line";
import { type AgentKeyRecord, parseRecord } from "../../core/key/stored-value";
import { type StagingLabel, versionWith } from "../../core/secrets/secret-store";
import { CommandError } from "../command-error";
import type { OperatorPorts } from "../ports";
import type { Instance } from "./environment";
import { nameOf } from "./instance";

/** A key that a secret holds, and the version that it is stored under. */
export interface StoredRecord extends AgentKeyRecord {
  readonly versionId: string;
}

type Labelled = Pick<Instance, "secrets" | "secretArn" | "versionStages">;

/** What stands under a label. `undefined`: no version has it, or none with a value. Throws if it can't be read. */
export async function readLabel(instance: Labelled, label: StagingLabel): Promise<StoredRecord | undefined> {
  const versionId = versionWith(label, instance.versionStages);
  return versionId === undefined ? undefined : readVersion(instance, versionId);
}

/** The key under AWSCURRENT. Throws the `CommandError` `failed` if there is none. */
export async function readCurrent(
  instance: Labelled & Pick<Instance, "environment" | "id">,
): Promise<StoredRecord> {
  const current = await readLabel(instance, "AWSCURRENT");
  if (current) return current;
  throw new CommandError(
    "failed",
    `${nameOf(instance)} has no key under AWSCURRENT`,
    `deploy the environment, which stores the first one: npx cdktf deploy ${instance.environment}`,
  );
}

/**
 * The key of a fingerprint, among all versions that Secrets Manager has kept, also those without a label. Throws the
 * `CommandError` `usage` if none holds it.
 */
export async function findKey(
  ports: { readonly aws: Pick<OperatorPorts["aws"], "secretsManager"> },
  instance: Instance,
  fingerprint: string,
): Promise<StoredRecord> {
  const pages = paginateListSecretVersionIds(
    { client: ports.aws.secretsManager },
    { SecretId: instance.secretArn, IncludeDeprecated: true },
  );
  for await (const { Versions = [] } of pages) {
    for (const { VersionId = "" } of Versions) {
      // A value that nobody can read is not the one that is looked for.
      const record = await readVersion(instance, VersionId).catch(() => undefined);
      if (record?.agentKey.fingerprint === fingerprint) return record;
    }
  }
  throw new CommandError(
    "usage",
    `no version of the secret of ${nameOf(instance)} holds a key ${fingerprint}`,
    `its keys: ${command(`history ${nameOf(instance)}`)}`,
  );
}

async function readVersion(
  { secrets, secretArn }: Pick<Instance, "secrets" | "secretArn">,
  versionId: string,
): Promise<StoredRecord | undefined> {
  const value = await secrets.readVersion(secretArn, versionId);
  return value === undefined ? undefined : { ...parseRecord(value), versionId };
}
