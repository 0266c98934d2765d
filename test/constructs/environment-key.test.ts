import { type AgentKeysSettings, resolveSettings } from "../../constructs";
import { EnvironmentKey } from "../../constructs/environment-key";
import { leastSettings, Synthesised, stack } from "../helpers/synth";

const ACCOUNT = { AWS: "arn:aws:iam::123456789012:root" };

function make(changes: Partial<AgentKeysSettings> = {}, use: (key: EnvironmentKey) => void = () => {}) {
  const scope = stack();
  const key = new EnvironmentKey(scope, "key", {
    settings: resolveSettings({ ...leastSettings, ...changes }),
    location: { partition: "aws", region: "eu-central-1", accountId: "123456789012" },
  });
  use(key);
  return new Synthesised(scope);
}

test("a key that KMS rotates, under a name of its own", () => {
  const synthesised = make({ tags: { team: "agents" } });
  expect(synthesised.one("aws_kms_key")).toMatchObject({
    enable_key_rotation: true,
    deletion_window_in_days: 30,
    tags: { team: "agents", "valmi:environment": "dev" },
    lifecycle: { prevent_destroy: true },
  });
  expect(synthesised.one("aws_kms_alias")).toMatchObject({ name: "alias/valmi-dev-agent-keys" });
});

test("goes sooner where everything is deleted", () => {
  expect(make({ removal: "delete" }).one("aws_kms_key")).toMatchObject({
    deletion_window_in_days: 7,
    lifecycle: { prevent_destroy: false },
  });
});

test("is used through one service for one thing, by whom IAM lets, in this account, and by CloudWatch Logs", () => {
  const statements = make().statements("aws_kms_key");
  const uses = statements.filter(({ Sid }) => Sid !== "AdministrationByIam");
  expect(uses.map(({ Sid, Principal, Condition }) => [Sid, Principal, Condition])).toEqual([
    [
      "SecretsByIam",
      ACCOUNT,
      {
        StringEquals: { "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com" },
        StringLike: {
          "kms:EncryptionContext:SecretARN":
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:valmi/dev/*/agent-key-??????",
        },
      },
    ],
    [
      "IntentTableByIam",
      ACCOUNT,
      {
        StringEquals: {
          "kms:ViaService": "dynamodb.eu-central-1.amazonaws.com",
          "kms:EncryptionContext:aws:dynamodb:tableName": "valmi-dev-agent-key-intents",
        },
      },
    ],
    [
      "IntentTableGrantsByIam",
      ACCOUNT,
      {
        StringEquals: { "kms:ViaService": "dynamodb.eu-central-1.amazonaws.com" },
        Bool: { "kms:GrantIsForAWSResource": "true" },
      },
    ],
    [
      "FunctionEnvironmentByIam",
      ACCOUNT,
      { StringEquals: { "kms:ViaService": "lambda.eu-central-1.amazonaws.com" } },
    ],
    [
      "Logs",
      { Service: "logs.eu-central-1.amazonaws.com" },
      {
        ArnEquals: {
          "kms:EncryptionContext:aws:logs:arn": expect.arrayContaining([
            "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/valmi-dev-agent-key-rotation",
            "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/valmi-dev-agent-key-provisioning",
          ]),
        },
      },
    ],
  ]);
  expect(statements[0]?.Principal).toEqual(ACCOUNT);
  const administration = [statements[0]?.Action ?? []].flat().join();
  expect(administration).not.toMatch(/crypt|GenerateDataKey|CreateGrant|kms:\*/);
});

test("lets alarms and rules publish to a topic that is encrypted with it, where there is one", () => {
  const [alarms, functions] = make({}, (key) => key.admitAlarms("alarms"))
    .statements("aws_kms_key")
    .slice(-2);
  expect(alarms).toMatchObject({
    Principal: { Service: ["cloudwatch.amazonaws.com", "events.amazonaws.com"] },
    Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
    Condition: { StringEquals: { "aws:SourceAccount": "123456789012" } },
  });
  expect(functions).toMatchObject({
    Principal: ACCOUNT,
    Condition: {
      StringEquals: {
        "kms:ViaService": "sns.eu-central-1.amazonaws.com",
        "kms:EncryptionContext:aws:sns:topicArn": "arn:aws:sns:eu-central-1:123456789012:alarms",
      },
    },
  });
  expect(JSON.stringify(make().statements("aws_kms_key"))).not.toContain("cloudwatch");
});

test("its policy stays in the hands of the account, else nobody could ever change it", () => {
  const [administration] = make().statements("aws_kms_key");
  expect(administration?.Action).toEqual(
    expect.arrayContaining(["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]),
  );
  expect(administration?.Condition).toBeUndefined();
});
