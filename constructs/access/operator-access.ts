import type { ResolvedSettings } from "../environment/environment";
import { type AwsLocation, agentKeySecretArns, functionArn, functionName, intentTableName } from "../names";
import { BEFORE_ROTATION } from "./function-access";
import { forSecret, forTable, through } from "./kms-use";
import { allow, type PolicyStatement } from "./policy";

export interface OperatorAccessProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "region" | "controlPlane">;
  readonly location: AwsLocation;
  readonly intentTableArn: string;
  /** ARN of the secret of the operator's API key. */
  readonly apiKeySecretArn: string;
  /** The topic that the auditor pages to. */
  readonly alertTopicArn: string;
  /** The key of the agent keys' secrets and of the intent table. @default - no permission for a key is needed */
  readonly encryptionKeyArn?: string;
  /** The key of the functions' environment. @default - no permission for a key is needed */
  readonly functionKeyArn?: string;
}

/**
 * What the command line needs for one environment (`valmi-agent-keys`, all its commands but `exec`, which `grantRead` is
 * for). It reads the agent keys: who operates them can use them.
 */
export function operatorStatements(props: OperatorAccessProps): PolicyStatement[] {
  const { settings, location, intentTableArn, alertTopicArn } = props;
  const { partition, region, accountId } = location;
  const functionOf = (purpose: "rotation" | "audit") =>
    functionArn(location, functionName(settings, purpose));
  return [
    // AWS knows no narrower form of these. No value is in a list.
    allow("List", ["cloudtrail:DescribeTrails", "secretsmanager:ListSecrets"], "*"),
    allow(
      "LookAtTrails",
      "cloudtrail:GetTrailStatus",
      `arn:${partition}:cloudtrail:${region}:${accountId}:trail/*`,
    ),
    ...secretStatements(props),
    allow("HistoryAndOrders", ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"], intentTableArn),
    // Whoever asks for a rotation needs the right to invoke the function too; and it tests itself when asked.
    allow(
      "AskRotationFunction",
      ["lambda:GetFunctionConfiguration", "lambda:GetPolicy", "lambda:InvokeFunction"],
      functionOf("rotation"),
    ),
    allow("LookAtAuditor", "lambda:GetFunctionConfiguration", functionOf("audit")),
    allow("LookAtAlerts", "sns:ListSubscriptionsByTopic", alertTopicArn),
    ...agentKeysKeyStatements(props),
    ...functionKeyStatements(props),
    ...apiKeyKeyStatements(props),
  ];
}

function secretStatements({ settings, location, apiKeySecretArn }: OperatorAccessProps): PolicyStatement[] {
  const secretArns = agentKeySecretArns(location, settings);
  return [
    allow(
      "OperateAgentKeys",
      [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
        "secretsmanager:RotateSecret",
        "secretsmanager:UpdateSecretVersionStage",
      ],
      secretArns,
    ),
    // `adopt`: the present key of an instance, before anything rotates it. Later keys come from rotation alone.
    allow("StoreAdoptedKeys", "secretsmanager:PutSecretValue", secretArns, BEFORE_ROTATION),
    allow(
      "KeepOperatorApiKey",
      [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
      ],
      apiKeySecretArn,
    ),
  ];
}

function agentKeysKeyStatements({
  settings,
  location,
  encryptionKeyArn,
}: OperatorAccessProps): PolicyStatement[] {
  if (!encryptionKeyArn) return [];
  const { region } = location;
  return [
    allow("UseAgentKeysKey", ["kms:Decrypt", "kms:GenerateDataKey"], encryptionKeyArn, {
      StringEquals: through("secretsmanager", region),
      StringLike: forSecret(agentKeySecretArns(location, settings)),
    }),
    allow("UseIntentTableKey", "kms:Decrypt", encryptionKeyArn, {
      StringEquals: { ...through("dynamodb", region), ...forTable(intentTableName(settings)) },
    }),
  ];
}

/** The settings of an environment are read from its functions' own. */
function functionKeyStatements({ location, functionKeyArn }: OperatorAccessProps): PolicyStatement[] {
  if (!functionKeyArn) return [];
  return [
    allow("ReadFunctionEnvironment", "kms:Decrypt", functionKeyArn, {
      StringEquals: through("lambda", location.region),
    }),
  ];
}

function apiKeyKeyStatements({
  settings,
  location,
  apiKeySecretArn,
}: OperatorAccessProps): PolicyStatement[] {
  const { apiKeyKmsKeyArn } = settings.controlPlane;
  if (!apiKeyKmsKeyArn) return [];
  return [
    allow("UseOperatorApiKeysKey", ["kms:Decrypt", "kms:GenerateDataKey"], apiKeyKmsKeyArn, {
      StringEquals: { ...through("secretsmanager", location.region), ...forSecret(apiKeySecretArn) },
    }),
  ];
}
