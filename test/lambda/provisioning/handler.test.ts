import fc from "fast-check";
import type { ProvisioningInput } from "../../../core/contract";
import { handler, parseProvisioningEvent, provision } from "../../../lambda/provisioning/handler";
import { adoptingInput, provisioningInput } from "../../../proofs/harness/builders";
import { LocalWorld } from "../../../proofs/harness/local-world";
import { CONTEXT, type FunctionEnvironment, functionEnvironment } from "../../helpers/function-environment";

const EVENT = { ...provisioningInput(), tf: { action: "create", prev_input: null } };

describe("Terraform's call", () => {
  test.each(["create", "update", "delete"])("%s is read", (action) => {
    const event = { ...EVENT, tf: { action, prev_input: EVENT } };
    expect(parseProvisioningEvent(event)).toEqual({ action, input: provisioningInput() });
  });

  test("to adopt is read", () => {
    const input = adoptingInput({ agentInstanceId: "ai_1", existingKey: "provided" });
    expect(parseProvisioningEvent({ ...input, tf: EVENT.tf }).input).toEqual(input);
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
    ["revision", { ...EVENT, revision: "1" }],
    ["digest", { ...EVENT, digest: undefined }],
    ["(whole event)", null],
    ["(whole event)", []],
  ])("with a wrong %s is refused by the field's name", (field, event) => {
    const named = field === "(whole event)" && Array.isArray(event) ? "id" : field;
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

describe("a call that fails", () => {
  let world: LocalWorld;
  beforeEach(async () => {
    world = new LocalWorld();
    await world.provision();
  });
  const call = (action: "create" | "update" | "delete", overrides: Partial<ProvisioningInput> = {}) =>
    provision(world.invocation(), {
      action,
      input: provisioningInput({ secretArn: world.secretArn, ...overrides }),
    });

  test("as update answers with a status that later plans can see", async () => {
    const answer = await call("update", { accountId: "acc_x", digest: "digest-2" });
    expect(answer).toEqual({
      status: "failed",
      digest: "digest-2",
      secretArn: world.secretArn,
      agentInstanceId: "",
      reason: expect.stringContaining("body.account_id: Account acc_x not found"),
    });
    await expect(call("update", { digest: "digest-3" })).resolves.toMatchObject({
      status: "ready",
      digest: "digest-3",
    });
  });

  test.each(["create", "delete"] as const)("as %s throws, so that Terraform repeats it", async (action) => {
    world.setOperatorKey("token_unknown123");
    await expect(call(action)).rejects.toMatchObject({ kind: "unauthorized" });
  });

  test("as update for want of the operator's API key says what to do", async () => {
    world.setOperatorKey("token_unknown123");
    const { reason } = await call("update");
    expect(reason).toMatch(/^operator-key-refused: .*valmi-agent-keys operator-key set/);
  });
});

describe("the function", () => {
  let world: LocalWorld;
  let environment: FunctionEnvironment;
  beforeAll(async () => {
    world = new LocalWorld();
    environment = await functionEnvironment(world);
  });
  afterAll(() => environment.close());
  afterEach(() => {
    for (const key of world.credentials) expect(JSON.stringify(environment.logged)).not.toContain(key);
  });

  const event = (action: string) => ({
    ...provisioningInput({ secretArn: world.secretArn }),
    tf: { action, prev_input: null },
  });

  test("creates, converges and removes, and answers with ids only", async () => {
    const created = await handler(event("create"), CONTEXT);
    expect(created).toMatchObject({ status: "ready", agentInstanceId: world.instance.id });
    expect(world.currentIsAccepted).toBe(true);
    for (const key of world.credentials) expect(JSON.stringify(created)).not.toContain(key);
    await expect(handler(event("update"), CONTEXT)).resolves.toEqual(created);
    await expect(handler(event("delete"), CONTEXT)).resolves.toMatchObject({ status: "removed" });
    expect(world.instances).toEqual([]);
    expect(environment.logged.at(-1)).toMatchObject({
      message: "retired",
      correlationId: "request-1",
      instance: "dev/support",
      action: "delete",
    });
  });

  test("waits for its own policy to take effect", async () => {
    const { setTimeout: wait } = globalThis;
    jest
      .spyOn(globalThis, "setTimeout")
      .mockImplementation(((work: () => void, ms: number) => wait(work, ms === 2_000 ? 0 : ms)) as never);
    world.aws.refuse("GetSecretValue", "AccessDeniedException", 2);
    await expect(handler(event("delete"), CONTEXT)).resolves.toMatchObject({ status: "removed" });
    jest.mocked(globalThis.setTimeout).mockRestore();
  });

  test("names a refused operator's API key", async () => {
    world.setOperatorKey("token_unknown123");
    const error: Error = await handler(event("create"), CONTEXT).catch((thrown) => thrown);
    expect(error.message).toMatch(/^operator-key-refused: /);
    expect(environment.logged.at(-1)).toMatchObject({ level: "ERROR", reason: error.message });
  });
});
