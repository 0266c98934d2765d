import {
  adopting,
  calls,
  deploy,
  expectOneWorkingKey,
  failureOf,
  input,
  MARK,
  remove,
  THEIRS,
  UPDATE,
  withNewWorlds,
  world,
} from "./deploys";

withNewWorlds();

describe("an instance that is taken out", () => {
  const removed = { status: "removed", digest: "digest-1", reason: "" };

  test("under `protect` stays, with the way to have it removed", async () => {
    await deploy();
    const error = await failureOf(remove(input({ removal: "protect" })));
    expect(error.message).toContain("agent instance dev/support is protected");
    expect(error.message).toContain("set its environment's removal to 'deactivate' or 'delete'");
    expectOneWorkingKey();
  });

  test("under `deactivate` is inactive, also the second time", async () => {
    const { agentInstanceId } = await deploy();
    for (const updates of [1, 1]) {
      await expect(remove(input({ removal: "deactivate" }))).resolves.toMatchObject({
        ...removed,
        agentInstanceId,
      });
      expect(world.instance.isActive).toBe(false);
      expect(calls(UPDATE)).toBe(updates);
    }
  });

  test("under `delete` is gone, also the second time", async () => {
    const { agentInstanceId } = await deploy();
    await expect(remove()).resolves.toMatchObject({ ...removed, agentInstanceId });
    expect(world.instances).toEqual([]);
    await expect(remove()).resolves.toMatchObject({ ...removed, agentInstanceId: "" });
  });

  test.each(["deactivate", "delete"] as const)(
    "under `%s` though half-made is found by its mark",
    async (removal) => {
      world.foreignInstance("dev-support", MARK);
      await remove(input({ removal }));
      expect(world.instances.filter(({ isActive }) => isActive)).toEqual([]);
    },
  );

  test.each<[string, () => void]>([
    ["never was", () => {}],
    ["is a stranger's of that name", () => world.foreignInstance("dev-support")],
    ["is another secret's of that name", () => world.foreignInstance("dev-support", THEIRS)],
  ])("is none where it %s", async (_, arrange) => {
    arrange();
    const before = world.instances;
    await expect(remove()).resolves.toMatchObject({ ...removed, agentInstanceId: "" });
    expect(world.instances).toEqual(before);
  });

  test("and another secret has marked meanwhile is left to that one", async () => {
    await deploy();
    world.updateInstance({ description: THEIRS });
    await remove();
    expect(world.instance.isActive).toBe(true);
  });

  test("and whose adoption was never finished stays as it was", async () => {
    const { id } = world.foreignInstance("theirs");
    await failureOf(deploy(adopting(id, "provided")));
    await remove(adopting(id, "provided"));
    expect(world.instance.isActive).toBe(true);
  });

  test.each([
    ["is deleted", { ForceDeleteWithoutRecovery: true }],
    ["waits in its recovery window", { RecoveryWindowInDays: 7 }],
  ])("is found by its mark where the secret %s", async (_, how) => {
    await deploy();
    world.secretsManager.call("DeleteSecret", { SecretId: world.secretArn, ...how });
    await expect(remove()).resolves.toMatchObject(removed);
    expect(world.instances).toEqual([]);
  });

  test("whose stored value nobody can read is found by its mark", async () => {
    await deploy();
    world.put(world.newToken(), "my own text");
    await expect(remove()).resolves.toMatchObject(removed);
    expect(world.instances).toEqual([]);
  });
});
