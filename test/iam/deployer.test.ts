import { AgentKeysStack, deployerStatements, type Environment, type PolicyStatement } from "../../constructs";
import { environments } from "../../environments";
import { app, bundles, environment, Synthesised } from "../helpers/synth";
import { ACCOUNT, BOUNDARY, type DeployerRequest } from "./deployer-calls";
import recorded from "./deployer-calls.json";
import { isAllowed } from "./evaluate";
import { toRegExp } from "./judge";
import { DEPLOYER } from "./requests";
import { keyLeftToIam, type Policy } from "./synthesised-access";

/*
 * What whoever deploys may do, against what Terraform asked for in a local deploy, changes and a destroy. They are
 * recorded anew by `node --import tsx test/iam/record-local-run.ts`, which takes three minutes.
 */

const REGION = "eu-central-1";
const RECORDED: Partial<Environment> = {
  permissionsBoundaryArn: BOUNDARY,
  iamPath: "/agents/",
  alerts: { trail: true },
};
const policyFor = (changes: Partial<Environment> = {}): Policy => ({
  Version: "2012-10-17",
  Statement: deployerStatements(environment({ ...RECORDED, ...changes }), ACCOUNT),
});

function isAllowedBy(policy: Policy, { action, resource, context }: DeployerRequest): Promise<boolean> {
  return isAllowed(
    { principal: DEPLOYER, action, resource, account: ACCOUNT, context },
    { identity: [policy], resource: resource.includes(":key/") ? keyLeftToIam(ACCOUNT) : undefined },
  );
}

const requests = recorded.requests as readonly DeployerRequest[];
const actionsOf = (policy: Policy) =>
  policy.Statement.filter(({ Effect }) => Effect === "Allow").flatMap(({ Action = [] }) => Action);

test("all that Terraform asked for is allowed", async () => {
  expect(requests.length).toBeGreaterThan(150);
  const policy = policyFor();
  const denied: DeployerRequest[] = [];
  for (const request of requests) if (!(await isAllowedBy(policy, request))) denied.push(request);
  expect(denied).toEqual([]);
});

/** What is allowed and was not asked for in that story. */
const NOT_RECORDED: Readonly<Record<string, string>> = {
  "cloudwatch:DeleteDashboards": "the dashboard, which the local CloudWatch doesn't know",
  "cloudwatch:GetDashboard": "the dashboard, which the local CloudWatch doesn't know",
  "cloudwatch:PutDashboard": "the dashboard, which the local CloudWatch doesn't know",
  "ec2:DescribeSecurityGroups": "Lambda looks at the VPC in the name of who puts a function there",
  "ec2:DescribeSubnets": "Lambda looks at the VPC in the name of who puts a function there",
  "ec2:DescribeVpcs": "Lambda looks at the VPC in the name of who puts a function there",
  "iam:PutRolePermissionsBoundary": "a boundary set later, or another one",
  "iam:UpdateAssumeRolePolicy": "a later release whose roles are trusted otherwise",
  "iam:UpdateRole": "a later release that describes its roles otherwise",
  "kms:PutKeyPolicy": "a reader of another account is let in, or goes",
  "kms:UpdateKeyDescription": "a later release that describes the key otherwise",
  "lambda:GetFunctionConfiguration": "version 6 of the provider waits by it; 5.100 was recorded",
  "logs:AssociateKmsKey": "another key of KMS, or the first",
  "logs:DisassociateKmsKey": "the key of KMS taken off, which the emulator doesn't know",
  "secretsmanager:DeleteResourcePolicy": "a secret's policy is taken off before it is replaced by none",
  "secretsmanager:UpdateSecret": "another key of KMS, or another description",
};

const withEverything = () =>
  policyFor({
    alerts: { trail: true, dashboard: true },
    vpc: { subnetIds: ["subnet-1"], securityGroupIds: ["sg-1"] },
  });

test("nothing else is allowed but what is listed, with the reason", () => {
  const allowed = new Set(actionsOf(withEverything()));
  const unused = [...allowed].filter(
    (pattern) => !requests.some(({ action }) => toRegExp(pattern).test(action)),
  );
  expect(unused.sort()).toEqual(Object.keys(NOT_RECORDED).sort());
});

