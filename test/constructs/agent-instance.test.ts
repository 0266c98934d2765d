import type { AgentKeysSettings } from "../../constructs";
import type { ProvisioningInput } from "../../core/contract";
import { synthAgentKeys } from "../helpers/synth";

describe("Terraform's call of the provisioning function", () => {
  const inputOf = (changes: Partial<AgentKeysSettings> = {}): ProvisioningInput =>
    JSON.parse(String(synthAgentKeys(changes).one("aws_lambda_invocation").input));

  test("with the least that an instance says", () => {
    expect(inputOf()).toEqual({
      id: "support",
      environment: "dev",
      secretArn: expect.stringContaining("aws_secretsmanager_secret.agent-keys_instances_support_secret"),
      name: "dev-support",
      description: "",
      agentType: { name: "Customer Support Bot" },
      removal: "protect",
      revision: 0,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test("with all that an instance says; what the Control Plane has no field for is left to the tags", () => {
    const instance = {
      id: "support",
      agentType: { id: "at_1" },
      name: "Support",
      accountId: "acc_1",
      contactId: "con_1",
      description: 'Says "hi"\n',
      revision: 2,
    };
    expect(
      inputOf({ removal: "delete", agentInstances: [{ ...instance, subscription: "s", pricing: "p" }] }),
    ).toEqual({
      ...instance,
      environment: "dev",
      removal: "delete",
      secretArn: expect.any(String),
      digest: expect.any(String),
    });
  });

  test("an adopted instance keeps its own name, type and description", () => {
    const adopt = { agentInstanceId: "ai_1", existingKey: "provided" as const };
    const { digest: _, secretArn: __, ...input } = inputOf({ agentInstances: [{ id: "old", adopt }] });
    expect(input).toEqual({ id: "old", environment: "dev", adopt, removal: "protect", revision: 0 });
  });

  test("the digest stays with the same input, and changes with any part of it", () => {
    const agentType = { id: "at_1" };
    const variants: Partial<AgentKeysSettings>[] = [
      { agentInstances: [{ id: "support", agentType }] },
      { agentInstances: [{ id: "support-2", agentType }] },
      { agentInstances: [{ id: "support", agentType: { name: "at_1" } }] },
      { agentInstances: [{ id: "support", agentType, name: "Support" }] },
      { agentInstances: [{ id: "support", agentType, description: "x" }] },
      { agentInstances: [{ id: "support", agentType, accountId: "x" }] },
      { agentInstances: [{ id: "support", agentType, contactId: "x" }] },
      { agentInstances: [{ id: "support", agentType, revision: 1 }] },
      { agentInstances: [{ id: "support", adopt: { agentInstanceId: "x", existingKey: "refresh" } }] },
      { agentInstances: [{ id: "support", adopt: { agentInstanceId: "x", existingKey: "provided" } }] },
      { name: "staging", agentInstances: [{ id: "support", agentType }] },
      { removal: "delete", agentInstances: [{ id: "support", agentType }] },
    ];
    const digests = variants.map((changes) => inputOf(changes).digest);
    expect(new Set(digests).size).toBe(variants.length);
    expect(variants.map((changes) => inputOf(changes).digest)).toEqual(digests);
  });

  test("is made on creation, change and removal, and never to make the instance anew", () => {
    const invocation = synthAgentKeys().one("aws_lambda_invocation");
    expect(invocation).toMatchObject({ lifecycle_scope: "CRUD", lifecycle: { prevent_destroy: true } });
    expect(invocation).not.toHaveProperty("triggers");
    expect(invocation.lifecycle).not.toHaveProperty("create_before_destroy");
    expect(synthAgentKeys({ removal: "delete" }).one("aws_lambda_invocation").lifecycle).toMatchObject({
      prevent_destroy: false,
    });
  });

  test("an answer that isn't that of the present input fails every plan, by name, reason and remedy", () => {
    const { postcondition } = synthAgentKeys().one("aws_lambda_invocation").lifecycle as {
      postcondition: { condition: string; error_message: string }[];
    };
    const [{ condition, error_message } = { condition: "", error_message: "" }] = postcondition;
    expect(condition).toContain('jsondecode(self.result).status == "ready"');
    expect(condition).toContain("jsondecode(self.result).digest == jsondecode(self.input).digest");
    expect(condition).toContain("jsondecode(self.result).secretArn == jsondecode(self.input).secretArn");
    expect(error_message).toMatch(
      /^Agent instance "support" of environment "dev" is not as configured: \${.*reason.*}\. .*raise `revision` .*\(now 0\)/,
    );
  });
});
