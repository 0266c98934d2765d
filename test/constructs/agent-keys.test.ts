import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { AgentKeys, type AgentKeysSettings, InvalidEnvironmentsError } from "../../constructs";
import { leastSettings, type Synthesised, stack, synthAgentKeys } from "../helpers/synth";

const two: Partial<AgentKeysSettings> = {
  agentInstances: [
    { id: "support", agentType: { id: "at_1" } },
    { id: "research", agentType: { id: "at_2" } },
  ],
};

const perInstance = ({ configuration }: Synthesised) => {
  const names = Object.values(configuration.resource ?? {}).flatMap((blocks) => Object.keys(blocks));
  return names.filter((name) => name.includes("_instances_")).length;
};

test("three resources per agent instance, 22 per environment, two more with a key of its own", () => {
  const none = synthAgentKeys({ agentInstances: [], kms: "aws" });
  expect(none.addresses()).toHaveLength(22);
  expect(synthAgentKeys({ agentInstances: [] }).addresses()).toHaveLength(24);
  expect(perInstance(synthAgentKeys())).toBe(3);
  expect(perInstance(synthAgentKeys(two))).toBe(6);
  expect(synthAgentKeys(two).addresses()).toHaveLength(30);
});

test("no resource of Terraform holds a value of a secret", () => {
  expect(synthAgentKeys().addresses().join()).not.toContain("secret_version");
});

test.each([
  ["keys that AWS manages", { kms: "aws" as const }],
  ["a key per environment", { kms: "managed-per-environment" as const }],
])("an instance comes after everything of the environment, and goes before it, with %s", (_, changes) => {
  const synthesised = synthAgentKeys({ ...two, ...changes });
  const ofEnvironment = synthesised.addresses().filter((address) => !address.includes("_instances_"));
  const invocation = synthesised
    .addresses()
    .find((address) => address.startsWith("aws_lambda_invocation") && address.includes("support"));
  const needs = synthesised.needs(String(invocation));
  expect([...needs]).toEqual(expect.arrayContaining(ofEnvironment));
  // And after its own secret, but nothing of another instance.
  const others = [...needs].filter((address) => !ofEnvironment.includes(address));
  expect(others).toEqual([expect.stringMatching(/^aws_secretsmanager_secret\..*support/)]);
});

describe("permissions", () => {
  const sids = (synthesised: Synthesised, part: string) =>
    synthesised.statements("aws_iam_role_policy", part).map(({ Sid }) => Sid);

  test("each function has what it needs", () => {
    const synthesised = synthAgentKeys({ kms: "aws" });
    expect(sids(synthesised, "rotation-function")).toEqual([
      "RotateAgentKeys",
      "ReadIntents",
      "WriteIntents",
      "ReadOperatorApiKey",
      "WriteLog",
    ]);
    expect(sids(synthesised, "provisioning-function")).toEqual([
      "ReadAgentKeys",
      "WriteFirstAgentKeys",
      "WriteIntents",
      "ReadOperatorApiKey",
      "WriteLog",
    ]);
    expect(sids(synthesised, "auditor")).toEqual([
      "ReadAllIntents",
      "KeepAuditRecords",
      "ReadOperatorApiKey",
      "ListSecrets",
      "AuditAgentKeys",
      "ReadAgentKey",
      "NotPending",
      "AskRotationFunction",
      "Page",
      "WriteLog",
    ]);
  });

  test.each([
    ["of its own", "managed-per-environment" as const],
    ["of the user", { keyArn: "arn:aws:kms:eu-central-1:123456789012:key/1-2" }],
  ])("with a key %s, the functions may use it for secrets and intents", (_, kms) => {
    const synthesised = synthAgentKeys({ kms });
    for (const part of ["rotation-function", "provisioning-function"]) {
      expect(sids(synthesised, part)).toEqual(
        expect.arrayContaining(["EncryptAgentKeys", "UseIntentTableKey"]),
      );
    }
    const key = typeof kms === "object" ? kms.keyArn : expect.stringContaining("aws_kms_key.");
    expect(synthesised.one("aws_secretsmanager_secret").kms_key_id).toEqual(key);
    expect(synthesised.one("aws_dynamodb_table").server_side_encryption).toEqual({
      enabled: true,
      kms_key_arn: key,
    });
  });

  test("logs and environment of the functions are encrypted with the key made here, with one of the user's if told so", () => {
    const keys = (kms?: AgentKeysSettings["kms"]) => {
      const synthesised = synthAgentKeys(kms === undefined ? {} : { kms });
      return [
        ...synthesised.all("aws_cloudwatch_log_group").map(({ kms_key_id }) => kms_key_id),
        ...synthesised.all("aws_lambda_function").map(({ kms_key_arn }) => kms_key_arn),
      ];
    };
    const all = (key: unknown) => Array(6).fill(key);
    const keyArn = "arn:aws:kms:eu-central-1:123456789012:key/1-2";
    expect(keys()).toEqual(all(expect.stringContaining("aws_kms_key.")));
    expect(keys("aws")).toEqual(all(undefined));
    expect(keys({ keyArn })).toEqual(all(undefined));
    expect(keys({ keyArn, encryptsFunctions: true })).toEqual(all(keyArn));
  });

  test("the rotation function's condition names the function as the secrets do", () => {
    const [rotate] = synthAgentKeys().statements("aws_iam_role_policy", "rotation-function");
    expect(rotate?.Condition?.StringEquals?.["secretsmanager:resource/AllowRotationLambdaArn"]).toMatch(
      /^arn:\${data\.aws_partition\..*}:lambda:eu-central-1:\${data\.aws_caller_identity\..*}:function:valmi-dev-agent-key-rotation$/,
    );
    expect(synthAgentKeys().one("aws_lambda_function", "rotation-function").function_name).toBe(
      "valmi-dev-agent-key-rotation",
    );
  });
});

