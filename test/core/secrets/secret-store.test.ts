import { secretsManagerStore, VersionConflictError, versionWith } from "../../../core/secrets/secret-store";
import { LocalWorld } from "../../../proofs/harness/local-world";

const V1 = "1".repeat(32);
const V2 = "2".repeat(32);

function stored() {
  const world = new LocalWorld();
  world.put(V1, "first");
  return { world, store: secretsManagerStore(world.client), id: world.secretArn };
}

test("describes labels, tags, and whether rotation is on", async () => {
  const { world, store, id } = stored();
  await expect(store.describe("valmi/dev/support/agent-key")).resolves.toEqual({
    arn: id,
    rotationEnabled: false,
    versionStages: { [V1]: ["AWSCURRENT"] },
    tags: {
      "valmi:environment": "dev",
      "valmi:subscription": "sub_1",
      "valmi:pricing": "price_1",
      "valmi:control-plane-url": "https://value.valmi.io/api/v1",
    },
  });
  world.requestRotation(V2);
  await expect(store.describe(id)).resolves.toMatchObject({
    rotationEnabled: true,
    versionStages: { [V1]: ["AWSCURRENT"], [V2]: ["AWSPENDING"] },
  });
});

test("describes a secret that has no version yet", async () => {
  const world = new LocalWorld();
  await expect(secretsManagerStore(world.client).describe(world.secretArn)).resolves.toMatchObject({
    versionStages: {},
  });
});

describe("reading", () => {
  test("by version, and the current one", async () => {
    const { store, id } = stored();
    await expect(store.readVersion(id, V1)).resolves.toBe("first");
    await expect(store.readCurrent(id)).resolves.toBe("first");
  });

  test("what is not there is no failure: no version, no value yet, no current one, no secret", async () => {
    const { world, store, id } = stored();
    world.requestRotation(V2);
    await expect(store.readVersion(id, "3".repeat(32))).resolves.toBeUndefined();
    await expect(store.readVersion(id, V2)).resolves.toBeUndefined();
    await expect(store.readCurrent(new LocalWorld().secretArn)).resolves.toBe("first");
    await expect(secretsManagerStore(new LocalWorld().client).readCurrent(id)).resolves.toBeUndefined();
    await expect(store.readCurrent("valmi/dev/none")).resolves.toBeUndefined();
  });

  test("what is refused is", async () => {
    const { world, store, id } = stored();
    world.aws.refuse("GetSecretValue", "AccessDeniedException");
    await expect(store.readCurrent(id)).rejects.toMatchObject({ name: "AccessDeniedException" });
  });
});

describe("storing", () => {
  const version = (value: string) => ({ secretId: "", versionId: V2, value, stage: "AWSPENDING" as const });

  test("keeps AWSCURRENT where it is", async () => {
    const { world, store, id } = stored();
    await store.putVersion({ ...version("second"), secretId: id });
    expect(world.stages).toEqual({ [V1]: ["AWSCURRENT"], [V2]: ["AWSPENDING"] });
  });

  test("the same again changes nothing", async () => {
    const { world, store, id } = stored();
    await store.putVersion({ ...version("second"), secretId: id });
    await store.putVersion({ ...version("second"), secretId: id });
    expect(world.stages[V2]).toEqual(["AWSPENDING"]);
  });

  test("another content under the same id is a conflict, whose text has neither", async () => {
    const { store, id } = stored();
    await store.putVersion({ ...version("second"), secretId: id });
    const error = await store
      .putVersion({ ...version("third"), secretId: id })
      .catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(VersionConflictError);
    expect(error).toMatchObject({ message: `version ${V2} exists with another content` });
    await expect(store.readVersion(id, V2)).resolves.toBe("second");
  });

  test("passes Secrets Manager's rotation token on", async () => {
    const { world, store, id } = stored();
    const call = jest.spyOn(world.secretsManager, "call");
    const rotationToken = "r".repeat(36);
    await store.putVersion({ ...version("second"), secretId: id, rotationToken });
    expect(call).toHaveBeenLastCalledWith(
      "PutSecretValue",
      expect.objectContaining({ RotationToken: rotationToken }),
    );
  });
});

test("AWSCURRENT moves, AWSPREVIOUS follows, and only from where it is said to be", async () => {
  const { world, store, id } = stored();
  await store.putVersion({ secretId: id, versionId: V2, value: "second", stage: "AWSPENDING" });
  await expect(store.moveCurrent(id, { to: V2, from: V2 })).rejects.toMatchObject({
    name: "InvalidParameterException",
  });
  await store.moveCurrent(id, { to: V2, from: V1 });
  expect(world.stages).toEqual({ [V1]: ["AWSPREVIOUS"], [V2]: ["AWSCURRENT", "AWSPENDING"] });
});

test("AWSPENDING is taken off one version, and only that", async () => {
  const { world, store, id } = stored();
  await store.putVersion({ secretId: id, versionId: V2, value: "second", stage: "AWSPENDING" });
  await expect(store.removePending(id, V1)).rejects.toMatchObject({ name: "InvalidParameterException" });
  await store.removePending(id, V2);
  expect(world.stages).toEqual({ [V1]: ["AWSCURRENT"] });
});

test.each([
  ["AWSCURRENT", { a: ["x"], b: ["AWSPENDING", "AWSCURRENT"] }, "b"],
  ["AWSPREVIOUS", { a: ["AWSCURRENT"] }, undefined],
  ["AWSCURRENT", {}, undefined],
] as const)("%s among %j is on %s", (label, stages, versionId) => {
  expect(versionWith(label, stages)).toBe(versionId);
});
