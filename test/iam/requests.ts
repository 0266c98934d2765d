import type { Request } from "./evaluate";
import { LEADING_KEYS, type RecordedCall, ROTATION_FUNCTION, SOME_SECRET } from "./record";
import { ACCOUNT, keyLeftToIam, type Policy, type Role, type StackAccess } from "./synthesised-access";

/** A request that has to be allowed, and why. */
export interface NeededRequest extends Request {
  /** `recorded`: code made it. Else the reason why AWS makes it in the role's name. */
  readonly because: string;
}

/** What a recorded call comes to in a stack: one request for each thing there that it may be about. */
export function requestsOf(stack: StackAccess, principal: string, call: RecordedCall): Request[] {
  const { action, context, resource } = call;
  const request = (arn: string, more: Readonly<Record<string, string>> = {}): Request => ({
    principal,
    action,
    resource: arn,
    account: ACCOUNT,
    context: { ...context, ...more },
  });
  switch (resource.kind) {
    case "agent-key": {
      const rotation =
        resource.rotationFunction === "configured" ? { [ROTATION_FUNCTION]: rotationFunctionOf(stack) } : {};
      return stack.secrets.map(({ arn }) => request(arn, rotation));
    }
    case "operator-key":
      return [request(stack.operatorKey.arn)];
    case "intent-table":
      return [
        request(
          stack.intentTable.arn,
          context[LEADING_KEYS] === SOME_SECRET ? { [LEADING_KEYS]: String(stack.secrets[0]?.arn) } : {},
        ),
      ];
    case "trail":
      return [request(`arn:aws:cloudtrail:${stack.region}:${ACCOUNT}:trail/everything`)];
    case "topic":
      return stack.topics.map(({ arn }) => request(arn));
    case "function":
      return stack.functions
        .filter(({ name }) => name.endsWith(`-${resource.purpose}`))
        .map(({ arn }) => request(arn));
    case "any":
      return [request("*")];
  }
}

export function rotationFunctionOf({ functions }: StackAccess): string {
  return String(functions.find(({ name }) => name.endsWith("-rotation"))?.arn);
}

/**
 * What a service asks of KMS in the name of its caller, where the thing asked for is encrypted with a customer's key.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
 */
const KMS_CALLS: Readonly<Record<string, readonly string[]>> = {
  "secretsmanager:GetSecretValue": ["kms:Decrypt"],
  // Repeated with the same content, it is compared with what is stored.
  "secretsmanager:PutSecretValue": ["kms:GenerateDataKey", "kms:Decrypt"],
  "dynamodb:GetItem": ["kms:Decrypt"],
  "dynamodb:PutItem": ["kms:Decrypt"],
  "dynamodb:UpdateItem": ["kms:Decrypt"],
  "dynamodb:Query": ["kms:Decrypt"],
  "dynamodb:Scan": ["kms:Decrypt"],
  "sns:Publish": ["kms:GenerateDataKey", "kms:Decrypt"],
};

export function kmsRequestsOf(stack: StackAccess, { principal, action, resource }: Request): NeededRequest[] {
  const encrypted = [
    ...stack.secrets.map(({ arn, keyArn }) => ({
      arn,
      keyArn,
      via: "secretsmanager",
      context: { "kms:EncryptionContext:SecretARN": arn },
    })),
    {
      ...stack.operatorKey,
      via: "secretsmanager",
      context: { "kms:EncryptionContext:SecretARN": stack.operatorKey.arn },
    },
    {
      ...stack.intentTable,
      via: "dynamodb",
      context: { "kms:EncryptionContext:aws:dynamodb:tableName": stack.intentTable.name },
    },
    ...stack.topics.map(({ arn, keyArn }) => ({
      arn,
      keyArn,
      via: "sns",
      context: { "kms:EncryptionContext:aws:sns:topicArn": arn },
    })),
  ].filter(({ arn }) => arn === resource);
  // Of a function's settings, the environment is encrypted with the key of its log.
  const environment =
    action === "lambda:GetFunctionConfiguration" && stack.logGroups[0]?.keyArn
      ? [
          {
            principal,
            action: "kms:Decrypt",
            resource: stack.logGroups[0].keyArn,
            account: ACCOUNT,
            context: { "kms:ViaService": `lambda.${stack.region}.amazonaws.com` },
            because: "lambda asks KMS in its caller's name",
          },
        ]
      : [];
  const asked = encrypted.flatMap(({ keyArn, via, context }) =>
    keyArn === undefined
      ? []
      : (KMS_CALLS[action] ?? []).map((kmsAction) => ({
          principal,
          action: kmsAction,
          resource: keyArn,
          account: ACCOUNT,
          context: { "kms:ViaService": `${via}.${stack.region}.amazonaws.com`, ...context },
          because: `${via} asks KMS in its caller's name`,
        })),
  );
  return [...environment, ...asked];
}

/**
 * What a service asks of another in the name of its caller.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
 */
