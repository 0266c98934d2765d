import { forSecret, through } from "./kms-use";
import { allow, type PolicyStatement } from "./policy";

export interface ReadOptions {
  /**
   * Whether the reader has to name a staging label, AWSCURRENT or AWSPREVIOUS, in every read: so it reads no pending
   * value by its version id either. Its denial also meets calls that name nothing, as many tools make them, and reads by
   * version id.
   * @default false
   */
  readonly strict?: boolean;
}

/** What a reader of agent keys reads. */
export interface ReadableSecrets {
  /** ARN of one secret, or a pattern that matches the ARNs of several. */
  readonly secretArn: string;
  readonly region: string;
  /** @default - no permission for a key is needed */
  readonly encryptionKeyArn?: string;
}

export const READ = "secretsmanager:GetSecretValue";

/** Reading the current and the previous value, never one that is pending. */
export function readAccess(
  { secretArn, region, encryptionKeyArn }: ReadableSecrets,
  options: ReadOptions = {},
): PolicyStatement[] {
  const reading = [allow("ReadAgentKey", READ, secretArn), denyPending(secretArn, options)];
  if (!encryptionKeyArn) return reading;
  const isPattern = /[*?]/.test(secretArn);
  const condition = isPattern
    ? { StringEquals: through("secretsmanager", region), StringLike: forSecret(secretArn) }
    : { StringEquals: { ...through("secretsmanager", region), ...forSecret(secretArn) } };
  return [...reading, allow("DecryptAgentKey", "kms:Decrypt", encryptionKeyArn, condition)];
}

// A call that names no staging label carries no such key: "not equal" then holds, "equal for any value" doesn't.
export function denyPending(resource: string, { strict = false }: ReadOptions): PolicyStatement {
  const stage = "secretsmanager:VersionStage";
  return {
    Sid: strict ? "OnlyCurrentAndPrevious" : "NotPending",
    Effect: "Deny",
    Action: READ,
    Resource: resource,
    Condition: strict
      ? { StringNotEquals: { [stage]: ["AWSCURRENT", "AWSPREVIOUS"] } }
      : { "ForAnyValue:StringEquals": { [stage]: "AWSPENDING" } },
  };
}
