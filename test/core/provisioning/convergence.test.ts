import { AgentKey } from "../../../core/key/credential";
import { serialiseRecord } from "../../../core/key/stored-value";
import { ProvisioningError } from "../../../core/provisioning/provisioning";
import { DAY, HOUR } from "../../../local/clock";
import { SECRET_NAME } from "../../../proofs/harness/builders";
import { LocalWorld } from "../../../proofs/harness/local-world";
import {
  calls,
  deploy,
  expectOneWorkingKey,
  failureOf,
  input,
  MARK,
  remove,
  startWith,
  THEIRS,
  UPDATE,
  withNewWorlds,
  world,
} from "./deploys";

withNewWorlds();

describe("a run again", () => {
  test("mints nothing and changes nothing", async () => {
    const first = await deploy();
    const before = [world.stages, serialiseRecord(world.current), world.instance];
    world.resetCalls();
    await expect(deploy()).resolves.toEqual(first);
    expect([world.stages, serialiseRecord(world.current), world.instance]).toEqual(before);
    expect(world.minted).toHaveLength(1);
    expect(world.controlPlaneCalls).toEqual(["GET /agent_instance/{id}", "GET /agent_instance/info"]);
    expect(world.dynamoDb.calls).toEqual([]);
  });

  test("after a rotation is about the rotated key", async () => {
    startWith(await LocalWorld.ready());
    world.requestRotation();
    await world.runDueSteps();
    await expect(deploy()).resolves.toMatchObject({ status: "ready" });
    expect(world.minted).toHaveLength(2);
    expectOneWorkingKey();
  });

  test("waits for a key that is not live yet, instead of minting another", async () => {
    startWith(new LocalWorld({ activationSeconds: 60 }));
    await deploy();
    await deploy();
    expect(world.minted).toHaveLength(1);
    expectOneWorkingKey();
  });

  test("follows name, description, account and contact, and only what differs", async () => {
    await deploy();
    world.resetCalls();
    await deploy(input({ name: "renamed", description: "new", accountId: "acc_456", contactId: "con_456" }));
    expect(world.instance).toMatchObject({
      name: "renamed",
      description: `new\n${MARK}`,
      accountId: "acc_456",
      contactId: "con_456",
    });
    expect(calls(UPDATE)).toBe(1);
    expect(world.minted).toHaveLength(1);
  });

  test("undoes what was changed by hand, but leaves what is not configured", async () => {
    const { accountId: _, contactId: __, ...rest } = input();
    await deploy(rest);
    world.updateInstance({ description: "by hand", accountId: "acc_456", contactId: "con_456" });
    await deploy(rest);
    expect(world.instance).toMatchObject({
      description: `answers customers\n${MARK}`,
      accountId: "acc_456",
      contactId: "con_456",
    });
  });

  test("activates an instance that was deactivated: the way back", async () => {
    await deploy();
    await remove(input({ removal: "deactivate" }));
    expect(world.currentIsAccepted).toBe(false);
    await deploy();
    expectOneWorkingKey();
    expect(world.minted).toHaveLength(1);
  });
});

