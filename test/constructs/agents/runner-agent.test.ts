import { RunnerAgent, type RunnerAgentProps } from "../../../constructs";
import { Synthesised, stack } from "../../helpers/synth";

const SECRET =
  "arn:aws:secretsmanager:eu-central-1:111111111111:secret:valmi/production/support/agent-key-AbCdEf";
const QUEUE = /^\$\{aws_sqs_queue\.agent_queue_[0-9A-F]+\.arn\}$/;

function make(changes: Partial<RunnerAgentProps> = {}) {
  const own = stack();
  const props = { agentKey: { secretArn: SECRET }, roleName: "machine", name: "support" };
  const agent = new RunnerAgent(own, "agent", { ...props, ...changes });
  return { agent, synthesised: new Synthesised(own) };
}

test("the new keys of this secret go to the queue, and nothing else does", () => {
  const { synthesised } = make();
  const queue = expect.stringMatching(QUEUE);
  expect(synthesised.one("aws_cloudwatch_event_rule").state).toBe("ENABLED");
  expect(JSON.parse(String(synthesised.one("aws_cloudwatch_event_rule").event_pattern))).toEqual({
    source: ["aws.secretsmanager"],
    "detail-type": ["Secret Label Updated"],
    account: ["111111111111"],
    detail: { labelUpdated: ["AWSCURRENT"], name: ["valmi/production/support/agent-key"] },
  });
  expect(synthesised.one("aws_cloudwatch_event_target")).toMatchObject({ arn: queue });
  expect(synthesised.one("aws_sqs_queue")).toMatchObject({
    name: "support-new-agent-keys",
    message_retention_seconds: 3_600,
    sqs_managed_sse_enabled: true,
  });
  expect(synthesised.statements("aws_sqs_queue_policy")).toEqual([
    {
      Sid: "SendNewKeys",
      Effect: "Allow",
      Principal: { Service: "events.amazonaws.com" },
      Action: "sqs:SendMessage",
      Resource: queue,
      Condition: {
        ArnEquals: { "aws:SourceArn": expect.stringMatching(/^\$\{aws_cloudwatch_event_rule\..*\.arn\}$/) },
      },
    },
  ]);
  const target = synthesised.addresses().find((address) => address.startsWith("aws_cloudwatch_event_target"));
  expect([...synthesised.needs(String(target))]).toContainEqual(
    expect.stringMatching(/^aws_sqs_queue_policy/),
  );
});

test("the runner's role reads the key and the queue, these and nothing else", () => {
  const { agent, synthesised } = make();
  expect(synthesised.one("aws_iam_role_policy")).toMatchObject({ role: "machine" });
  expect(
    synthesised
      .statements("aws_iam_role_policy")
      .map(({ Effect, Action, Resource }) => [Effect, Action, Resource]),
  ).toEqual([
    ["Allow", "secretsmanager:GetSecretValue", SECRET],
    ["Deny", "secretsmanager:GetSecretValue", SECRET],
    ["Allow", ["sqs:DeleteMessage", "sqs:ReceiveMessage"], expect.stringMatching(QUEUE)],
  ]);
  expect(agent.execOptions.slice(0, 3)).toEqual(["--secret", SECRET, "--events"]);
});

test("a key that another stack has made: its account's events are admitted", () => {
  expect(make().synthesised.one("aws_cloudwatch_event_permission")).toMatchObject({
    principal: "111111111111",
    action: "events:PutEvents",
  });
});

test.each(["", "a b", "x".repeat(50)])("refuses the name %j", (name) => {
  expect(() => make({ name })).toThrow(/`name` must be 1–49 letters, digits and single hyphens .*; got: /);
});
