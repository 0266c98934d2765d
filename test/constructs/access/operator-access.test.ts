import type { PolicyStatement } from "../../../constructs";
import { synthAgentKeys } from "../../helpers/synth";

const granted = (changes: Parameters<typeof synthAgentKeys>[0] = {}) => {
  const synthesised = synthAgentKeys(changes, (agentKeys) =>
    agentKeys.grantOperate("on-call", "on-call-role"),
  );
  return { policy: synthesised.one("aws_iam_role_policy", "on-call"), synthesised };
};
const statementsOf = (changes?: Parameters<typeof synthAgentKeys>[0]): PolicyStatement[] =>
  JSON.parse(String(granted(changes).policy.policy)).Statement;
const sids = (changes?: Parameters<typeof synthAgentKeys>[0]) => statementsOf(changes).map(({ Sid }) => Sid);

test("a policy of the role's own, named after the environment", () => {
  expect(granted().policy).toMatchObject({ name: "operate-dev-agent-keys", role: "on-call-role" });
});

test("nobody operates who was not let", () => {
  const policies = synthAgentKeys().all("aws_iam_role_policy");
  expect(policies.filter(({ name }) => String(name).startsWith("operate-"))).toEqual([]);
});

test("reaches this environment's secrets, and deletes, makes and reconfigures nothing", () => {
  const statements = statementsOf();
  const actions = statements.flatMap(({ Action = [] }) => Action);
  expect(
    actions.filter((action) =>
      /Delete|Create|Tag|PutResourcePolicy|:Update(?!SecretVersionStage)/.test(action),
    ),
  ).toEqual([]);
  const secrets = statements.find(({ Sid }) => Sid === "OperateAgentKeys")?.Resource;
  expect(secrets).toMatch(/:secret:valmi\/dev\/\*\/agent-key-\?{6}$/);
  expect(statements.filter(({ Resource }) => Resource === "*").map(({ Sid }) => Sid)).toEqual(["List"]);
});

test("stores a value only where no rotation is configured", () => {
  const [store] = statementsOf().filter(({ Sid }) => Sid === "StoreAdoptedKeys");
  expect(store?.Condition).toEqual({ Null: { "secretsmanager:resource/AllowRotationLambdaArn": "true" } });
});

const apiKey = { apiKeySecretName: "valmi/dev/operator-api-key" };
const KEY_ARN = "arn:aws:kms:eu-central-1:123456789012:key/own";

test.each([
  [{ kms: "aws" as const }, []],
  [{}, ["UseAgentKeysKey", "UseIntentTableKey", "ReadFunctionEnvironment"]],
  [{ kms: { keyArn: KEY_ARN } }, ["UseAgentKeysKey", "UseIntentTableKey"]],
  [{ kms: "aws" as const, controlPlane: { ...apiKey, apiKeyKmsKeyArn: KEY_ARN } }, ["UseOperatorApiKeysKey"]],
])("with %j it uses the keys of what it reads: %j", (changes, expected) => {
  expect(
    sids(changes).filter((sid) => /Key$|Environment$|UseOperator/.test(sid) && sid !== "KeepOperatorApiKey"),
  ).toEqual(expected);
});