describe("the stored key", () => {
  beforeEach(() => deploy());

  test("that is refused is replaced while no rotation is on", async () => {
    world.clickRotate();
    world.clock.advanceBy(DAY);
    await world.proveRefusal();
    await deploy();
    expect(world.minted).toHaveLength(3);
    expectOneWorkingKey();
  });

  test("that is refused is not replaced as long as nothing shows that refusals can be believed", async () => {
    world.clickRotate();
    world.clock.advanceBy(DAY);
    for (let count = 0; count < 10; count++) {
      expect((await failureOf(deploy())).message).toContain("nothing has shown yet");
    }
    await world.proveRefusal();
    world.clock.advanceBy(2 * HOUR);
    expect((await failureOf(deploy())).message).toContain("nothing has shown yet");
    expect(world.minted).toHaveLength(2);
  });

  test("that is refused is not replaced where nothing may be stored: nothing is minted", async () => {
    world.clickRotate();
    world.clock.advanceBy(DAY);
    await world.proveRefusal();
    world.aws.refuse("PutSecretValue", "AccessDeniedException", 100);
    expect((await failureOf(deploy())).message).toMatch(/^store-denied: /);
    expect(world.minted).toHaveLength(2);
  });

  test("that is refused after rotation was switched off is for a rotation alone to replace, deploy after deploy", async () => {
    await world.enableRotation();
    world.secretsManager.call("CancelRotateSecret", { SecretId: world.secretArn });
    world.clickRotate();
    world.clock.advanceBy(DAY);
    await world.proveRefusal();
    for (let count = 0; count < 5; count++) {
      expect((await failureOf(deploy())).message).toContain("only a rotation may store another");
    }
    expect(world.minted).toHaveLength(2);
  });

  test("that works, and whose instance the operator's key does not see, is another workspace's", async () => {
    world.foreignAnswers = {
      "GET /agent_instance/{id}": { status: 404, body: JSON.stringify({ detail: "Not found" }) },
    };
    expect((await failureOf(deploy())).message).toContain("it is for another workspace");
    expect(world.minted).toHaveLength(1);
  });

  test("that is refused is for a rotation to heal where one is on", async () => {
    await world.enableRotation();
    world.clickRotate();
    world.clock.advanceBy(DAY);
    const error = await failureOf(deploy());
    expect(error.message).toContain(`aws secretsmanager rotate-secret --secret-id ${SECRET_NAME}`);
    expect(error.message).toContain(world.current.agentKey.fingerprint);
    expect(world.minted).toHaveLength(2);
  });

  test("whose instance is gone is an error that says so", async () => {
    const { id } = world.instance;
    world.deleteInstance();
    expect((await failureOf(deploy())).message).toContain(
      `agent instance ${id} is gone from the Control Plane`,
    );
    expect(world.instances).toEqual([]);
  });

  test("whose instance another secret has marked meanwhile is left to that one", async () => {
    world.updateInstance({ description: THEIRS });
    expect((await failureOf(deploy())).message).toContain("carries the ownership marker of another secret");
    expect(world.instance.description).toBe(THEIRS);
  });

  test("of another instance is refused", async () => {
    const other = world.foreignInstance("other");
    world.put(
      world.newToken(),
      serialiseRecord({ ...world.current, agentKey: new AgentKey(other.agentKey) }),
    );
    expect((await failureOf(deploy())).message).toContain(`accepted, but for instance ${other.id}`);
  });

  test("in a value that is not ours is not overwritten", async () => {
    const versionId = world.newToken();
    world.put(versionId, "my own text");
    const error = await failureOf(deploy());
    expect(error).toBeInstanceOf(ProvisioningError);
    expect(error.message).toContain("(the secret's value is not JSON)");
    expect(error.message).not.toContain("my own text");
    expect(world.versionWith("AWSCURRENT")).toBe(versionId);
    expect(world.minted).toHaveLength(1);
    // The command that the text names, carried out.
    const [, to, from] =
      /--move-to-version-id (\S+) --remove-from-version-id (\S+)/.exec(error.message) ?? [];
    world.secretsManager.call("UpdateSecretVersionStage", {
      SecretId: SECRET_NAME,
      VersionStage: "AWSCURRENT",
      MoveToVersionId: to,
      RemoveFromVersionId: from,
    });
    await deploy();
    expectOneWorkingKey();
  });
});

test("a value that is not ours, with none before it, is left to its owner, with the way on", async () => {
  world.put(world.newToken(), "my own text");
  const error = await failureOf(deploy());
  expect(error.message).toContain("remove the instance, deploy, and add it under a new id");
  // Nothing that a person is told to do destroys a value.
  expect(error.message).not.toContain("force-delete");
  expect(world.instances).toEqual([]);
});
