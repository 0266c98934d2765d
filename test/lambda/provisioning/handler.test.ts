import { answer, handler } from "../../../lambda/provisioning/handler";
import { provisioningInput } from "../../../proofs/harness/builders";
import { LocalWorld } from "../../../proofs/harness/local-world";
import { CONTEXT, type FunctionEnvironment, functionEnvironment } from "../../helpers/function-environment";

describe("a call that fails", () => {
  let world: LocalWorld;
  beforeEach(async () => {
    world = new LocalWorld();
    await world.provision();
  });
  const log = { appendKeys: () => {}, error: () => {} };
  const call = (action: "create" | "update" | "delete", overrides: object = {}) =>
    answer({ ...provisioningInput({ secretArn: world.secretArn }), ...overrides, tf: { action } }, log, () =>
      world.invocation(),
    );

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
    await expect(call(action)).rejects.toThrow(/^operator-key-refused: .*401/);
  });

  test("as update for want of the operator's API key says what to do", async () => {
    world.setOperatorKey("token_unknown123");
    const { reason } = await call("update");
    expect(reason).toMatch(/^operator-key-refused: .*npx --no-install valmi-agent-keys operator-key set/);
  });

  test("since it has a field that the function does not know, changes nothing", async () => {
    const before = [world.instance, world.minted.length];
    const tags = { name: "renamed", tags: ["a"], digest: "digest-2" };
    await expect(call("create", tags)).rejects.toThrow(/^tags: .* deploy the whole environment/);
    await expect(call("update", tags)).resolves.toEqual({
      status: "failed",
      digest: "digest-2",
      secretArn: world.secretArn,
      agentInstanceId: "",
      reason: expect.stringMatching(/^tags: .* deploy the whole environment/),
    });
    expect([world.instance, world.minted.length]).toEqual(before);
    await expect(call("delete", tags)).resolves.toMatchObject({ status: "removed" });
  });

  test.each([
    ["update", "digest"],
    ["delete", "id"],
  ])("as %s without its %s throws", async (action, field) => {
    await expect(call(action as "update" | "delete", { [field]: undefined })).rejects.toThrow(
      `not a provisioning call of Terraform: ${field} is missing or unreadable`,
    );
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
