import { EcsAgent, KubernetesAgent, LambdaAgent, NewKeyForwarding, RunnerAgent } from "../../constructs";
import { Synthesised, stack } from "../helpers/synth";
import { isAllowed, type Request } from "./evaluate";
import { keyLeftToIam, type Policy } from "./synthesised-access";

/*
 * The roles of consumers, which are in no shipped environment: everything that they need, as a local run of them showed,
 * and next to each request one that is as near to it as can be, which is refused.
 */

const ACCOUNT = "123456789012";
const REGION = "eu-central-1";
const secretArn = (id: string) =>
  `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:valmi/production/${id}/agent-key-AbCdEf`;
const SECRET = secretArn("support");
const KEY = `arn:aws:kms:${REGION}:${ACCOUNT}:key/1234`;
const MACHINE = `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:support-agent-key-restart`;
const RULE = `arn:aws:events:${REGION}:${ACCOUNT}:rule/support-agent-key`;
const BUS = `arn:aws:events:${REGION}:222222222222:event-bus/default`;
const QUEUE = `arn:aws:sqs:${REGION}:${ACCOUNT}:runner-new-agent-keys`;
const OIDC = `arn:aws:iam::${ACCOUNT}:oidc-provider/oidc.eks.${REGION}.amazonaws.com/id/ABC`;

const own = stack();
const agentKey = { secretArn: SECRET, encryptionKeyArn: KEY };
new EcsAgent(own, "ecs", {
  agentKey,
  name: "support",
  executionRoleName: "execution",
  services: [{ cluster: "agents", service: "support" }],
  alarmTopicArn: "none",
});
new LambdaAgent(own, "lambda", { agentKey, name: "support", roleName: "function" });
new KubernetesAgent(own, "pod", { agentKey, name: "pod", namespace: "agents", oidcProviderArn: OIDC });
new NewKeyForwarding(own, "forward", { agentKey, name: "forward", eventBusArn: BUS });
new RunnerAgent(own, "runner", { agentKey, name: "runner", roleName: "machine" });
const synthesised = new Synthesised(own);

/** With what is known at deploy only. */
function resolved(text: unknown): Policy {
  const whole = String(text)
    .replace(/\$\{data\.aws_caller_identity\.[\w-]+\.account_id\}/g, ACCOUNT)
    .replace(/\$\{aws_sfn_state_machine\.[\w-]+\.arn\}/g, MACHINE)
    .replace(/\$\{aws_sqs_queue\.[\w-]+\.arn\}/g, QUEUE);
  if (whole.includes("${")) throw new Error(`can't tell what this is: ${whole}`);
  return JSON.parse(whole);
}
const policyOf = (part: string) => resolved(synthesised.one("aws_iam_role_policy", part).policy);
const trustOf = (part: string) => resolved(synthesised.one("aws_iam_role", part).assume_role_policy);

const request = (action: string, resource: string, context: Record<string, string> = {}): Request => ({
  principal: `arn:aws:iam::${ACCOUNT}:role/consumer`,
  action,
  resource,
  account: ACCOUNT,
  context,
});
const read = (resource: string, stage?: string) =>
  request("secretsmanager:GetSecretValue", resource, stage ? { "secretsmanager:VersionStage": stage } : {});
const decrypt = (secret: string, service = "secretsmanager") =>
  request("kms:Decrypt", KEY, {
    "kms:ViaService": `${service}.${REGION}.amazonaws.com`,
    "kms:EncryptionContext:SecretARN": secret,
  });
const service = (action: string, name: string) =>
  request(action, `arn:aws:ecs:${REGION}:${ACCOUNT}:service/${name}`);

const READER: [string, Request, boolean][] = [
  ["reads its key", read(SECRET), true],
  ["reads what is current", read(SECRET, "AWSCURRENT"), true],
  ["reads what was current before", read(SECRET, "AWSPREVIOUS"), true],
  ["decrypts it", decrypt(SECRET), true],
  ["reads what is pending", read(SECRET, "AWSPENDING"), false],
  ["reads another key", read(secretArn("billing")), false],
  ["decrypts another key", decrypt(secretArn("billing")), false],
  ["decrypts without Secrets Manager", decrypt(SECRET, "s3"), false],
  ["writes it", request("secretsmanager:PutSecretValue", SECRET), false],
  ["describes it", request("secretsmanager:DescribeSecret", SECRET), false],
];
const readers = ["ecs_read", "lambda_read", "pod_read", "runner_read"].flatMap((part) =>
  READER.map(([what, asked, allowed]) => [part, what, asked, allowed] as const),
);