test("each allowed action is needed where it stands", async () => {
  const policy = policyFor();
  const idle: string[] = [];
  for (const [index, statement] of policy.Statement.entries()) {
    if (statement.Effect === "Deny") continue;
    for (const action of [statement.Action ?? []].flat()) {
      if (action in NOT_RECORDED) continue;
      const alone = { ...policy, Statement: [{ ...statement, Action: action } as PolicyStatement] };
      const asked = requests.filter((request) => toRegExp(action).test(request.action));
      const granted = await Promise.all(asked.map((request) => isAllowedBy(alone, request)));
      if (!granted.includes(true)) idle.push(`${statement.Sid} ${action} (${index})`);
    }
  }
  expect(idle).toEqual([]);
});

/** Actions that are allowed on `*`. */
const ON_ANYTHING: Readonly<Record<string, string>> = {
  "ec2:DescribeSecurityGroups": "AWS knows no resource for it: it lists",
  "ec2:DescribeSubnets": "AWS knows no resource for it: it lists",
  "ec2:DescribeVpcs": "AWS knows no resource for it: it lists",
  "kms:CreateKey": "AWS knows no resource for it: there is no key yet; the tag that it gets is asked for",
  "kms:ListAliases": "AWS knows no resource for it: it lists",
  "kms:TagResource": "a key gets its tag as it is made, before it has an ARN; the tag is asked for",
  "logs:DescribeLogGroups": "AWS knows no resource for it: it lists names",
  "secretsmanager:ListSecrets": "AWS knows no resource for it: it lists, without any value",
};

test("what is allowed on anything is listed, with the reason", () => {
  const anything = withEverything().Statement.filter(({ Resource }) => [Resource].flat().includes("*"));
  expect(anything.flatMap(({ Action = [] }) => Action).sort()).toEqual(Object.keys(ON_ANYTHING).sort());
});

test.each(environments.map((each) => [each.name, each] as const))(
  "%s: every type of resource was recorded, and the policy fits into a role",
  (name, each) => {
    const { configuration } = new Synthesised(
      new AgentKeysStack(app(), name, { environment: each, bundles }),
    );
    const types = [
      ...Object.keys(configuration.resource ?? {}),
      ...Object.keys(configuration.data ?? {}).map((type) => `data.${type}`),
    ];
    expect(types.length).toBeGreaterThan(10);
    expect(types.filter((type) => !recorded.resourceTypes.includes(type))).toEqual([]);
    const text = JSON.stringify({ Version: "2012-10-17", Statement: deployerStatements(each, ACCOUNT) });
    expect(text.length).toBeLessThan(10_240);
  },
);

