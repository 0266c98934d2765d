import { type Environment, type ResolvedSettings, resolveSettings } from "../environment/environment";
import {
  type AwsLocation,
  agentKeySecretArns,
  alertName,
  functionArn,
  functionName,
  functionNames,
  intentTableName,
  logGroupArn,
  partitionOf,
  roleArn,
} from "../names";
import { deployerKeyStatements } from "./deployer-key-access";
import { allow, type Condition, type PolicyStatement } from "./policy";
import { credentialsStatements } from "./state-access";

/** An environment in the account that it is deployed to. */
export interface Deployed {
  readonly settings: ResolvedSettings;
  readonly location: AwsLocation;
}

/**
 * What Terraform needs to make, read, change and remove the stack of one environment, with its state. If the environment names a
 * role to deploy with, these are that role's, without the state. The deployer reads no key, even if another policy would let it.
 * Whoever can put code into the functions can have them do what they may do: the policy bounds what a deployer does, not what
 * its code could.
 */
export function deployerStatements(environment: Environment, accountId: string): PolicyStatement[] {
  const settings = resolveSettings(environment);
  const { region } = settings;
  const deployed = { settings, location: { partition: partitionOf(region), region, accountId } };
  return [
    ...roleStatements(deployed),
    ...functionStatements(deployed),
    ...secretStatements(deployed),
    ...apiKeyStatements(deployed),
    intentTableStatement(deployed),
    logGroupStatement(deployed),
    ...alarmStatements(deployed),
    ruleStatement(deployed),
    ...topicStatements(deployed),
    ...dashboardStatements(deployed),
    ...deployerKeyStatements(deployed),
    listStatement(deployed),
    ...(environment.assumeRole ? [] : credentialsStatements(environment)),
  ];
}

function regional({ location }: Deployed, service: string, resource: string): string {
  const { partition, region, accountId } = location;
  return `arn:${partition}:${service}:${region}:${accountId}:${resource}`;
}

/** Matches what is called after a function or an alert of the environment. */
const namesOf = ({ settings }: Deployed) => alertName(settings, "*");

const functionArnOf = ({ settings, location }: Deployed, purpose: "rotation" | "provisioning") =>
  functionArn(location, functionName(settings, purpose));

function roleStatements({ settings, location }: Deployed): PolicyStatement[] {
  const { permissionsBoundaryArn, iamPath } = settings;
  const roles = functionNames(settings).map((each) => roleArn(location, iamPath, each));
  const bounded: Condition | undefined = permissionsBoundaryArn
    ? { StringEquals: { "iam:PermissionsBoundary": permissionsBoundaryArn } }
    : undefined;
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
      ["iam:CreateRole", "iam:PutRolePolicy", ...(bounded ? ["iam:PutRolePermissionsBoundary"] : [])],
      roles,
      bounded,
    ),
    allow("PassRoles", ["iam:PassRole"], roles, {
      StringEquals: { "iam:PassedToService": "lambda.amazonaws.com" },
    }),
  ];
}

function functionStatements(deployed: Deployed): PolicyStatement[] {
  const { settings, location } = deployed;
  return [
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
      functionNames(settings).map((each) => functionArn(location, each)),
    ),
    // Terraform calls the one; whoever configures a rotation needs the right to call the other.
    allow(
      "CallFunctions",
      ["lambda:InvokeFunction"],
      [functionArnOf(deployed, "provisioning"), functionArnOf(deployed, "rotation")],
    ),
  ];
}

function secretStatements(deployed: Deployed): PolicyStatement[] {
  const secrets = agentKeySecretArns(deployed.location, deployed.settings);
  return [
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
      ArnEquals: { "secretsmanager:RotationLambdaARN": functionArnOf(deployed, "rotation") },
    }),
  ];
}

function apiKeyStatements(deployed: Deployed): PolicyStatement[] {
  const { settings, location } = deployed;
  const apiKeySecret = regional(
    deployed,
    "secretsmanager",
    `secret:${settings.controlPlane.apiKeySecretName}-??????`,
  );
  return [
    allow(
      "FindOperatorApiKey",
      ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"],
      apiKeySecret,
    ),
    {
      Sid: "NeverReadKeys",
      Effect: "Deny",
      Action: "secretsmanager:GetSecretValue",
      Resource: [agentKeySecretArns(location, settings), apiKeySecret],
    },
  ];
}

function intentTableStatement(deployed: Deployed): PolicyStatement {
  return allow(
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
    regional(deployed, "dynamodb", `table/${intentTableName(deployed.settings)}`),
  );
}

function logGroupStatement(deployed: Deployed): PolicyStatement {
  return allow(
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
    logGroupArn(deployed.location, `/aws/lambda/${namesOf(deployed)}`),
  );
}

function alarmStatements(deployed: Deployed): PolicyStatement[] {
  return [
    allow(
      "Alarms",
      [
        "cloudwatch:DeleteAlarms",
        "cloudwatch:ListTagsForResource",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        "cloudwatch:UntagResource",
      ],
      regional(deployed, "cloudwatch", `alarm:${namesOf(deployed)}`),
    ),
    // Asked by name, and judged by what it could list.
    allow("ListAlarms", ["cloudwatch:DescribeAlarms"], regional(deployed, "cloudwatch", "alarm:*")),
  ];
}

function ruleStatement(deployed: Deployed): PolicyStatement {
  return allow(
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
    regional(deployed, "events", `rule/${namesOf(deployed)}`),
  );
}

/** The topic, if it is made here. */
function topicStatements(deployed: Deployed): PolicyStatement[] {
  const { settings } = deployed;
  if (settings.alerts.topicArn !== undefined) return [];
  return [
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
      regional(deployed, "sns", alertName(settings, "alerts")),
    ),
  ];
}

function dashboardStatements({ settings, location }: Deployed): PolicyStatement[] {
  if (!settings.alerts.dashboard) return [];
  return [
    allow(
      "Dashboard",
      ["cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"],
      `arn:${location.partition}:cloudwatch::${location.accountId}:dashboard/${alertName(settings, "dashboard")}`,
    ),
  ];
}

/** AWS knows no narrower form of these permissions. No value is in a list. */
function listStatement({ settings }: Deployed): PolicyStatement {
  return allow(
    "List",
    [
      "logs:DescribeLogGroups",
      ...(settings.removal === "protect" ? ["secretsmanager:ListSecrets"] : []),
      ...(settings.kms === "managed-per-environment" ? ["kms:ListAliases"] : []),
      ...(settings.vpc ? ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"] : []),
    ],
    "*",
  );
}