test.each([
  ...readers,
  ["ecs_restart-policy", "deploys its service anew", service("ecs:UpdateService", "agents/support"), true],
  ["ecs_restart-policy", "looks at it", service("ecs:DescribeServices", "agents/support"), true],
  ["ecs_restart-policy", "deploys another", service("ecs:UpdateService", "agents/billing"), false],
  ["ecs_restart-policy", "deploys one of another cluster", service("ecs:UpdateService", "x/support"), false],
  ["ecs_restart-policy", "removes it", service("ecs:DeleteService", "agents/support"), false],
  ["ecs_restart-policy", "reads the key", read(SECRET), false],
  ["ecs_event-policy", "starts the restart", request("states:StartExecution", MACHINE), true],
  ["ecs_event-policy", "starts another", request("states:StartExecution", `${MACHINE}-other`), false],
  ["ecs_event-policy", "deploys the service", service("ecs:UpdateService", "agents/support"), false],
  ["forward_policy", "sends to the bus", request("events:PutEvents", BUS), true],
  ["forward_policy", "sends to another", request("events:PutEvents", BUS.replace("default", "other")), false],
  ["runner_read", "waits for new keys", request("sqs:ReceiveMessage", QUEUE), true],
  ["runner_read", "deletes what it has read", request("sqs:DeleteMessage", QUEUE), true],
  ["runner_read", "reads another queue", request("sqs:ReceiveMessage", `${QUEUE}-2`), false],
  ["runner_read", "sends to its own", request("sqs:SendMessage", QUEUE), false],
  ["runner_read", "empties it", request("sqs:PurgeQueue", QUEUE), false],
] as const)("%s %s", async (part, _, asked, allowed) => {
  const resource = asked.resource === KEY ? keyLeftToIam(ACCOUNT) : undefined;
  expect(await isAllowed(asked, { identity: [policyOf(part)], resource })).toBe(allowed);
});

test("nothing else has permissions", () => {
  expect(synthesised.all("aws_iam_role_policy")).toHaveLength(7);
  expect(synthesised.all("aws_iam_role")).toHaveLength(4);
});

const source = (arn: string, account = ACCOUNT) => ({ "aws:SourceArn": arn, "aws:SourceAccount": account });
const issuer = OIDC.split("oidc-provider/")[1];
const pod = (subject: string, audience = "sts.amazonaws.com") => ({
  [`${issuer}:sub`]: subject,
  [`${issuer}:aud`]: audience,
});

// Compared here: the evaluator doesn't know the keys of an identity provider. All these conditions ask for equality.
test.each([
  ["ecs_restart-role", source(MACHINE), true],
  ["ecs_restart-role", source(`${MACHINE}-other`), false],
  ["ecs_restart-role", source(MACHINE, "999999999999"), false],
  ["ecs_event-role", source(RULE), true],
  ["ecs_event-role", source(`${RULE}-other`), false],
  ["pod_role", pod("system:serviceaccount:agents:pod"), true],
  ["pod_role", pod("system:serviceaccount:agents:other"), false],
  ["pod_role", pod("system:serviceaccount:other:pod"), false],
  ["pod_role", pod("system:serviceaccount:agents:pod", "elsewhere"), false],
])("who takes %s by %j: %s", (part, context, allowed) => {
  const [statement, ...others] = trustOf(part).Statement;
  expect(others).toEqual([]);
  expect(Object.keys(statement?.Condition ?? {}).filter((name) => !name.endsWith("Equals"))).toEqual([]);
  const conditions = Object.values(statement?.Condition ?? {}).flatMap((keys) => Object.entries(keys));
  const holds = conditions.every(([key, value]) => (context as Record<string, string>)[key] === value);
  expect(conditions.length).toBe(2);
  expect(holds).toBe(allowed);
});
