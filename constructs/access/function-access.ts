import type { ResolvedSettings } from "../environment/environment";
import { type AwsLocation, agentKeySecretArns } from "../names";
import { forSecret, through } from "./kms-use";
import { allow, type FunctionAccess, type PolicyStatement } from "./policy";
import { readAccess } from "./read-access";

/** The secrets of an environment's agent keys, as far as a function's permissions are concerned. */
export interface AgentKeySecretsProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "region">;
  readonly location: AwsLocation;
  /** @default - no permission for a key is needed */
  readonly encryptionKeyArn?: string;
}

const arnsOf = ({ location, settings }: AgentKeySecretsProps) => agentKeySecretArns(location, settings);

/**
 * What the rotation function may do: rotate the secrets of its environment that have itself as their rotation function.
 *
 * @param rotationFunctionArn exactly as configured on the secrets: an alias or a version is another ARN
 */
export function rotateAccess(secrets: AgentKeySecretsProps, rotationFunctionArn: string): FunctionAccess {
  return {
    statements: [
      allow(
        "RotateAgentKeys",
        [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:UpdateSecretVersionStage",
        ],
        arnsOf(secrets),
        { StringEquals: { "secretsmanager:resource/AllowRotationLambdaArn": rotationFunctionArn } },
      ),
      ...encryption(secrets),
    ],
  };
}

/** The condition under which a secret's value may be written from outside of its rotation: while it has none. */
export const BEFORE_ROTATION = { Null: { "secretsmanager:resource/AllowRotationLambdaArn": "true" } };

/**
 * What the provisioning function may do: read the secrets of its environment, and write only while no rotation is
 * configured, that is the first key of a secret. Later keys come from rotation alone.
 */
export function provisionAccess(secrets: AgentKeySecretsProps): FunctionAccess {
  return {
    statements: [
      allow(
        "ReadAgentKeys",
        ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
        arnsOf(secrets),
      ),
      allow("WriteFirstAgentKeys", "secretsmanager:PutSecretValue", arnsOf(secrets), BEFORE_ROTATION),
      ...encryption(secrets),
    ],
  };
}

/** What the auditor may do: read, and ask Secrets Manager for a rotation. */
export function auditAccess(secrets: AgentKeySecretsProps): FunctionAccess {
  const { settings, encryptionKeyArn } = secrets;
  return {
    statements: [
      // Secrets Manager knows no permission to list some secrets only; no value is in a list.
      allow("ListSecrets", "secretsmanager:ListSecrets", "*"),
      allow(
        "AuditAgentKeys",
        [
          "secretsmanager:DescribeSecret",
          "secretsmanager:ListSecretVersionIds",
          "secretsmanager:RotateSecret",
        ],
        arnsOf(secrets),
      ),
      ...readAccess({
        secretArn: arnsOf(secrets),
        region: settings.region,
        ...(encryptionKeyArn && { encryptionKeyArn }),
      }),
    ],
  };
}

/** Secrets Manager encrypts and decrypts with the permissions of its caller. */
function encryption(secrets: AgentKeySecretsProps): PolicyStatement[] {
  const { settings, encryptionKeyArn } = secrets;
  if (!encryptionKeyArn) return [];
  return [
    allow("EncryptAgentKeys", ["kms:Decrypt", "kms:GenerateDataKey"], encryptionKeyArn, {
      StringEquals: through("secretsmanager", settings.region),
      StringLike: forSecret(arnsOf(secrets)),
    }),
  ];
}
