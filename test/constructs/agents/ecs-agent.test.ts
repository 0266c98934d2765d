import type { TerraformStack } from "cdktf";
import jsonata from "jsonata";
import { type AgentKeySource, AgentKeys, EcsAgent, type EcsAgentProps } from "../../../constructs";
import { bundles, leastSettings, Synthesised, stack } from "../../helpers/synth";

const SECRET =
  "arn:aws:secretsmanager:eu-central-1:111111111111:secret:valmi/production/support/agent-key-AbCdEf";
const KEY = "arn:aws:kms:eu-central-1:111111111111:key/1234";

const props: EcsAgentProps = {
  agentKey: { secretArn: SECRET },
  name: "support",
  executionRoleName: "execution",
  services: [{ cluster: "agents", service: "support" }],
  alarmTopicArn: "topic-arn",
};

function make(changes: Partial<EcsAgentProps> = {}) {
  const own = stack();
  const agent = new EcsAgent(own, "agent", { ...props, ...changes });
  return { agent, synthesised: new Synthesised(own) };
}

/** With the keys of an environment in the same stack. */
function makeBeside(source: (agentKeys: AgentKeys) => AgentKeySource, changes: Partial<EcsAgentProps> = {}) {
  const own: TerraformStack = stack();
  const two = ["support", "billing"].map((id) => ({ id, agentType: { name: "Bot" } }));
  const agentKeys = new AgentKeys(own, "agent-keys", {
    ...leastSettings,
    kms: "managed-per-environment",
    agentInstances: two,
    bundles,
  });
  const agent = new EcsAgent(own, "agent", { ...props, ...changes, agentKey: source(agentKeys) });
  return { agent, synthesised: new Synthesised(own) };
}

const document = (text: unknown) => JSON.parse(String(text));
const statementsOf = (synthesised: Synthesised, part: string) =>
  synthesised.statements("aws_iam_role_policy", part);

describe("one key", () => {
  test("is in the container's environment under the names that Valmi's SDKs look for", () => {
    expect(make().agent.secrets).toEqual([
      { name: "VALMI_AGENT_KEY", valueFrom: `${SECRET}:VALMI_AGENT_KEY::` },
      { name: "VALUE_AGENT_SECRET", valueFrom: `${SECRET}:VALMI_AGENT_KEY::` },
    ]);
  });

  test("is readable by the execution role, and no other key is", () => {
    const { synthesised } = make({ agentKey: { secretArn: SECRET, encryptionKeyArn: KEY } });
    expect(synthesised.one("aws_iam_role_policy", "agent_read")).toMatchObject({ role: "execution" });
    expect(statementsOf(synthesised, "agent_read")).toEqual([
      { Sid: "ReadAgentKey", Effect: "Allow", Action: "secretsmanager:GetSecretValue", Resource: SECRET },
      {
        Sid: "NotPending",
        Effect: "Deny",
        Action: "secretsmanager:GetSecretValue",
        Resource: SECRET,
        Condition: { "ForAnyValue:StringEquals": { "secretsmanager:VersionStage": "AWSPENDING" } },
      },
      {
        Sid: "DecryptAgentKey",
        Effect: "Allow",
        Action: "kms:Decrypt",
        Resource: KEY,
        Condition: {
          StringEquals: {
            "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com",
            "kms:EncryptionContext:SecretARN": SECRET,
          },
        },
      },
    ]);
  });

  test("restarts the service when AWSCURRENT of this very secret is moved", () => {
    const rule = make().synthesised.one("aws_cloudwatch_event_rule");
    expect(rule.state).toBe("ENABLED");
    expect(document(rule.event_pattern)).toEqual({
      source: ["aws.secretsmanager"],
      "detail-type": ["Secret Label Updated"],
      account: ["111111111111"],
      detail: { labelUpdated: ["AWSCURRENT"], name: ["valmi/production/support/agent-key"] },
    });
  });

  test("of the same stack comes with its secret, and means the same", () => {
    const { agent, synthesised } = makeBeside((keys) => keys.agentKey("support"));
    expect(agent.secrets.map(({ name }) => name)).toEqual(["VALMI_AGENT_KEY", "VALUE_AGENT_SECRET"]);
    const [read, , decrypt] = statementsOf(synthesised, "agent_read");
    expect(read?.Resource).toMatch(/aws_secretsmanager_secret\.[\w-]*support/);
    expect(decrypt?.Resource).toMatch(/aws_kms_key\./);
    const { detail, account } = document(
      synthesised.one("aws_cloudwatch_event_rule", "agent_rule").event_pattern,
    );
    expect(detail.name).toEqual(["valmi/dev/support/agent-key"]);
    expect(account[0]).toContain("aws_caller_identity");
  });
});

