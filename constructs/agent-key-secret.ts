import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import { Construct } from "constructs";
import { SECRET_TAGS } from "../lambda/contract";
import { type AgentInstanceSettings, displayName, type ResolvedSettings } from "./environment";
import { type AwsLocation, agentKeySecretArns, agentKeySecretName } from "./names";
import { type FunctionAccess, type PolicyStatement, policyDocument } from "./policy";

export interface AgentKeySecretProps {
  readonly settings: Pick<
    ResolvedSettings,
    "namePrefix" | "name" | "region" | "controlPlane" | "removal" | "recoveryWindowDays" | "tags"
  >;
  readonly instance: AgentInstanceSettings;
  readonly location: AwsLocation;
  /** @default - the key `aws/secretsmanager`, which other accounts can't be let use */
  readonly encryptionKeyArn?: string;
}

/**
 * The Secrets Manager secret of one agent key. Terraform owns the secret, its tags and its policy, and never a value:
 * values are written by the functions alone. Its tags say what the key belongs to. Other accounts are denied.
 */
export class AgentKeySecret extends Construct {
  readonly arn: string;
  readonly secretName: string;
  private readonly props: AgentKeySecretProps;

  constructor(scope: Construct, id: string, props: AgentKeySecretProps) {
    super(scope, id);
    this.props = props;
    const { settings, instance, location, encryptionKeyArn } = props;
    this.secretName = agentKeySecretName(settings, instance.id);
    const secret = new SecretsmanagerSecret(this, "secret", {
      name: this.secretName,
      description: `Agent key of the agent instance ${instance.id} (${settings.name})`,
      recoveryWindowInDays: settings.recoveryWindowDays,
      policy: policyDocument([denyOtherAccounts(location.accountId)]),
      tags: { ...settings.tags, ...mappingTags(settings, instance) },
      lifecycle: { preventDestroy: settings.removal === "protect" },
      ...(encryptionKeyArn ? { kmsKeyId: encryptionKeyArn } : {}),
    });
    this.arn = secret.arn;
  }

  /**
   * Lets a role of this account read the key: its current and its previous value, never one that is pending. A read by
   * version id alone names no staging label, so that the denial doesn't reach it.
   *
   * @param id construct id, unique among the readers of this secret
   * @param roleName name of the reader's IAM role, such as `role.name`
   */
  grantRead(id: string, roleName: string): IamRolePolicy {
    return new IamRolePolicy(this, id, {
      name: `read-${this.props.settings.name}-${this.props.instance.id}-agent-key`,
      role: roleName,
      policy: policyDocument(this.readStatements()),
    });
  }

  /** The statements of `grantRead`, for a policy that is put together elsewhere. */
  readStatements(): PolicyStatement[] {
    const { settings, encryptionKeyArn } = this.props;
    return [
      { Sid: "ReadAgentKey", Effect: "Allow", Action: "secretsmanager:GetSecretValue", Resource: this.arn },
      {
        Sid: "NotPending",
        Effect: "Deny",
        Action: "secretsmanager:GetSecretValue",
        Resource: this.arn,
        Condition: { "ForAnyValue:StringEquals": { "secretsmanager:VersionStage": "AWSPENDING" } },
      },
      ...(encryptionKeyArn
        ? [
            {
              Sid: "DecryptAgentKey",
              Effect: "Allow" as const,
              Action: "kms:Decrypt",
              Resource: encryptionKeyArn,
              Condition: {
                StringEquals: {
                  "kms:ViaService": `secretsmanager.${settings.region}.amazonaws.com`,
                  "kms:EncryptionContext:SecretARN": this.arn,
                },
              },
            },
          ]
        : []),
    ];
  }
}

/** The secrets of an environment's agent keys, as far as a function's permissions are concerned. */
export interface AgentKeySecretsProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "region">;
  readonly location: AwsLocation;
  /** @default - no permission for a key is needed */
  readonly encryptionKeyArn?: string;
}

