import fc from "fast-check";
import { parseProvisioningEvent } from "../../../lambda/provisioning/event";
import { adoptingInput, provisioningInput } from "../../../proofs/harness/builders";

const EVENT = { ...provisioningInput(), tf: { action: "create", prev_input: null } };

describe("Terraform's call", () => {
  test.each(["create", "update"])("%s is read", (action) => {
    const event = { ...EVENT, tf: { action, prev_input: EVENT } };
    expect(parseProvisioningEvent(event)).toEqual({ action, input: provisioningInput() });
  });

  test("delete is read as far as a removal needs it", () => {
    const { id, environment, secretArn, name, removal, digest } = provisioningInput();
    const event = { ...EVENT, tf: { action: "delete", prev_input: EVENT } };
    const input = { id, environment, secretArn, name, removal, digest };
    expect(parseProvisioningEvent(event)).toEqual({ action: "delete", input });
    // As an older or a newer release may have written it.
    const { revision: _, agentType: __, ...older } = event;
    const newer = { ...event, agentType: { slug: "bot" }, revision: "a", adopt: 1, tags: { team: "a" } };
    for (const each of [older, newer])
      expect(parseProvisioningEvent(each)).toEqual({ action: "delete", input });
  });

  test.each(["create", "update", "delete"])("%s is read, whatever was before it", (action) => {
    for (const before of [{ ...EVENT, tags: ["a"], tf: undefined }, { id: 1 }, "text", undefined]) {
      const event = { ...EVENT, tf: { action, prev_input: before, more: 1 } };
      expect(parseProvisioningEvent(event)).toMatchObject({ action, input: { id: "support" } });
    }
  });

  test.each<[string, object]>([
    ["tags", { tags: ["a"] }],
    ["adopt.keep", { adopt: { agentInstanceId: "ai_1", existingKey: "refresh", keep: true } }],
    ["agentType.version", { agentType: { name: "Customer Support Bot", version: 2 } }],
    ["agentType.slug", { agentType: { slug: "bot" } }],
    // Whatever else is wrong, the release is the cause.
    ["tags", { revision: "1", tags: ["a"] }],
    ["[masked]", { agent_abc123xyz: 1 }],
  ])("with %s, which it does not know, is refused on create and update", (field, unknown) => {
    for (const action of ["create", "update"]) {
      expect(() => parseProvisioningEvent({ ...EVENT, ...unknown, tf: { action } })).toThrow(
        new TypeError(
          `${field}: this provisioning function does not know the field, so it is older than the configuration that ` +
            `Terraform applies; deploy the whole environment with one release, which deploys the function too`,
        ),
      );
    }
  });

  test.each(["refresh", "provided"] as const)("to adopt with `%s` is read", (existingKey) => {
    const input = adoptingInput({ agentInstanceId: "ai_1", existingKey });
    expect(parseProvisioningEvent({ ...input, tf: EVENT.tf }).input).toEqual(input);
  });

  test.each(["protect", "deactivate", "delete"] as const)("under `%s` is read", (removal) => {
    for (const action of ["create", "update", "delete"])
      expect(parseProvisioningEvent({ ...EVENT, removal, tf: { action } }).input).toMatchObject({ removal });
  });

  test.each<[string, unknown]>([
    ["tf", { ...EVENT, tf: undefined }],
    ["tf.action", { ...EVENT, tf: { action: "read" } }],
    ["id", { ...EVENT, id: "" }],
    ["secretArn", { ...EVENT, secretArn: "valmi/dev/support/agent-key" }],
    ["name", { ...EVENT, name: "" }],
    ["agentType", { ...EVENT, agentType: "at_support" }],
    ["adopt.existingKey", { ...EVENT, adopt: { agentInstanceId: "ai_1", existingKey: "keep" } }],
    ["adopt.agentInstanceId", { ...EVENT, adopt: { existingKey: "refresh" } }],
    ["removal", { ...EVENT, removal: "destroy" }],
    ["agentType.id", { ...EVENT, agentType: { id: 1 } }],
    ["revision", { ...EVENT, revision: "1" }],
    ["digest", { ...EVENT, digest: undefined }],
    ["removal", { ...EVENT, removal: "destroy", tf: { action: "delete" } }],
    ["secretArn", { ...EVENT, secretArn: undefined, tf: { action: "delete" } }],
    ["(whole event)", null],
    ["(whole event)", []],
  ])("with a wrong %s is refused by the field's name", (field, event) => {
    const named = field === "(whole event)" && Array.isArray(event) ? "tf" : field;
    expect(() => parseProvisioningEvent(event)).toThrow(
      new TypeError(`not a provisioning call of Terraform: ${named} is missing or unreadable`),
    );
  });

  test("whatever it is, is read or refused, and never repeated", () => {
    const marker = "marker-0123456789";
    const value = fc.oneof(fc.constant(marker), fc.jsonValue());
    const changed = fc
      .tuple(fc.constantFrom(...Object.keys(EVENT)), value)
      .map(([key, to]) => ({ ...EVENT, [key]: to }));
    fc.assert(
      fc.property(fc.oneof(changed, fc.jsonValue()), (event) => {
        try {
          expect(parseProvisioningEvent(event).input.secretArn).toMatch(/^arn:/);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          expect((error as Error).message).not.toContain(marker);
        }
      }),
    );
  });
});
