import { type AgentKeysSettings, IntentTable, resolveSettings } from "../../constructs";
import { leastSettings, Synthesised, stack } from "../helpers/synth";

const location = { partition: "aws", region: "eu-central-1", accountId: "123456789012" };

function make(changes: Partial<AgentKeysSettings> = {}, encryptionKeyArn?: string) {
  const scope = stack();
  const table = new IntentTable(scope, "intents", {
    settings: resolveSettings({ ...leastSettings, ...changes }),
    location,
    ...(encryptionKeyArn ? { encryptionKeyArn } : {}),
  });
  return { access: table.writeAccess(), synthesised: new Synthesised(scope) };
}

test("with the least props: paid by use, protected, restorable", () => {
  expect(make().synthesised.one("aws_dynamodb_table")).toEqual({
    name: "valmi-dev-agent-key-intents",
    billing_mode: "PAY_PER_REQUEST",
    hash_key: "secretArn",
    range_key: "baseVersionId",
    attribute: [
      { name: "secretArn", type: "S" },
      { name: "baseVersionId", type: "S" },
    ],
    ttl: { enabled: true, attribute_name: "expiresAt" },
    point_in_time_recovery: { enabled: true },
    deletion_protection_enabled: true,
    lifecycle: { prevent_destroy: true },
    tags: {},
  });
});

test("with all props: own key, tags, removable", () => {
  const { synthesised } = make({ removal: "delete", tags: { team: "agents" } }, "key-arn");
  expect(synthesised.one("aws_dynamodb_table")).toMatchObject({
    server_side_encryption: { enabled: true, kms_key_arn: "key-arn" },
    tags: { team: "agents" },
    deletion_protection_enabled: false,
    lifecycle: { prevent_destroy: false },
  });
});

test("whoever writes intents may neither read nor delete them", () => {
  const [write, ...others] = make().access.statements;
  expect(write?.Action).toEqual(["dynamodb:PutItem", "dynamodb:UpdateItem"]);
  expect(others).toEqual([]);
  expect(Object.keys(make().access.environment ?? {})).toEqual(["VALMI_INTENT_TABLE"]);
});

test("an own key may be used through DynamoDB for this table only", () => {
  expect(make({}, "key-arn").access.statements[1]).toMatchObject({
    Action: "kms:Decrypt",
    Resource: "key-arn",
    Condition: {
      StringEquals: {
        "kms:ViaService": "dynamodb.eu-central-1.amazonaws.com",
        "kms:EncryptionContext:aws:dynamodb:tableName": "valmi-dev-agent-key-intents",
      },
    },
  });
});
