import type { Call } from "../../proofs/harness/front";

/** What IAM sees of a call of Terraform's, apart from who makes it. */
export interface DeployerRequest {
  readonly action: string;
  /** With what AWS makes up replaced: account, ends of secrets' ARNs, ids of keys. */
  readonly resource: string;
  readonly context: Readonly<Record<string, string>>;
}

/** What `record-local-run.ts` recorded. */
export interface DeployerCalls {
  /** Types of the resources that were deployed; data sources begin with `data.`. */
  readonly resourceTypes: readonly string[];
  /** Each once. */
  readonly requests: readonly DeployerRequest[];
}

/** Stands in the place of the local account. */
export const ACCOUNT = "123456789012";
export const BOUNDARY = `arn:aws:iam::${ACCOUNT}:policy/boundary`;
const REGION = "eu-central-1";
const ENVIRONMENT_TAG = "valmi:environment";
const arn = (service: string, resource: string) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`;
const KEY = arn("kms", "key/11111111-2222-3333-4444-555555555555");
const OWN_KEY = { [`aws:ResourceTag/${ENVIRONMENT_TAG}`]: "dev" };

/** The call itself, and whatever AWS asks IAM for beside it, in the caller's name. Throws for a call that isn't known. */
export function requestsOfCall(call: Call): DeployerRequest[] {
  const view = VIEWS[call.service];
  if (view === undefined) throw new Error(`nothing here knows the service of ${call.service} ${call.route}`);
  return view(call).map(({ action, resource, context = {} }) => ({
    action,
    resource: withoutChance(resource),
    context: Object.fromEntries(Object.entries(context).map(([key, value]) => [key, withoutChance(value)])),
  }));
}

type View = (call: Call) => (Omit<DeployerRequest, "context"> & Partial<Pick<DeployerRequest, "context">>)[];

const VIEWS: Readonly<Record<string, View>> = {
  // AWS asks for no permission.
  sts: () => [],

  iam: ({ operation, request }) => {
    const form = new URLSearchParams(request);
    const role = `arn:aws:iam::${ACCOUNT}:role/agents/${form.get("RoleName")}`;
    const context =
      operation === "CreateRole"
        ? { "iam:PermissionsBoundary": form.get("PermissionsBoundary") ?? "none" }
        : operation === "PutRolePolicy"
          ? { "iam:PermissionsBoundary": BOUNDARY }
          : {};
    return [
      { action: `iam:${operation}`, resource: role, context },
      ...(form.has("Tags.member.1.Key") ? [{ action: "iam:TagRole", resource: role }] : []),
    ];
  },

  lambda: ({ route, request }) => {
    const [, method = "", collection, rest = ""] =
      /^(\w+) \/[\d-]+\/(functions|tags)\/?(.*)$/.exec(route) ?? [];
    const body = request.startsWith("{") ? JSON.parse(request) : {};
    const name = (rest.split("/")[0] || body.FunctionName).split(":").at(-1);
    const resource = arn("lambda", `function:${name}`);
    const pattern = `${method} ${collection}${rest.replace(/^[^/]*/, (named) => (named ? "/*" : ""))}`;
    const action = LAMBDA_ACTIONS.find(([known]) => pattern.startsWith(known))?.[1];
    if (action === undefined) throw new Error(`nothing here knows ${route}`);
    const key = ["CreateFunction", "UpdateFunctionConfiguration"].includes(action) && body.KMSKeyArn;
    const uses = key ? ["CreateGrant", "Decrypt", "Encrypt"] : action === "GetFunction" ? ["Decrypt"] : [];
    return [
      { action: `lambda:${action}`, resource },
      ...(body.Tags && action === "CreateFunction" ? [{ action: "lambda:TagResource", resource }] : []),
      ...(body.Role
        ? [
            {
              action: "iam:PassRole",
              resource: body.Role,
              context: { "iam:PassedToService": "lambda.amazonaws.com" },
            },
          ]
        : []),
      ...uses.map((use) => useOfKey(use, "lambda")),
    ];
  },

  secretsmanager: ({ operation, request }) => {
    const body = JSON.parse(request);
    const action = `secretsmanager:${operation}`;
    if (operation === "ListSecrets") return [{ action, resource: "*" }];
    const made = `secret:${body.Name}`;
    if (operation === "CreateSecret") {
      const context = { "kms:EncryptionContext:SecretARN": arn("secretsmanager", `${made}-AbCdEf`) };
      return [
        // There is no random end to it yet.
        { action, resource: arn("secretsmanager", made) },
        { action: "secretsmanager:TagResource", resource: arn("secretsmanager", made) },
        ...(body.KmsKeyId
          ? ["Decrypt", "GenerateDataKey"].map((use) => useOfKey(use, "secretsmanager", context))
          : []),
      ];
    }
    const id: string = body.SecretId;
    const resource = id.startsWith("arn:") ? id : arn("secretsmanager", `secret:${id}-AbCdEf`);
    // A function of ours has a secret rotated by what the secret has been given.
    if (operation !== "RotateSecret" || !body.RotationLambdaARN) return [{ action, resource }];
    return [
      { action, resource, context: { "secretsmanager:RotationLambdaARN": body.RotationLambdaARN } },
      { action: "lambda:InvokeFunction", resource: body.RotationLambdaARN },
    ];
  },

  dynamodb: ({ operation, request }) => {
    const body = JSON.parse(request);
    const resource = body.ResourceArn ?? arn("dynamodb", `table/${body.TableName}`);
    const context = { "kms:EncryptionContext:aws:dynamodb:tableName": body.TableName };
    const uses = ["Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo"];
    return [
      { action: `dynamodb:${operation}`, resource },
      ...(body.Tags && operation === "CreateTable" ? [{ action: "dynamodb:TagResource", resource }] : []),
      ...(body.SSESpecification?.KMSMasterKeyId
        ? [
            ...uses.map((use) => useOfKey(use, "dynamodb", context)),
            useOfKey("CreateGrant", "dynamodb", { "kms:GrantIsForAWSResource": "true" }),
            useOfKey("DescribeKey", "dynamodb"),
          ]
        : []),
    ];
  },

  kms: ({ operation, request }) => {
    const body = JSON.parse(request);
    const action = `kms:${operation}`;
    if (operation === "ListAliases") return [{ action, resource: "*" }];
    if (operation === "CreateKey") {
      const tag = body.Tags?.find(({ TagKey }: { TagKey: string }) => TagKey === ENVIRONMENT_TAG)?.TagValue;
      const context = { [`aws:RequestTag/${ENVIRONMENT_TAG}`]: String(tag) };
      return [
        { action, resource: "*", context },
        { action: "kms:TagResource", resource: KEY, context },
      ];
    }
    const key = { action, resource: KEY, context: OWN_KEY };
    return body.AliasName ? [{ action, resource: arn("kms", body.AliasName) }, key] : [key];
  },

  logs: ({ operation, request }) => {
    const { logGroupName, resourceArn, tags } = JSON.parse(request);
    if (operation === "DescribeLogGroups") {
      return [{ action: "logs:DescribeLogGroups", resource: "*" }];
    }
    const resource = resourceArn ?? arn("logs", `log-group:${logGroupName}`);
    return [
      { action: `logs:${operation}`, resource },
      ...(tags && operation === "CreateLogGroup" ? [{ action: "logs:TagResource", resource }] : []),
    ];
  },

  monitoring: ({ operation, request }) => {
    const form = new URLSearchParams(request);
    const name = form.get("AlarmName") ?? form.get("AlarmNames.member.1");
    const resource =
      operation === "DescribeAlarms"
        ? arn("cloudwatch", "alarm:anything")
        : (form.get("ResourceARN") ?? arn("cloudwatch", `alarm:${name}`));
    const tagged = operation === "PutMetricAlarm" && form.has("Tags.member.1.Key");
    return [
      { action: `cloudwatch:${operation}`, resource },
      ...(tagged ? [{ action: "cloudwatch:TagResource", resource }] : []),
    ];
  },

  events: ({ operation, request }) => {
    const { Name, Rule, ResourceARN, Tags } = JSON.parse(request);
    const resource = ResourceARN ?? arn("events", `rule/${Name ?? Rule}`);
    return [
      { action: `events:${operation}`, resource },
      ...(Tags && operation === "PutRule" ? [{ action: "events:TagResource", resource }] : []),
    ];
  },

  sns: ({ operation, request }) => {
    const form = new URLSearchParams(request);
    const resource = form.get("TopicArn") ?? form.get("ResourceArn") ?? arn("sns", String(form.get("Name")));
    const tagged = operation === "CreateTopic" && form.has("Tags.member.1.Key");
    return [
      { action: `sns:${operation}`, resource },
      ...(tagged ? [{ action: "sns:TagResource", resource }] : []),
    ];
  },
};

/** By method and path, the longer ones first. */
const LAMBDA_ACTIONS: readonly (readonly [string, string])[] = [
  ["POST functions/*/invocations", "InvokeFunction"],
  ["POST functions/*/policy", "AddPermission"],
  ["DELETE functions/*/policy", "RemovePermission"],
  ["GET functions/*/policy", "GetPolicy"],
  ["GET functions/*/versions", "ListVersionsByFunction"],
  ["GET functions/*/code-signing-config", "GetFunctionCodeSigningConfig"],
  ["GET functions/*/configuration", "GetFunctionConfiguration"],
  ["PUT functions/*/configuration", "UpdateFunctionConfiguration"],
  ["PUT functions/*/code", "UpdateFunctionCode"],
  ["POST tags", "TagResource"],
  ["DELETE tags", "UntagResource"],
  ["GET functions/*", "GetFunction"],
  ["DELETE functions/*", "DeleteFunction"],
  ["POST functions", "CreateFunction"],
];

function useOfKey(use: string, service: string, context: Readonly<Record<string, string>> = {}) {
  return {
    action: `kms:${use}`,
    resource: KEY,
    context: { ...OWN_KEY, "kms:ViaService": `${service}.${REGION}.amazonaws.com`, ...context },
  };
}

export function withoutChance(text: string): string {
  return text
    .replaceAll("000000000000", ACCOUNT)
    .replace(/(:secret:.*-key)-\w{6}$/, "$1-AbCdEf")
    .replace(/:key\/[\da-f-]{36}$/, ":key/11111111-2222-3333-4444-555555555555");
}
