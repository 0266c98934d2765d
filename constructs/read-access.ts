import type { PolicyStatement } from "./policy";

/** What a reader of agent keys reads. */
export interface ReadableSecrets {
  /** ARN of one secret, or a pattern that matches the ARNs of several. */
  readonly secretArn: string;
  readonly region: string;
  /** @default - no permission for a key is needed */
  readonly encryptionKeyArn?: string;
}

/** Reading the current and the previous value, never one that is pending. */
export function readAccess({ secretArn, region, encryptionKeyArn }: ReadableSecrets): PolicyStatement[] {
  const action = "secretsmanager:GetSecretValue";
  return [
    { Sid: "ReadAgentKey", Effect: "Allow", Action: action, Resource: secretArn },
    {
      Sid: "NotPending",
      Effect: "Deny",
      Action: action,
      Resource: secretArn,
      Condition: { "ForAnyValue:StringEquals": { "secretsmanager:VersionStage": "AWSPENDING" } },
    },
    ...(encryptionKeyArn ? [decrypt(encryptionKeyArn, secretArn, region)] : []),
  ];
}

function decrypt(encryptionKeyArn: string, secretArn: string, region: string): PolicyStatement {
  const viaService = { "kms:ViaService": `secretsmanager.${region}.amazonaws.com` };
  const context = { "kms:EncryptionContext:SecretARN": secretArn };
  return {
    Sid: "DecryptAgentKey",
    Effect: "Allow",
    Action: "kms:Decrypt",
    Resource: encryptionKeyArn,
    Condition: /[*?]/.test(secretArn)
      ? { StringEquals: viaService, StringLike: context }
      : { StringEquals: { ...viaService, ...context } },
  };
}
