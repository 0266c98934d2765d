import { type AgentKeysSettings, resolveSettings } from "../../constructs";
import { EnvironmentKey } from "../../constructs/environment-key";
import { leastSettings, Synthesised, stack } from "../helpers/synth";

function make(changes: Partial<AgentKeysSettings> = {}) {
  const scope = stack();
  new EnvironmentKey(scope, "key", {
    settings: resolveSettings({ ...leastSettings, ...changes }),
    location: { partition: "aws", region: "eu-central-1", accountId: "123456789012" },
  });
  return new Synthesised(scope);
}

test("a key that KMS rotates, under a name of its own", () => {
  const synthesised = make({ tags: { team: "agents" } });
  expect(synthesised.one("aws_kms_key")).toMatchObject({
    enable_key_rotation: true,
    deletion_window_in_days: 30,
    tags: { team: "agents" },
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

test("is used through Secrets Manager and DynamoDB only, by whom IAM lets, in this account", () => {
  const statements = make().statements("aws_kms_key");
  for (const { Effect, Principal, Action, Condition } of statements) {
    expect(Effect).toBe("Allow");
    expect(Principal).toEqual({ AWS: "arn:aws:iam::123456789012:root" });
    const usesKey = [Action].flat().some((action) => /crypt|GenerateDataKey|CreateGrant|kms:\*/.test(action));
    if (!usesKey) continue;
    expect(Condition?.StringEquals).toEqual({
      "kms:ViaService": ["secretsmanager.eu-central-1.amazonaws.com", "dynamodb.eu-central-1.amazonaws.com"],
    });
  }
  expect(statements.map(({ Sid }) => Sid)).toEqual([
    "AdministrationByIam",
    "UseThroughServicesByIam",
    "GrantsToServicesByIam",
  ]);
});

test("its policy stays in the hands of the account, else nobody could ever change it", () => {
  const [administration] = make().statements("aws_kms_key");
  expect(administration?.Action).toEqual(
    expect.arrayContaining(["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]),
  );
  expect(administration?.Condition).toBeUndefined();
});
