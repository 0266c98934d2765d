import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import { Lazy } from "cdktf";
import { Construct } from "constructs";
import { SECRET_TAGS } from "../core/contract";
import { type FunctionAccess, type PolicyStatement, policyDocument } from "./access/policy";
import {
  checkOutsideReader,
  type OutsideReader,
  outsideReaderCondition,
  outsideReaderPrincipal,
} from "./access/readers";
import { type AgentInstanceSettings, displayName } from "./environment/agent-instance";
import type { ResolvedSettings } from "./environment/environment";
import type { EnvironmentKey } from "./environment-key";
import {
  type AwsLocation,
  agentKeySecretArn,
  agentKeySecretArns,
  agentKeySecretName,
  functionNames,
  roleArn,
} from "./names";

export interface AgentKeySecretProps {
  readonly settings: Pick<
    ResolvedSettings,
    | "namePrefix"
    | "name"
    | "region"
    | "controlPlane"
    | "removal"
    | "recoveryWindowDays"
    | "tags"
    | "iamPath"
    | "readThroughVpcEndpoints"
  >;
  readonly instance: AgentInstanceSettings;
  readonly location: AwsLocation;
  /** @default - the key `aws/secretsmanager`, which other accounts can't be let use */
  readonly encryptionKeyArn?: string;
  /**
   * The construct of that key, where it is made here.
   * @default - its policy is somebody else's to keep
   */
  readonly environmentKey?: EnvironmentKey;
}

export interface ReadOptions {
  /**
   * Whether the reader has to name a staging label, AWSCURRENT or AWSPREVIOUS, in every read: so it reads no pending
   * value by its version id either. Its denial also meets calls that name nothing, as many tools make them, and reads by
   * version id.
   * @default false
   */
  readonly strict?: boolean;
}

/**
 * The Secrets Manager secret of one agent key. Terraform owns the secret, its tags and its policy, and never a value:
 * values are written by the functions alone. Its tags say what the key belongs to. Other accounts are denied, but for the
 * readers that are named, whatever else would allow them: so the key can't be made public by another statement either.
 */
export class AgentKeySecret extends Construct {
  readonly arn: string;
  readonly secretName: string;
  readonly location: AwsLocation;
  private readonly props: AgentKeySecretProps;
  private readonly outsideReaders: { readonly reader: OutsideReader; readonly options: ReadOptions }[] = [];

  constructor(scope: Construct, id: string, props: AgentKeySecretProps) {
    super(scope, id);
    this.props = props;
    const { settings, instance, encryptionKeyArn } = props;
    this.location = props.location;
    this.secretName = agentKeySecretName(settings, instance.id);
    const secret = new SecretsmanagerSecret(this, "secret", {
      name: this.secretName,
      description: `Agent key of the agent instance ${instance.id} (${settings.name})`,
      recoveryWindowInDays: settings.recoveryWindowDays,
      policy: Lazy.stringValue({ produce: () => policyDocument(this.resourcePolicy()) }),
      tags: { ...settings.tags, ...mappingTags(settings, instance) },
      lifecycle: { preventDestroy: settings.removal === "protect" },
      ...(encryptionKeyArn ? { kmsKeyId: encryptionKeyArn } : {}),
    });
    this.arn = secret.arn;
  }

  /**
   * Lets a role of this account read the key: its current and its previous value, never one that is pending. A read by
   * version id alone names no staging label, so that the denial doesn't reach it, except in the strict form.
   *
   * @param id construct id, unique among the readers of this secret
   * @param roleName name of the reader's IAM role, such as `role.name`
   */
  grantRead(id: string, roleName: string, options: ReadOptions = {}): IamRolePolicy {
    return new IamRolePolicy(this, id, {
      name: `read-${this.props.settings.name}-${this.props.instance.id}-agent-key`,
      role: roleName,
      policy: policyDocument(this.readStatements(options)),
    });
  }

  /**
   * Lets a role of another account, or whomever that account lets, read the key: as `grantRead`, from the secret's side
   * and from that of the key made here. Besides, the other account gives the role `readStatements()`, and a key of your
   * own (`kms: { keyArn }`) has to let it `kms:Decrypt` by its policy.
   *
   * Throws where the secret is encrypted with a key that AWS manages (`kms: "aws"`): it can't be used from elsewhere.
   */
  grantReadFromOtherAccount(reader: OutsideReader, options: ReadOptions = {}): void {
    checkOutsideReader(reader);
    const { settings, instance, location, encryptionKeyArn, environmentKey } = this.props;
    if (!encryptionKeyArn) {
      throw new Error(
        `${this.node.path}: \`kms\` must be "managed-per-environment" or { keyArn } where another account reads a key, ` +
          'since the keys that AWS manages can\'t be used from there; got: "aws". To fix: change `kms`.',
      );
    }
    this.outsideReaders.push({ reader, options });
    environmentKey?.admitReader(reader, agentKeySecretArn(location, settings, instance.id));
  }

  /** The statements of `grantRead`, for a policy that is put together elsewhere. */
  readStatements(options: ReadOptions = {}): PolicyStatement[] {
    const { settings, encryptionKeyArn } = this.props;
    const encryption = encryptionKeyArn ? { encryptionKeyArn } : {};
    return readAccess({ secretArn: this.arn, region: settings.region, ...encryption }, options);
  }

