import {
  agentKeySecretArns,
  agentKeySecretName,
  functionArn,
  functionName,
  intentTableName,
  keyAlias,
  logGroupArn,
} from "../../constructs/names";

const dev = { namePrefix: "valmi", name: "dev" };
const location = { partition: "aws", region: "eu-central-1", accountId: "123456789012" };

// A changed function name deletes and creates every agent instance; a changed secret name loses a live key.
test("names are pinned", () => {
  expect(functionName(dev, "rotation")).toBe("valmi-dev-agent-key-rotation");
  expect(functionName(dev, "provisioning")).toBe("valmi-dev-agent-key-provisioning");
  expect(agentKeySecretName(dev, "support")).toBe("valmi/dev/support/agent-key");
  expect(intentTableName(dev)).toBe("valmi-dev-agent-key-intents");
  expect(keyAlias(dev)).toBe("alias/valmi-dev-agent-keys");
});

test("ARNs are those of this environment alone", () => {
  expect(agentKeySecretArns(location, dev)).toBe(
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:valmi/dev/*/agent-key-??????",
  );
  expect(functionArn(location, "f")).toBe("arn:aws:lambda:eu-central-1:123456789012:function:f");
  expect(logGroupArn(location, "/aws/lambda/f")).toBe(
    "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/f",
  );
});
