import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  ResourceNotFoundException,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";

export type StagingLabel = "AWSCURRENT" | "AWSPENDING" | "AWSPREVIOUS";

export interface SecretDescription {
  readonly arn: string;
  readonly rotationEnabled: boolean;
  /**
   * The rotation function that is configured; it stays when rotation is switched off. IAM asks for the same to let the
   * provisioning function store a value: only while none is.
   */
  readonly rotationFunctionArn?: string;
  /** Staging labels by version id. A version may be listed and have no value yet. */
  readonly versionStages: Readonly<Record<string, readonly string[]>>;
  readonly tags: Readonly<Record<string, string>>;
}

export interface NewVersion {
  readonly secretId: string;
  readonly versionId: string;
  readonly value: string;
  readonly stage: StagingLabel;
  /** Passed on where Secrets Manager's event has one. */
  readonly rotationToken?: string;
}

/** What the functions ask of Secrets Manager. */
export interface SecretStore {
  describe(secretId: string): Promise<SecretDescription>;
  /** The value of one version, or `undefined` where it has none (yet). */
  readVersion(secretId: string, versionId: string): Promise<string | undefined>;
  /** The value of the version under AWSCURRENT, or `undefined` where there is none. */
  readCurrent(secretId: string): Promise<string | undefined>;
  /** Repeating it with the same content changes nothing. Throws `VersionConflictError` where the content differs. */
  putVersion(version: NewVersion): Promise<void>;
  /**
   * Sends a value that changes nothing to a version that has one: Secrets Manager refuses it, since the content differs, once it
   * has found that the caller may store values. Throws whatever else it refuses it for.
   */
  tryToStore(secretId: string, existingVersionId: string): Promise<void>;
  /** Moves AWSCURRENT from one version to another; AWSPREVIOUS follows by itself. */
  moveCurrent(secretId: string, move: { readonly to: string; readonly from: string }): Promise<void>;
  /** Takes AWSPENDING off a version whose key is proven dead, so that the next rotation starts afresh. */
  removePending(secretId: string, versionId: string): Promise<void>;
}

/** No value of an agent key is this text. */
const HARMLESS_TEXT = "valmi-agent-keys: may a value be stored";

/** The version exists with another content: somebody stored a key under this id before. */
export class VersionConflictError extends Error {
  override readonly name = "VersionConflictError";
}

export function secretsManagerStore(client: SecretsManagerClient): SecretStore {
  async function read(command: GetSecretValueCommand): Promise<string | undefined> {
    try {
      return (await client.send(command)).SecretString;
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined;
      throw error;
    }
  }

  return {
    async describe(secretId) {
      const answer = await client.send(new DescribeSecretCommand({ SecretId: secretId }));
      return {
        arn: answer.ARN ?? secretId,
        rotationEnabled: answer.RotationEnabled ?? false,
        ...(answer.RotationLambdaARN ? { rotationFunctionArn: answer.RotationLambdaARN } : {}),
        versionStages: answer.VersionIdsToStages ?? {},
        tags: Object.fromEntries((answer.Tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""])),
      };
    },
    readVersion: (secretId, versionId) =>
      read(new GetSecretValueCommand({ SecretId: secretId, VersionId: versionId })),
    readCurrent: (secretId) =>
      read(new GetSecretValueCommand({ SecretId: secretId, VersionStage: "AWSCURRENT" })),
    async putVersion({ secretId, versionId, value, stage, rotationToken }) {
      try {
        await client.send(
          new PutSecretValueCommand({
            SecretId: secretId,
            ClientRequestToken: versionId,
            SecretString: value,
            VersionStages: [stage],
            RotationToken: rotationToken,
          }),
        );
      } catch (error) {
        // The service's own text is dropped: no error of ours repeats what was sent.
        if (error instanceof ResourceExistsException) {
          throw new VersionConflictError(`version ${versionId} exists with another content`);
        }
        throw error;
      }
    },
    async tryToStore(secretId, existingVersionId) {
      try {
        await client.send(
          new PutSecretValueCommand({
            SecretId: secretId,
            ClientRequestToken: existingVersionId,
            SecretString: HARMLESS_TEXT,
            VersionStages: ["AWSPENDING"],
          }),
        );
      } catch (error) {
        if (!(error instanceof ResourceExistsException)) throw error;
      }
    },
    async moveCurrent(secretId, { to, from }) {
      await client.send(
        new UpdateSecretVersionStageCommand({
          SecretId: secretId,
          VersionStage: "AWSCURRENT",
          MoveToVersionId: to,
          RemoveFromVersionId: from,
        }),
      );
    },
    async removePending(secretId, versionId) {
      await client.send(
        new UpdateSecretVersionStageCommand({
          SecretId: secretId,
          VersionStage: "AWSPENDING",
          RemoveFromVersionId: versionId,
        }),
      );
    },
  };
}

/** The version under AWSPENDING if that is not the current one: a rotation under way, or one that was left behind. */
export function pendingApart(stages: SecretDescription["versionStages"]): string | undefined {
  const pending = versionWith("AWSPENDING", stages);
  return pending === versionWith("AWSCURRENT", stages) ? undefined : pending;
}

/** The version that carries a staging label, or `undefined`. */
export function versionWith(
  label: StagingLabel,
  stages: SecretDescription["versionStages"],
): string | undefined {
  return Object.keys(stages).find((versionId) => stages[versionId]?.includes(label));
}