  private resourcePolicy(): PolicyStatement[] {
    const { settings, location } = this.props;
    const statements = [
      ...denyOtherAccounts(
        location.accountId,
        this.outsideReaders.map(({ reader }) => reader),
      ),
      ...this.outsideReaders.flatMap(({ reader, options }, n) =>
        allowOutsideReader(reader, options, location, n),
      ),
    ];
    const endpoints = settings.readThroughVpcEndpoints;
    return endpoints.length === 0
      ? statements
      : [...statements, denyOutsideVpcEndpoints(endpoints, functionRoles(location, settings))];
  }
}

/** What a reader of agent keys reads. */
export interface ReadableSecrets {
  /** ARN of one secret, or a pattern that matches the ARNs of several. */
  readonly secretArn: string;
  readonly region: string;
  /** @default - no permission for a key is needed */
  readonly encryptionKeyArn?: string;
}

/** Reading the current and the previous value, never one that is pending. */
export function readAccess(
  { secretArn, region, encryptionKeyArn }: ReadableSecrets,
  options: ReadOptions = {},
): PolicyStatement[] {
  const viaService = { "kms:ViaService": `secretsmanager.${region}.amazonaws.com` };
  const context = { "kms:EncryptionContext:SecretARN": secretArn };
  return [
    { Sid: "ReadAgentKey", Effect: "Allow", Action: READ, Resource: secretArn },
    denyPending(secretArn, options),
    ...(encryptionKeyArn
      ? [
          {
            Sid: "DecryptAgentKey",
            Effect: "Allow" as const,
            Action: "kms:Decrypt",
            Resource: encryptionKeyArn,
            Condition: /[*?]/.test(secretArn)
              ? { StringEquals: viaService, StringLike: context }
              : { StringEquals: { ...viaService, ...context } },
          },
        ]
      : []),
  ];
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

const READ = "secretsmanager:GetSecretValue";

// A call that names no staging label carries no such key: "not equal" then holds, "equal for any value" doesn't.
function denyPending(resource: string, { strict = false }: ReadOptions): PolicyStatement {
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

// A denial beats whatever else is allowed, be it added by hand later. Calls by AWS services carry no account.
function denyOtherAccounts(accountId: string, readers: readonly OutsideReader[]): PolicyStatement[] {
  const denial = { Effect: "Deny", Principal: "*", Resource: "*" } as const;
  const byPeople = { Bool: { "aws:PrincipalIsAWSService": "false" } };
  const others = { StringNotEquals: { "aws:PrincipalAccount": accountId }, ...byPeople };
  if (readers.length === 0) {
    return [{ Sid: "DenyOtherAccounts", ...denial, Action: "secretsmanager:*", Condition: others }];
  }
  const roles = readers.flatMap((reader) => ("roleArn" in reader ? [reader.roleArn] : []));
  const accounts = readers.flatMap((reader) => ("accountId" in reader ? [reader.accountId] : []));
  return [
    { Sid: "DenyOtherAccounts", ...denial, NotAction: READ, Condition: others },
    {
      Sid: "DenyOtherReaders",
      ...denial,
      Action: READ,
      Condition: {
        StringNotEquals: { "aws:PrincipalAccount": [accountId, ...accounts] },
        ...(roles.length > 0 ? { ArnNotEquals: { "aws:PrincipalArn": roles } } : {}),
        ...byPeople,
      },
    },
  ];
}

function allowOutsideReader(
  reader: OutsideReader,
  options: ReadOptions,
  { partition }: AwsLocation,
  position: number,
): PolicyStatement[] {
  const principal = outsideReaderPrincipal(reader, partition);
  const condition = outsideReaderCondition(reader);
  const denial = denyPending("*", options);
  return [
    {
      Sid: `ReadByReader${position}`,
      Effect: "Allow",
      Principal: principal,
      Action: READ,
      Resource: "*",
      ...(Object.keys(condition).length > 0 ? { Condition: condition } : {}),
    },
    {
      ...denial,
      Sid: `${denial.Sid}${position}`,
      // Of a denial, the account as principal means everybody in it: nobody there reads what is pending.
      Principal: principal,
      Condition: { ...denial.Condition, ...(options.strict ? condition : {}) },
    },
  ];
}

// Reads alone: whatever else is done to the secret, Terraform and Secrets Manager itself do from elsewhere.
function denyOutsideVpcEndpoints(endpoints: readonly string[], exempt: readonly string[]): PolicyStatement {
  return {
    Sid: "DenyReadOutsideVpcEndpoints",
    Effect: "Deny",
    Principal: "*",
    Action: READ,
    Resource: "*",
    Condition: {
      StringNotEquals: { "aws:SourceVpce": endpoints },
      ArnNotEquals: { "aws:PrincipalArn": exempt },
      Bool: { "aws:PrincipalIsAWSService": "false" },
    },
  };
}

function functionRoles(location: AwsLocation, settings: AgentKeySecretProps["settings"]): string[] {
  return functionNames(settings).map((name) => roleArn(location, settings.iamPath, name));
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
