import { SECRET_TAGS } from "../../core/contract";
import { resolveBackend } from "../environment/deployment";
import { type Environment, resolveSettings } from "../environment/environment";
import {
  type AwsLocation,
  agentKeySecretArns,
  alertName,
  functionArn,
  functionName,
  functionNames,
  intentTableName,
  keyAlias,
  logGroupArn,
  roleArn,
} from "../names";
import type { PolicyStatement } from "./policy";

/**
 * What Terraform needs to make, read, change and remove the stack of one environment, with its state; where the
 * environment names a role to deploy with, what that role needs, without the state. It reads no key, even where another policy would let it. Who can put code into the functions can have
 * them do what they may do: the policy bounds what a deployer does, not what its code could.
 */
export function deployerStatements(environment: Environment, accountId: string): PolicyStatement[] {
  const settings = resolveSettings(environment);
  const { namePrefix, name, region, alerts } = settings;
  const location: AwsLocation = { partition: partitionOf(region), region, accountId };
  const regional = (service: string, resource: string) =>
    `arn:${location.partition}:${service}:${region}:${accountId}:${resource}`;
  const names = `${namePrefix}-${name}-agent-key-*`;
  const secrets = agentKeySecretArns(location, settings);
  const apiKeySecret = regional("secretsmanager", `secret:${settings.controlPlane.apiKeySecretName}-??????`);
  const functions = functionNames(settings).map((each) => functionArn(location, each));
  const roles = functionNames(settings).map((each) => roleArn(location, settings.iamPath, each));
  const rotation = functionArn(location, functionName(settings, "rotation"));
  const { permissionsBoundaryArn } = settings;
  const bounded = permissionsBoundaryArn
    ? { Condition: { StringEquals: { "iam:PermissionsBoundary": permissionsBoundaryArn } } }
    : {};
  const allow = (
    Sid: string,
    Action: readonly string[],
    Resource: PolicyStatement["Resource"],
    rest: Pick<PolicyStatement, "Condition"> = {},
  ): PolicyStatement => ({ Sid, Effect: "Allow", Action, Resource, ...rest });

  return [
    allow(
      "Roles",
      [
        "iam:DeleteRole",
        "iam:DeleteRolePolicy",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
      ],
      roles,
    ),
    // A boundary, once set, is taken off by an administrator alone.
    allow(
      "RolePermissions",
      [
        "iam:CreateRole",
        "iam:PutRolePolicy",
        ...(permissionsBoundaryArn ? ["iam:PutRolePermissionsBoundary"] : []),
      ],
      roles,
      bounded,
    ),
    allow("PassRoles", ["iam:PassRole"], roles, {
      Condition: { StringEquals: { "iam:PassedToService": "lambda.amazonaws.com" } },
    }),
    allow(
      "Functions",
      [
        "lambda:AddPermission",
        "lambda:CreateFunction",
        "lambda:DeleteFunction",
        "lambda:GetFunction",
        "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetFunctionConfiguration",
        "lambda:GetPolicy",
        "lambda:ListVersionsByFunction",
        "lambda:RemovePermission",
        "lambda:TagResource",
        "lambda:UntagResource",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
      ],
      functions,
    ),
    // Terraform calls the one; who configures a rotation needs the right to call the other.
    allow(
      "CallFunctions",
      ["lambda:InvokeFunction"],
      [functionArn(location, functionName(settings, "provisioning")), rotation],
    ),
    // Before a secret is there, its ARN has no random end.
    allow(
      "MakeSecrets",
      ["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
      secrets.replace(/-\?{6}$/, "*"),
    ),
    allow(
      "Secrets",
      [
        "secretsmanager:CancelRotateSecret",
        "secretsmanager:DeleteResourcePolicy",
        "secretsmanager:DeleteSecret",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetResourcePolicy",
        "secretsmanager:PutResourcePolicy",
        "secretsmanager:UntagResource",
        "secretsmanager:UpdateSecret",
      ],
      secrets,
    ),
    allow("Rotations", ["secretsmanager:RotateSecret"], secrets, {
      Condition: { ArnEquals: { "secretsmanager:RotationLambdaARN": rotation } },
    }),
    allow(
      "FindOperatorApiKey",
      ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"],
      apiKeySecret,
    ),
    {
      Sid: "NeverReadKeys",
      Effect: "Deny",
      Action: "secretsmanager:GetSecretValue",
      Resource: [secrets, apiKeySecret],
    },
    allow(
      "IntentTable",
      [
        "dynamodb:CreateTable",
        "dynamodb:DeleteTable",
        "dynamodb:DescribeContinuousBackups",
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:ListTagsOfResource",
        "dynamodb:TagResource",
        "dynamodb:UntagResource",
        "dynamodb:UpdateContinuousBackups",
        "dynamodb:UpdateTable",
        "dynamodb:UpdateTimeToLive",
      ],
      regional("dynamodb", `table/${intentTableName(settings)}`),
    ),
    allow(
      "LogGroups",
      [
        "logs:AssociateKmsKey",
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:DisassociateKmsKey",
        "logs:ListTagsForResource",
        "logs:PutRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
      ],
      logGroupArn(location, `/aws/lambda/${names}`),
    ),
    allow(
      "Alarms",
      [
        "cloudwatch:DeleteAlarms",
        "cloudwatch:ListTagsForResource",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        "cloudwatch:UntagResource",
      ],
      regional("cloudwatch", `alarm:${names}`),
    ),
    // Asked by name, and judged by what it could list.
    allow("ListAlarms", ["cloudwatch:DescribeAlarms"], regional("cloudwatch", "alarm:*")),
    allow(
      "Rules",
      [
        "events:DeleteRule",
        "events:DescribeRule",
        "events:ListTagsForResource",
        "events:ListTargetsByRule",
        "events:PutRule",
        "events:PutTargets",
        "events:RemoveTargets",
        "events:TagResource",
        "events:UntagResource",
      ],
      regional("events", `rule/${names}`),
    ),
    ...(alerts.topicArn === undefined
      ? [
          allow(
            "Topic",
            [
              "sns:CreateTopic",
              "sns:DeleteTopic",
              "sns:GetTopicAttributes",
              "sns:ListTagsForResource",
              "sns:SetTopicAttributes",
              "sns:TagResource",
              "sns:UntagResource",
            ],
            regional("sns", alertName(settings, "alerts")),
          ),
        ]
      : []),
    ...(alerts.dashboard
      ? [
          allow(
            "Dashboard",
            ["cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"],
            `arn:${location.partition}:cloudwatch::${accountId}:dashboard/${alertName(settings, "dashboard")}`,
          ),
        ]
      : []),
    ...keyStatements(settings, location, secrets),
    // Of these AWS knows no permission for some things only. No value is in a list.
    allow(
      "List",
      [
        "logs:DescribeLogGroups",
        ...(settings.removal === "protect" ? ["secretsmanager:ListSecrets"] : []),
        ...(settings.kms === "managed-per-environment" ? ["kms:ListAliases"] : []),
        ...(settings.vpc ? ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"] : []),
      ],
      "*",
    ),
    ...(environment.assumeRole ? [] : credentialsStatements(environment)),
  ];
}

/** What the credentials at hand need where the environment names a role to deploy with: that role, and the state. */
export function credentialsStatements(environment: Environment): PolicyStatement[] {
  const { assumeRole, backend } = environment;
  const roles = [assumeRole?.roleArn, backend?.roleArn].filter((arn) => arn !== undefined);
  const assume = { Sid: "AssumeRoles", Effect: "Allow", Action: "sts:AssumeRole", Resource: roles } as const;
  return [
    ...(roles.length > 0 ? [assume] : []),
    ...(backend?.roleArn === undefined ? stateStatements(environment) : []),
  ];
}

/** Terraform's state in S3, with the lock file beside it; none where it is a file. */
function stateStatements({ name, region, backend }: Environment): PolicyStatement[] {
  if (backend === undefined) return [];
  const place = resolveBackend(backend, { name, region });
  const bucket = `arn:${partitionOf(place.region)}:s3:::${place.bucket}`;
  const state = `${bucket}/${place.key}`;
  return [
    { Sid: "FindState", Effect: "Allow", Action: "s3:ListBucket", Resource: bucket },
    {
      Sid: "State",
      Effect: "Allow",
      Action: ["s3:GetObject", "s3:PutObject"],
      Resource: [state, `${state}.tflock`],
    },
    { Sid: "UnlockState", Effect: "Allow", Action: "s3:DeleteObject", Resource: `${state}.tflock` },
  ];
}

function keyStatements(
  settings: ReturnType<typeof resolveSettings>,
  { partition, region, accountId }: AwsLocation,
  secrets: string,
): PolicyStatement[] {
  const { kms, name } = settings;
  if (kms === "aws") return [];
  const isManaged = kms === "managed-per-environment";
  const keys = isManaged ? `arn:${partition}:kms:${region}:${accountId}:key/*` : kms.keyArn;
  const own = { [`aws:ResourceTag/${SECRET_TAGS.environment}`]: name };
  const named = { [`aws:RequestTag/${SECRET_TAGS.environment}`]: name };
  const via = (service: string) => ({
    "kms:ViaService": `${service}.${region}.amazonaws.com`,
    ...(isManaged ? own : {}),
  });
  const alias = `arn:${partition}:kms:${region}:${accountId}:${keyAlias(settings)}`;
  return [
    ...(isManaged
      ? [
          // A key's ARN says nothing of what it is for: its tag does, which it gets as it is made. Another environment's stays its own.
          {
            Sid: "MakeKey",
            Effect: "Allow" as const,
            Action: ["kms:CreateKey", "kms:TagResource"],
            Resource: "*",
            Condition: { StringEquals: named, StringEqualsIfExists: own },
          },
          {
            Sid: "KeepKey",
            Effect: "Allow" as const,
            Action: [
              "kms:CreateAlias",
              "kms:DeleteAlias",
              "kms:DescribeKey",
              "kms:EnableKeyRotation",
              "kms:GetKeyPolicy",
              "kms:GetKeyRotationStatus",
              "kms:ListResourceTags",
              "kms:PutKeyPolicy",
              "kms:ScheduleKeyDeletion",
              "kms:TagResource",
              "kms:UntagResource",
              "kms:UpdateKeyDescription",
            ],
            Resource: keys,
            Condition: { StringEquals: own },
          },
          {
            Sid: "KeyAlias",
            Effect: "Allow" as const,
            Action: ["kms:CreateAlias", "kms:DeleteAlias"],
            Resource: alias,
          },
        ]
      : [{ Sid: "LookAtKey", Effect: "Allow" as const, Action: "kms:DescribeKey", Resource: keys }]),
    {
      Sid: "KeyOfSecrets",
      Effect: "Allow",
      Action: ["kms:Decrypt", "kms:GenerateDataKey"],
      Resource: keys,
      Condition: {
        StringEquals: via("secretsmanager"),
        StringLike: { "kms:EncryptionContext:SecretARN": secrets },
      },
    },
    {
      Sid: "KeyOfIntentTable",
      Effect: "Allow",
      Action: ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
      Resource: keys,
      Condition: {
        StringEquals: {
          ...via("dynamodb"),
          "kms:EncryptionContext:aws:dynamodb:tableName": intentTableName(settings),
        },
      },
    },
    {
      Sid: "KeyGrantOfIntentTable",
      Effect: "Allow",
      Action: "kms:CreateGrant",
      Resource: keys,
      Condition: { StringEquals: via("dynamodb"), Bool: { "kms:GrantIsForAWSResource": "true" } },
    },
    ...(isManaged || kms.encryptsFunctions
      ? [
          {
            Sid: "KeyOfFunctions",
            Effect: "Allow" as const,
            Action: ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt"],
            Resource: keys,
            Condition: { StringEquals: via("lambda") },
          },
        ]
      : []),
  ];
}

function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}