describe("several keys", () => {
  test("get a variable each, by the instance's id, and none that could be taken for another's", () => {
    const { agent, synthesised } = makeBeside((keys) => [
      keys.agentKey("support"),
      { secretArn: SECRET.replace("support", "front-desk") },
    ]);
    expect(agent.secrets.map(({ name }) => name)).toEqual([
      "VALMI_AGENT_KEY_SUPPORT",
      "VALMI_AGENT_KEY_FRONT_DESK",
    ]);
    const sids = statementsOf(synthesised, "agent_read").map(({ Sid }) => Sid);
    expect(new Set(sids).size).toBe(sids.length);
    expect(sids.filter((sid) => sid.startsWith("ReadAgentKey"))).toHaveLength(2);
  });

  test("of a whole environment are read and watched by its name, and the operator's API key isn't", () => {
    const { agent, synthesised } = makeBeside((keys) => keys);
    expect(agent.secrets.map(({ name }) => name)).toEqual([
      "VALMI_AGENT_KEY_SUPPORT",
      "VALMI_AGENT_KEY_BILLING",
    ]);
    const { detail } = document(synthesised.one("aws_cloudwatch_event_rule", "agent_rule").event_pattern);
    expect(detail.name).toEqual([{ wildcard: "valmi/dev/*/agent-key" }]);
    const [read, , decrypt] = statementsOf(synthesised, "agent_read");
    expect(read?.Resource).toMatch(/:secret:valmi\/dev\/\*\/agent-key-\?{6}$/);
    expect(decrypt?.Condition).toMatchObject({
      StringLike: { "kms:EncryptionContext:SecretARN": read?.Resource },
    });
  });
});

describe("the restart", () => {
  const definition = () => document(make().synthesised.one("aws_sfn_state_machine").definition);

  test("forces a new deployment by Step Functions' own call of ECS, for each service", () => {
    const services = ["a", "b"].map((service) => ({ cluster: "agents", service }));
    const { synthesised } = make({ services });
    const targets = synthesised.all("aws_cloudwatch_event_target");
    expect(targets.map(({ input }) => document(input))).toEqual(services);
    expect(new Set(targets.map(({ arn }) => arn)).size).toBe(1);
    const { Deploy } = definition().States;
    expect(Deploy).toMatchObject({
      Resource: expect.stringMatching(/:states:::aws-sdk:ecs:updateService$/),
      Arguments: { ForceNewDeployment: true },
      Retry: [{ ErrorEquals: ["States.ALL"], MaxAttempts: 8 }],
    });
    expect(definition().TimeoutSeconds).toBe(3_600);
  });

  // What the state machine makes of the primary deployment, by its own expressions; ours began at 10:00.
  test.each([
    ["ours is running", "IN_PROGRESS", "2026-01-01T10:00:00.000Z", "Wait"],
    ["ours is complete", "COMPLETED", "2026-01-01T10:00:00.000Z", "Deployed"],
    ["ours was given up", "FAILED", "2026-01-01T10:00:00.000Z", "NotDeployed"],
    ["a younger one runs", "IN_PROGRESS", "2026-01-01T10:05:00.000Z", "Wait"],
    ["a younger one is complete", "COMPLETED", "2026-01-01T10:05:00.000Z", "Deployed"],
    ["ECS rolls back to an older one", "IN_PROGRESS", "2026-01-01T09:00:00.000Z", "NotDeployed"],
    ["ECS has rolled back to an older one", "COMPLETED", "2026-01-01T09:00:00.000Z", "NotDeployed"],
  ])("where %s", async (_, RolloutState, CreatedAt, next) => {
    const { Look, Judge } = definition().States;
    const evaluate = (text: string, states: object) => {
      const expression = jsonata(text.replace(/^\{% | %\}$/g, ""));
      return expression.evaluate({}, { states, since: "2026-01-01T10:00:00.000Z" });
    };
    const deployments = [
      { Status: "ACTIVE", RolloutState: "COMPLETED", CreatedAt: "2026-01-01T08:00:00.000Z" },
      { Status: "PRIMARY", RolloutState, CreatedAt },
    ];
    const primary = await evaluate(Look.Output, { result: { Services: [{ Deployments: deployments }] } });
    let chosen = Judge.Default;
    for (const { Condition, Next } of [...Judge.Choices].reverse()) {
      if ((await evaluate(Condition, { input: primary })) === true) chosen = Next;
    }
    expect(chosen).toBe(next);
  });

  test("remembers when its own deployment began", async () => {
    const { since } = definition().States.Deploy.Assign;
    const Deployments = [
      { Status: "PRIMARY", CreatedAt: "ours" },
      { Status: "ACTIVE", CreatedAt: "before" },
    ];
    const states = { result: { Service: { Deployments } } };
    expect(await jsonata(since.slice(3, -3)).evaluate({}, { states })).toBe("ours");
  });

  test("may deploy and look at these services, and nothing else", () => {
    const { synthesised } = make();
    expect(statementsOf(synthesised, "restart-policy")).toEqual([
      {
        Sid: "RestartServices",
        Effect: "Allow",
        Action: ["ecs:DescribeServices", "ecs:UpdateService"],
        Resource: [expect.stringMatching(/^arn:aws:ecs:eu-central-1:[^:]+:service\/agents\/support$/)],
      },
    ]);
    expect(statementsOf(synthesised, "event-policy")).toEqual([
      {
        Sid: "StartRestart",
        Effect: "Allow",
        Action: "states:StartExecution",
        Resource: expect.stringContaining("aws_sfn_state_machine.agent_restart_"),
      },
    ]);
  });

  test("its roles are taken by this state machine and this rule alone", () => {
    const { synthesised } = make();
    const trust = (part: string) =>
      document(synthesised.one("aws_iam_role", part).assume_role_policy).Statement;
    expect(trust("restart-role")).toEqual([
      expect.objectContaining({
        Principal: { Service: "states.amazonaws.com" },
        Condition: {
          StringEquals: { "aws:SourceAccount": expect.anything() },
          ArnEquals: {
            "aws:SourceArn": expect.stringMatching(
              /^arn:aws:states:eu-central-1:[^:]+:stateMachine:support-agent-key-restart$/,
            ),
          },
        },
      }),
    ]);
    expect(trust("event-role")).toEqual([
      expect.objectContaining({
        Principal: { Service: "events.amazonaws.com" },
        Condition: {
          StringEquals: { "aws:SourceAccount": expect.anything() },
          ArnEquals: {
            "aws:SourceArn": expect.stringMatching(
              /^arn:aws:events:eu-central-1:[^:]+:rule\/support-agent-key$/,
            ),
          },
        },
      }),
    ]);
  });

  test("raises an alarm where it failed, took too long, or wasn't started", () => {
    const { synthesised } = make();
    const alarm = synthesised.one("aws_cloudwatch_metric_alarm") as {
      metric_query: {
        id: string;
        expression?: string;
        metric?: { metric_name: string; dimensions: object };
      }[];
    };
    expect(alarm).toMatchObject({
      alarm_actions: ["topic-arn"],
      comparison_operator: "GreaterThanThreshold",
      threshold: 0,
      treat_missing_data: "notBreaching",
    });
    const [sum, ...metrics] = alarm.metric_query;
    expect(metrics.map(({ metric }) => metric?.metric_name)).toEqual([
      "ExecutionsFailed",
      "ExecutionsTimedOut",
      "FailedInvocations",
    ]);
    for (const { id } of metrics) expect(sum?.expression).toContain(`FILL(${id}, 0)`);
  });

  test("undelivered events are given up within an hour, so that the alarm comes well before the grace ends", () => {
    const [target] = make().synthesised.all("aws_cloudwatch_event_target");
    expect(target?.retry_policy).toMatchObject({ maximum_event_age_in_seconds: 3_600 });
  });

  test("goes without an alarm only where that is said", () => {
    expect(make({ alarmTopicArn: "none" }).synthesised.all("aws_cloudwatch_metric_alarm")).toEqual([]);
  });
});