/**
 * What the rotation function may do: rotate the secrets of its environment that have itself as their rotation function.
 *
 * @param rotationFunctionArn exactly as configured on the secrets: an alias or a version is another ARN
 */
export function rotateAccess(secrets: AgentKeySecretsProps, rotationFunctionArn: string): FunctionAccess {
  return {
    statements: [
      {
        Sid: "RotateAgentKeys",
        Effect: "Allow",
        Action: [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
          "secretsmanager:PutSecretValue",
          "secretsmanager:UpdateSecretVersionStage",
        ],
        Resource: agentKeySecretArns(secrets.location, secrets.settings),
        Condition: {
          StringEquals: { "secretsmanager:resource/AllowRotationLambdaArn": rotationFunctionArn },
        },
      },
      ...encryption(secrets),
    ],
  };
}

/**
 * What the provisioning function may do: read the secrets of its environment, and write only while no rotation is
 * configured, that is the first key of a secret. Later keys come from rotation alone.
 */
export function provisionAccess(secrets: AgentKeySecretsProps): FunctionAccess {
  const arns = agentKeySecretArns(secrets.location, secrets.settings);
  return {
    statements: [
      {
        Sid: "ReadAgentKeys",
        Effect: "Allow",
        Action: ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
        Resource: arns,
      },
      {
        Sid: "WriteFirstAgentKeys",
        Effect: "Allow",
        Action: "secretsmanager:PutSecretValue",
        Resource: arns,
        Condition: { Null: { "secretsmanager:resource/AllowRotationLambdaArn": "true" } },
      },
      ...encryption(secrets),
    ],
  };
}

function encryption({ settings, location, encryptionKeyArn }: AgentKeySecretsProps): PolicyStatement[] {
  if (!encryptionKeyArn) return [];
  return [
    {
      // Secrets Manager encrypts and decrypts with the permissions of its caller.
      Sid: "EncryptAgentKeys",
      Effect: "Allow",
      Action: ["kms:Decrypt", "kms:GenerateDataKey"],
      Resource: encryptionKeyArn,
      Condition: {
        StringEquals: { "kms:ViaService": `secretsmanager.${settings.region}.amazonaws.com` },
        StringLike: { "kms:EncryptionContext:SecretARN": agentKeySecretArns(location, settings) },
      },
    },
  ];
}

// A denial beats whatever else is allowed, be it added by hand later. Calls by AWS services carry no account.
function denyOtherAccounts(accountId: string): PolicyStatement {
  return {
    Sid: "DenyOtherAccounts",
    Effect: "Deny",
    Principal: "*",
    Action: "secretsmanager:*",
    Resource: "*",
    Condition: {
      StringNotEquals: { "aws:PrincipalAccount": accountId },
      Bool: { "aws:PrincipalIsAWSService": "false" },
    },
  };
}

function mappingTags(
  settings: AgentKeySecretProps["settings"],
  instance: AgentInstanceSettings,
): Record<string, string> {
  const agentType =
    instance.agentType && ("id" in instance.agentType ? instance.agentType.id : instance.agentType.name);
  const tags: Record<string, string | undefined> = {
    [SECRET_TAGS.environment]: settings.name,
    [SECRET_TAGS.id]: instance.id,
    [SECRET_TAGS.name]: displayName(settings.name, instance),
    [SECRET_TAGS.agentType]: agentType,
    [SECRET_TAGS.account]: instance.accountId,
    [SECRET_TAGS.contact]: instance.contactId,
    [SECRET_TAGS.subscription]: instance.subscription,
    [SECRET_TAGS.pricing]: instance.pricing,
    [SECRET_TAGS.controlPlaneUrl]: settings.controlPlane.url,
    [SECRET_TAGS.adoptedInstanceId]: instance.adopt?.agentInstanceId,
  };
  return Object.fromEntries(
    Object.entries(tags).filter((tag): tag is [string, string] => tag[1] !== undefined),
  );
}