export function furtherRequestsOf(stack: StackAccess, request: Request): NeededRequest[] {
  if (request.action !== "secretsmanager:RotateSecret") return [];
  const { principal, account } = request;
  return [
    {
      principal,
      action: "lambda:InvokeFunction",
      resource: rotationFunctionOf(stack),
      account,
      context: {},
      because: "Secrets Manager asks for the right to invoke the rotation function",
    },
  ];
}

/** A stream of a log group. */
export const streamOf = (logGroupArn: string) => `${logGroupArn}:log-stream:2026/01/01/[$LATEST]0`;

/** What Lambda does in the name of a function's role, without any code of ours. */
export function lambdaRequestsOf(stack: StackAccess, role: Role): NeededRequest[] {
  const own = stack.functions.find(({ name }) => name === role.functionName);
  if (!own) return [];
  const request = (action: string, resource: string, because: string): NeededRequest => ({
    principal: role.arn,
    action,
    resource,
    account: ACCOUNT,
    context: {},
    because,
  });
  const stream = streamOf(`arn:aws:logs:${stack.region}:${ACCOUNT}:log-group:/aws/lambda/${own.name}`);
  const logs = ["logs:CreateLogStream", "logs:PutLogEvents"].map((action) =>
    request(action, stream, "Lambda writes the function's log"),
  );
  if (!own.inVpc) return logs;
  const arn = (what: string) => `arn:aws:ec2:${stack.region}:${ACCOUNT}:${what}`;
  const network = Object.entries(NETWORK_CALLS).flatMap(([action, resources]) =>
    resources.map((resource) =>
      request(
        action,
        resource === "*" ? "*" : arn(resource),
        "Lambda keeps the network interfaces of its VPC",
      ),
    ),
  );
  return [...logs, ...network];
}

// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
const NETWORK_CALLS: Readonly<Record<string, readonly string[]>> = {
  "ec2:AssignPrivateIpAddresses": ["network-interface/eni-1"],
  "ec2:CreateNetworkInterface": ["network-interface/eni-1", "security-group/sg-1", "subnet/subnet-1"],
  "ec2:DeleteNetworkInterface": ["network-interface/eni-1"],
  "ec2:DescribeNetworkInterfaces": ["*"],
  "ec2:DescribeSubnets": ["*"],
  "ec2:UnassignPrivateIpAddresses": ["network-interface/eni-1"],
};

/**
 * What has to be allowed by the policy of the key that is made here, for services of AWS and for whoever deploys.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
 * https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
 */
export function keyRequestsOf({ key, region, logGroups, intentTable, topics }: StackAccess): NeededRequest[] {
  if (!key) return [];
  const request = (
    principal: string,
    actions: readonly string[],
    context: Readonly<Record<string, string>>,
    because: string,
  ) =>
    actions.map(
      (action): NeededRequest => ({
        principal,
        action: `kms:${action}`,
        resource: key.arn,
        account: ACCOUNT,
        context,
        because,
      }),
    );
  const use = ["Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"];
  const via = (service: string) => ({ "kms:ViaService": `${service}.${region}.amazonaws.com` });
  return [
    ...logGroups.flatMap(({ arn }) =>
      request(
        `logs.${region}.amazonaws.com`,
        [...use, "DescribeKey"],
        { "kms:EncryptionContext:aws:logs:arn": arn },
        "CloudWatch Logs encrypts a log group",
      ),
    ),
    ...topics
      .filter(({ keyArn }) => keyArn === key.arn)
      .flatMap(({ publishers }) => publishers)
      .flatMap((service) =>
        request(
          service,
          ["Decrypt", "GenerateDataKey"],
          { "aws:SourceAccount": ACCOUNT },
          "SNS asks KMS in the name of what publishes",
        ),
      ),
    ...request(
      DEPLOYER,
      use,
      { ...via("dynamodb"), "kms:EncryptionContext:aws:dynamodb:tableName": intentTable.name },
      "DynamoDB encrypts the table as it is made",
    ),
    ...request(
      DEPLOYER,
      ["CreateGrant"],
      { ...via("dynamodb"), "kms:GrantIsForAWSResource": "true" },
      "DynamoDB keeps a grant for the table's upkeep",
    ),
    ...request(
      DEPLOYER,
      ["CreateGrant", "Decrypt", "Encrypt"],
      via("lambda"),
      "Lambda encrypts a function's environment, and gives its role a grant",
    ),
  ];
}

/** Whoever deploys, whom IAM lets. */
export const DEPLOYER = `arn:aws:iam::${ACCOUNT}:role/deployer`;

/** The policy that stands on the thing that a request is about. */
export function resourcePolicyOf(stack: StackAccess, resource: string): Policy | undefined {
  if (/^arn:[^:]*:kms:/.test(resource)) {
    return stack.key?.arn === resource ? stack.key.policy : keyLeftToIam(ACCOUNT);
  }
  return (
    stack.topics.find(({ arn }) => arn === resource)?.policy ??
    stack.secrets.find(({ arn }) => arn === resource)?.policy ??
    stack.functions.find(({ arn }) => arn === resource)?.policy
  );
}