test("all of it, as Terraform gets it: names and construct ids are a contract", () => {
  expect(make().synthesised.configuration.resource).toMatchSnapshot();
});

test("a key of another account: its events are let in, from that account alone", () => {
  const [permission, ...others] = make().synthesised.all("aws_cloudwatch_event_permission");
  expect(others).toEqual([]);
  expect(permission).toMatchObject({ principal: "111111111111", action: "events:PutEvents" });
  expect(
    makeBeside((keys) => keys.agentKey("support")).synthesised.all("aws_cloudwatch_event_permission"),
  ).toEqual([]);
});

test("path, boundary and tags are those that are given", () => {
  const { synthesised } = make({
    iamPath: "/agents/",
    permissionsBoundaryArn: "boundary",
    tags: { team: "a" },
  });
  const roles = synthesised.all("aws_iam_role");
  expect(roles).toHaveLength(2);
  for (const role of roles) {
    expect(role).toMatchObject({ path: "/agents/", permissions_boundary: "boundary", tags: { team: "a" } });
  }
});

test.each<[string, Partial<EcsAgentProps>, string]>([
  ["a long name", { name: "a".repeat(57) }, "`name` must be 1–56 letters"],
  ["a name with other characters", { name: "support/one" }, "`name` must be"],
  ["no service", { services: [] }, "`services` must name 1–5 services; got: 0"],
  [
    "six services",
    { services: Array(6).fill({ cluster: "c", service: "s" }) },
    "`services` must name 1–5 services; got: 6",
  ],
  [
    "a cluster's ARN",
    { services: [{ cluster: "arn:aws:ecs:eu-central-1:1:cluster/agents", service: "s" }] },
    "must name the cluster without its ARN",
  ],
  ["a limit of seconds", { restartLimitMinutes: 0.5 }, "`restartLimitMinutes` must be a whole number"],
  ["a topic left out", { alarmTopicArn: "" }, 'name a topic, or write "none"'],
  ["no key", { agentKey: [] }, "`agentKey` must hold one agent key at least"],
  [
    "a secret's ARN cut short",
    { agentKey: { secretArn: SECRET.slice(0, -7) } },
    "`secretArn` must be the whole ARN",
  ],
  [
    "two keys of one variable",
    { agentKey: [{ secretArn: SECRET }, { secretArn: SECRET.replace("production", "staging") }] },
    "VALMI_AGENT_KEY_SUPPORT twice",
  ],
])("refuses %s", (_, changes, message) => {
  expect(() => make(changes)).toThrow(message);
});
