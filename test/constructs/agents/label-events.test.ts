import { NewKeyForwarding } from "../../../constructs";
import { Synthesised, stack } from "../../helpers/synth";

const SECRET =
  "arn:aws:secretsmanager:eu-central-1:111111111111:secret:valmi/production/support/agent-key-AbCdEf";
const BUS = "arn:aws:events:eu-central-1:222222222222:event-bus/default";

test("new keys are told to another account's bus, and nothing else is", () => {
  const own = stack();
  new NewKeyForwarding(own, "forward", {
    agentKey: { secretArn: SECRET },
    name: "to-agents",
    eventBusArn: BUS,
  });
  const synthesised = new Synthesised(own);
  expect(synthesised.one("aws_cloudwatch_event_rule").state).toBe("ENABLED");
  expect(JSON.parse(String(synthesised.one("aws_cloudwatch_event_rule").event_pattern))).toEqual({
    source: ["aws.secretsmanager"],
    "detail-type": ["Secret Label Updated"],
    account: ["111111111111"],
    detail: { labelUpdated: ["AWSCURRENT"], name: ["valmi/production/support/agent-key"] },
  });
  expect(synthesised.one("aws_cloudwatch_event_target")).toMatchObject({ arn: BUS });
  expect(synthesised.statements("aws_iam_role_policy")).toEqual([
    { Sid: "SendEvents", Effect: "Allow", Action: "events:PutEvents", Resource: BUS },
  ]);
  const { Statement } = JSON.parse(String(synthesised.one("aws_iam_role").assume_role_policy));
  expect(Statement[0].Condition).toEqual({
    StringEquals: { "aws:SourceAccount": "111111111111" },
    ArnEquals: { "aws:SourceArn": "arn:aws:events:eu-central-1:111111111111:rule/to-agents" },
  });
});
