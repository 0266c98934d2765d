import type { ResolvedSettings } from "../environment/environment";
import { type AwsLocation, agentKeySecretArns, functionArn, functionName, intentTableName } from "../names";
import type { PolicyStatement } from "./policy";

export interface OperatorAccessProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "region" | "controlPlane">;
  readonly location: AwsLocation;
  readonly intentTableArn: string;
  /** Of the secret of the operator's API key. */
  readonly apiKeySecretArn: string;
  /** The topic that the auditor pages to. */
  readonly alertTopicArn: string;
  /** Of the agent keys' secrets and of the intent table. @default - no permission for a key is needed */
  readonly encryptionKeyArn?: string;
  /** Of the functions' environment. @default - no permission for a key is needed */
  readonly functionKeyArn?: string;
}

/**
 * What the command line needs for one environment (`valmi-agent-keys`, all its commands but `exec`, which `grantRead` is
 * for). It reads the agent keys: who operates them can use them.
 */
export function operatorStatements(props: OperatorAccessProps): PolicyStatement[] {
  const { settings, location, intentTableArn, apiKeySecretArn, alertTopicArn } = props;
  const { partition, region, accountId } = location;
  const secretArns = agentKeySecretArns(location, settings);
  const rotationFunction = functionArn(location, functionName(settings, "rotation"));
  const auditor = functionArn(location, functionName(settings, "audit"));
  return [
    // AWS knows no narrower form of either. No value is in a list.
    {
      Sid: "List",
      Effect: "Allow",
      Action: ["cloudtrail:DescribeTrails", "secretsmanager:ListSecrets"],
      Resource: "*",
    },
    {
      Sid: "LookAtTrails",
      Effect: "Allow",
      Action: "cloudtrail:GetTrailStatus",
      Resource: `arn:${partition}:cloudtrail:${region}:${accountId}:trail/*`,
    },
    {
      Sid: "OperateAgentKeys",
      Effect: "Allow",
      Action: [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
        "secretsmanager:RotateSecret",
        "secretsmanager:UpdateSecretVersionStage",
      ],
      Resource: secretArns,
    },
    {
      // `adopt`: the present key of an instance, before anything rotates it. Later keys come from rotation alone.
      Sid: "StoreAdoptedKeys",
      Effect: "Allow",
      Action: "secretsmanager:PutSecretValue",
      Resource: secretArns,
      Condition: { Null: { "secretsmanager:resource/AllowRotationLambdaArn": "true" } },
    },
    {
      Sid: "KeepOperatorApiKey",
      Effect: "Allow",
      Action: [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
      ],
      Resource: apiKeySecretArn,
    },
    {
      Sid: "HistoryAndOrders",
      Effect: "Allow",
      Action: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
      Resource: intentTableArn,
    },
    {
      // Whoever asks for a rotation needs the right to invoke the function too; and it tests itself when asked.
      Sid: "AskRotationFunction",
      Effect: "Allow",
      Action: ["lambda:GetFunctionConfiguration", "lambda:GetPolicy", "lambda:InvokeFunction"],
      Resource: rotationFunction,
    },
    {
      Sid: "LookAtAuditor",
      Effect: "Allow",
      Action: "lambda:GetFunctionConfiguration",
      Resource: auditor,
    },
    {
      Sid: "LookAtAlerts",
      Effect: "Allow",
      Action: "sns:ListSubscriptionsByTopic",
      Resource: alertTopicArn,
    },
    ...keyStatements(props, secretArns),
  ];
}

function keyStatements(props: OperatorAccessProps, secretArns: string): PolicyStatement[] {
  const { settings, location, apiKeySecretArn, encryptionKeyArn, functionKeyArn } = props;
  const { apiKeyKmsKeyArn } = settings.controlPlane;
  const via = (service: string) => ({ "kms:ViaService": `${service}.${location.region}.amazonaws.com` });
  const forApiKey = { "kms:EncryptionContext:SecretARN": apiKeySecretArn };
  const forTable = { "kms:EncryptionContext:aws:dynamodb:tableName": intentTableName(settings) };
  return [
    ...(encryptionKeyArn
      ? [
          {
            Sid: "UseAgentKeysKey",
            Effect: "Allow" as const,
            Action: ["kms:Decrypt", "kms:GenerateDataKey"],
            Resource: encryptionKeyArn,
            Condition: {
              StringEquals: via("secretsmanager"),
              StringLike: { "kms:EncryptionContext:SecretARN": secretArns },
            },
          },
          {
            Sid: "UseIntentTableKey",
            Effect: "Allow" as const,
            Action: "kms:Decrypt",
            Resource: encryptionKeyArn,
            Condition: { StringEquals: { ...via("dynamodb"), ...forTable } },
          },
        ]
      : []),
    ...(functionKeyArn
      ? [
          {
            // The settings of an environment are read from its functions' own.
            Sid: "ReadFunctionEnvironment",
            Effect: "Allow" as const,
            Action: "kms:Decrypt",
            Resource: functionKeyArn,
            Condition: { StringEquals: via("lambda") },
          },
        ]
      : []),
    ...(apiKeyKmsKeyArn
      ? [
          {
            Sid: "UseOperatorApiKeysKey",
            Effect: "Allow" as const,
            Action: ["kms:Decrypt", "kms:GenerateDataKey"],
            Resource: apiKeyKmsKeyArn,
            Condition: { StringEquals: { ...via("secretsmanager"), ...forApiKey } },
          },
        ]
      : []),
  ];
}