describe("in somebody's own stack", () => {
  test("gives each instance's secret, id and rotation by its id", () => {
    synthAgentKeys(two, (agentKeys) => {
      expect([...agentKeys.agentKeys.keys()]).toEqual(["support", "research"]);
      expect(agentKeys.agentKey("research").secret.secretName).toBe("valmi/dev/research/agent-key");
      expect(agentKeys.agentKey("research").rotation).toBeDefined();
    });
    synthAgentKeys({ rotation: "off" }, (agentKeys) =>
      expect(agentKeys.agentKey("support").rotation).toBeUndefined(),
    );
  });

  test("lets a role of that stack read one key", () => {
    const synthesised = synthAgentKeys(two, (agentKeys) => {
      const role = new IamRole(agentKeys, "reader", { name: "reader", assumeRolePolicy: "{}" });
      agentKeys.agentKey("support").secret.grantRead("reader", role.name);
    });
    const [read] = synthesised.statements("aws_iam_role_policy", "support_secret_reader");
    expect(read?.Resource).toContain("instances_support_secret");
  });

  test("says which instances there are when asked for another", () => {
    synthAgentKeys(two, (agentKeys) => {
      expect(() => agentKeys.agentKey("sales")).toThrow(
        /no agent instance "sales" at .*agent-keys; configured: support, research/,
      );
    });
  });

  test("refuses wrong props with all that is wrong with them", () => {
    const wrong = { name: "Dev", rotation: { windowHours: 25 } };
    expect(() => synthAgentKeys(wrong)).toThrow(InvalidEnvironmentsError);
    expect(() => synthAgentKeys(wrong)).toThrow(
      /^2 problems in .*\n- Dev: `name` .*\n- Dev: `rotation.windowHours`/,
    );
  });

  test("refuses what belongs to a stack", () => {
    expect(() => synthAgentKeys({ accountId: "123456789012" } as Partial<AgentKeysSettings>)).toThrow(
      /`accountId` is not a field/,
    );
  });

  test("needs the bundles that the package ships, where none are given", () => {
    expect(() => new AgentKeys(stack(), "agent-keys", leastSettings)).toThrow(
      /no function bundle at .*functions/,
    );
  });

  test("warns of very many instances", () => {
    const agentInstances = Array.from({ length: 1_001 }, (_, n) => ({
      id: `a-${n}`,
      agentType: { id: "at_1" },
    }));
    const scope = stack();
    // Without bundles, it ends before it makes the instances.
    expect(() => new AgentKeys(scope, "agent-keys", { ...leastSettings, agentInstances })).toThrow(/bundle/);
    expect(scope.node.findChild("agent-keys").node.metadata).toMatchObject([
      { type: "@cdktf/warn", data: expect.stringMatching(/at most 1000 in one stack/) },
    ]);
  });
});