const arn = (service: string, resource: string) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`;
const role = (name: string) => `arn:aws:iam::${ACCOUNT}:role/${name}`;
const request = (
  action: string,
  resource: string,
  context: Readonly<Record<string, string>> = {},
): DeployerRequest => ({ action, resource, context });
const secret = (name: string) => arn("secretsmanager", `secret:${name}-AbCdEf`);
const AGENT_KEY = secret("valmi/dev/support/agent-key");
const ROTATION = "valmi-dev-agent-key-rotation";
const bounded = (by: string) => ({ "iam:PermissionsBoundary": by });
const passed = (service: string) => ({ "iam:PassedToService": `${service}.amazonaws.com` });
const by = (name: string) => ({ "secretsmanager:RotationLambdaARN": arn("lambda", `function:${name}`) });
const tagged = (kind: "Request" | "Resource", name: string) => ({
  [`aws:${kind}Tag/valmi:environment`]: name,
});
const KEY = arn("kms", "key/11111111-2222-3333-4444-555555555555");
const decrypt = (service: string, of = AGENT_KEY, tag = "dev") =>
  request("kms:Decrypt", KEY, {
    ...tagged("Resource", tag),
    "kms:ViaService": `${service}.${REGION}.amazonaws.com`,
    "kms:EncryptionContext:SecretARN": of,
  });

/** Each hostile request beside one that differs in one fact and is allowed. */
const HOSTILE: readonly (readonly [string, DeployerRequest, DeployerRequest])[] = [
  [
    "another environment's secret",
    request("secretsmanager:DeleteSecret", secret("valmi/production/support/agent-key")),
    request("secretsmanager:DeleteSecret", AGENT_KEY),
  ],
  [
    "a secret of another prefix",
    request("secretsmanager:CreateSecret", arn("secretsmanager", "secret:other/dev/support/agent-key")),
    request("secretsmanager:CreateSecret", arn("secretsmanager", "secret:valmi/dev/support/agent-key")),
  ],
  [
    "reading an agent key",
    request("secretsmanager:GetSecretValue", AGENT_KEY),
    request("secretsmanager:DescribeSecret", AGENT_KEY),
  ],
  [
    "writing an agent key",
    request("secretsmanager:PutSecretValue", AGENT_KEY),
    request("secretsmanager:PutResourcePolicy", AGENT_KEY),
  ],
  [
    "moving a label",
    request("secretsmanager:UpdateSecretVersionStage", AGENT_KEY),
    request("secretsmanager:UntagResource", AGENT_KEY),
  ],
  [
    "reading the operator's API key",
    request("secretsmanager:GetSecretValue", secret("valmi/dev/operator-api-key")),
    request("secretsmanager:DescribeSecret", secret("valmi/dev/operator-api-key")),
  ],
  [
    "a rotation by a function of somebody's",
    request("secretsmanager:RotateSecret", AGENT_KEY, by("other")),
    request("secretsmanager:RotateSecret", AGENT_KEY, by(ROTATION)),
  ],
  [
    "a role outside of the path",
    request("iam:CreateRole", role(ROTATION), bounded(BOUNDARY)),
    request("iam:CreateRole", role(`agents/${ROTATION}`), bounded(BOUNDARY)),
  ],
  [
    "a role of another name",
    request("iam:CreateRole", role("agents/admin"), bounded(BOUNDARY)),
    request("iam:CreateRole", role(`agents/${ROTATION}`), bounded(BOUNDARY)),
  ],
  [
    "a role without boundary",
    request("iam:CreateRole", role(`agents/${ROTATION}`)),
    request("iam:CreateRole", role(`agents/${ROTATION}`), bounded(BOUNDARY)),
  ],
  [
    "permissions for a role of another boundary",
    request("iam:PutRolePolicy", role(`agents/${ROTATION}`), bounded(`${BOUNDARY}-other`)),
    request("iam:PutRolePolicy", role(`agents/${ROTATION}`), bounded(BOUNDARY)),
  ],
  [
    "another boundary",
    request("iam:PutRolePermissionsBoundary", role(`agents/${ROTATION}`), bounded(`${BOUNDARY}-other`)),
    request("iam:PutRolePermissionsBoundary", role(`agents/${ROTATION}`), bounded(BOUNDARY)),
  ],
  [
    "taking a boundary off",
    request("iam:DeleteRolePermissionsBoundary", role(`agents/${ROTATION}`), bounded(BOUNDARY)),
    request("iam:PutRolePermissionsBoundary", role(`agents/${ROTATION}`), bounded(BOUNDARY)),
  ],
  [
    "passing another role",
    request("iam:PassRole", role("admin"), passed("lambda")),
    request("iam:PassRole", role(`agents/${ROTATION}`), passed("lambda")),
  ],
  [
    "passing a role to another service",
    request("iam:PassRole", role(`agents/${ROTATION}`), passed("ec2")),
    request("iam:PassRole", role(`agents/${ROTATION}`), passed("lambda")),
  ],
  [
    "another environment's function",
    request("lambda:UpdateFunctionCode", arn("lambda", "function:valmi-production-agent-key-rotation")),
    request("lambda:UpdateFunctionCode", arn("lambda", `function:${ROTATION}`)),
  ],
  [
    "calling the auditor",
    request("lambda:InvokeFunction", arn("lambda", "function:valmi-dev-agent-key-audit")),
    request("lambda:InvokeFunction", arn("lambda", "function:valmi-dev-agent-key-provisioning")),
  ],
  [
    "another environment's table",
    request("dynamodb:DeleteTable", arn("dynamodb", "table/valmi-production-agent-key-intents")),
    request("dynamodb:DeleteTable", arn("dynamodb", "table/valmi-dev-agent-key-intents")),
  ],
  [
    "reading intents",
    request("dynamodb:GetItem", arn("dynamodb", "table/valmi-dev-agent-key-intents")),
    request("dynamodb:DescribeTable", arn("dynamodb", "table/valmi-dev-agent-key-intents")),
  ],
  [
    "deleting another log group",
    request("logs:DeleteLogGroup", arn("logs", "log-group:/aws/lambda/billing")),
    request("logs:DeleteLogGroup", arn("logs", `log-group:/aws/lambda/${ROTATION}`)),
  ],
  [
    "deleting another alarm",
    request("cloudwatch:DeleteAlarms", arn("cloudwatch", "alarm:billing")),
    request("cloudwatch:DeleteAlarms", arn("cloudwatch", "alarm:valmi-dev-agent-key-findings")),
  ],
  [
    "another rule",
    request("events:PutTargets", arn("events", "rule/billing")),
    request("events:PutTargets", arn("events", "rule/valmi-dev-agent-key-audit")),
  ],
  [
    "another topic",
    request("sns:SetTopicAttributes", arn("sns", "billing")),
    request("sns:SetTopicAttributes", arn("sns", "valmi-dev-agent-key-alerts")),
  ],
  [
    "deleting another environment's key",
    request("kms:ScheduleKeyDeletion", KEY, tagged("Resource", "production")),
    request("kms:ScheduleKeyDeletion", KEY, tagged("Resource", "dev")),
  ],
  [
    "a key without a tag",
    request("kms:CreateKey", "*"),
    request("kms:CreateKey", "*", tagged("Request", "dev")),
  ],
  [
    "taking another environment's key for one's own",
    request("kms:TagResource", KEY, { ...tagged("Resource", "production"), ...tagged("Request", "dev") }),
    request("kms:TagResource", KEY, tagged("Request", "dev")),
  ],
  ["decrypting by hand", decrypt("s3"), decrypt("secretsmanager")],
  ["decrypting another's secret", decrypt("secretsmanager", secret("billing")), decrypt("secretsmanager")],
  ["decrypting by another key", decrypt("secretsmanager", AGENT_KEY, "x"), decrypt("secretsmanager")],
];

test.each(HOSTILE)("%s is denied, and its twin is not", async (_, hostile, twin) => {
  expect(await isAllowedBy(policyFor(), hostile)).toBe(false);
  expect(await isAllowedBy(policyFor(), twin)).toBe(true);
});

test("no key is read, whatever else lets whoever deploys", async () => {
  const policy = policyFor();
  const [read] = [request("secretsmanager:GetSecretValue", AGENT_KEY)];
  const administrator = { Sid: "All", Effect: "Allow", Action: "*", Resource: "*" } as const;
  const both = { ...policy, Statement: [...policy.Statement, administrator] };
  expect(await isAllowedBy(both, read as DeployerRequest)).toBe(false);
  const without = { ...both, Statement: both.Statement.filter(({ Effect }) => Effect === "Allow") };
  expect(await isAllowedBy(without, read as DeployerRequest)).toBe(true);
});

test("the state in S3, and who assumes a role, by the credentials at hand", () => {
  const backend = { bucket: "states" };
  const stateOf = (changes: Partial<Environment>) =>
    policyFor(changes).Statement.flatMap(({ Action = [], Resource }) =>
      /s3:|sts:/.test(String(Action)) ? [[Action, Resource]] : [],
    );
  const state = "arn:aws:s3:::states/valmi-agent-keys/dev.tfstate";
  expect(stateOf({})).toEqual([]);
  expect(stateOf({ backend })).toEqual([
    ["s3:ListBucket", "arn:aws:s3:::states"],
    [
      ["s3:GetObject", "s3:PutObject"],
      [state, `${state}.tflock`],
    ],
    ["s3:DeleteObject", `${state}.tflock`],
  ]);
  const roleArn = role("state");
  expect(stateOf({ backend: { ...backend, roleArn } })).toEqual([["sts:AssumeRole", [roleArn]]]);
  expect(stateOf({ backend, assumeRole: { roleArn: role("deploy") } })).toEqual([]);
});
