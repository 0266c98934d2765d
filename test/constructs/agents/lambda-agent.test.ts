import { LambdaAgent, type LambdaAgentProps } from "../../../constructs";
import { Synthesised, stack } from "../../helpers/synth";

const SECRET =
  "arn:aws:secretsmanager:eu-central-1:111111111111:secret:valmi/production/support/agent-key-AbCdEf";
const LAYER = "arn:aws:lambda:eu-central-1:187925254637:layer:AWS-Parameters-and-Secrets-Lambda-Extension:12";

function make(changes: Partial<LambdaAgentProps> = {}) {
  const own = stack();
  const props = { agentKey: { secretArn: SECRET }, roleName: "function-role", name: "support" };
  const agent = new LambdaAgent(own, "agent", { ...props, ...changes });
  return { agent, synthesised: new Synthesised(own) };
}

test("the function knows which secret to read, and its role may read that one", () => {
  const { agent, synthesised } = make();
  expect(agent.environment).toEqual({ VALMI_AGENT_KEY_SECRET_ARN: SECRET });
  expect(agent.layers).toEqual([]);
  expect(synthesised.addresses()).toHaveLength(1);
  expect(synthesised.one("aws_iam_role_policy")).toMatchObject({ role: "function-role" });
  expect(
    synthesised
      .statements("aws_iam_role_policy")
      .map(({ Effect, Action, Resource }) => [Effect, Action, Resource]),
  ).toEqual([
    ["Allow", "secretsmanager:GetSecretValue", SECRET],
    ["Deny", "secretsmanager:GetSecretValue", SECRET],
  ]);
});

test("with AWS's extension: the layer, and a value that is kept for five minutes at the most", () => {
  const { agent } = make({ extensionLayerArn: LAYER });
  expect(agent.layers).toEqual([LAYER]);
  expect(agent.environment).toEqual({ VALMI_AGENT_KEY_SECRET_ARN: SECRET, SECRETS_MANAGER_TTL: "300" });
});

test("several keys: a variable for each secret", () => {
  const billing = SECRET.replace("support", "billing");
  const { agent } = make({ agentKey: [{ secretArn: SECRET }, { secretArn: billing }] });
  expect(agent.environment).toEqual({
    VALMI_AGENT_KEY_SUPPORT_SECRET_ARN: SECRET,
    VALMI_AGENT_KEY_BILLING_SECRET_ARN: billing,
  });
});
