import { AgentKey } from "../../../core/key/credential";
import { markDescription } from "../../../core/key/ownership";
import { serialiseRecord } from "../../../core/key/stored-value";
import { fixedVersionId, NO_VERSION } from "../../../core/protocol/intent";
import { ProvisioningError } from "../../../core/provisioning/provisioning";
import { DAY, MINUTE } from "../../../local/clock";
import { record, SECRET_NAME } from "../../../proofs/harness/builders";
import {
  adopting,
  CREATE,
  calls,
  deploy,
  expectOneWorkingKey,
  failureOf,
  input,
  MARK,
  REFRESH,
  THEIRS,
  UPDATE,
  withNewWorlds,
  world,
} from "./deploys";

withNewWorlds();

describe("where the name is taken", () => {
  test("by our own half-made instance, it is given a key", async () => {
    const { agentKey } = world.foreignInstance("dev-support", `answers customers\n${MARK}`);
    await deploy();
    expect(calls(CREATE)).toBe(0);
    expectOneWorkingKey();
    // Somebody may hold the key before: it has its grace period.
    expect(world.controlPlane.isAccepted(agentKey)).toBe(true);
    expect(world.current.previousKeyExpiresAt).toBe(world.clock.now() + DAY);
  });

  test("by a stranger's, it is refused with the two ways on, and no key is touched", async () => {
    const { id, agentKey } = world.foreignInstance("dev-support");
    const error = await failureOf(deploy());
    expect(error).toBeInstanceOf(ProvisioningError);
    expect(error.message).toContain(`an instance named 'dev-support' already (${id})`);
    expect(error.message).toContain(`adopt: { agentInstanceId: '${id}', existingKey: 'refresh' }`);
    expect(error.message).toContain("lives for the grace period only");
    expect(error.message).toContain("existingKey: 'provided' mints nothing");
    expect(world.minted).toEqual([agentKey]);
    expect(world.instance.description).toBe("somebody else's");
    expect(world.history).toEqual([]);
  });

  test("by another secret's, it is refused", async () => {
    const { agentKey } = world.foreignInstance("dev-support", THEIRS);
    const error = await failureOf(deploy());
    expect(error.message).toContain("carries the ownership marker of another secret");
    expect(world.minted).toEqual([agentKey]);
  });

  test("only now, while the instance is created, nothing is taken over, and nothing has to be waited for", async () => {
    world.meanwhile(CREATE, async () => world.foreignInstance("dev-support"));
    const error = await failureOf(deploy());
    expect(error.message).toMatch(
      /^mint-refused: .*409, Agent instance with name 'dev-support' already exists/,
    );
    expect(world.minted).toHaveLength(1);
    expect((await failureOf(deploy())).message).toContain("adopt it");
    await deploy(input({ name: "another" }));
    expect(world.instances).toHaveLength(2);
  });
});

describe("an adopted instance", () => {
  let foreign: { id: string; agentKey: string };
  beforeEach(() => {
    foreign = world.foreignInstance("theirs", "kept as it is");
  });

  test("with `refresh` is given a new key; the present one lives for the grace period; its own fields stay", async () => {
    await expect(deploy(adopting(foreign.id, "refresh"))).resolves.toMatchObject({
      status: "ready",
      agentInstanceId: foreign.id,
    });
    expect(world.instance).toMatchObject({
      name: "theirs",
      description: `kept as it is\n${MARK}`,
      accountId: "acc_456",
      contactId: "con_456",
    });
    expect(world.current).toMatchObject({
      agentInstanceName: "theirs",
      accountId: "acc_456",
      previousKeyExpiresAt: world.clock.now() + DAY,
    });
    expect(world.controlPlane.isAccepted(foreign.agentKey)).toBe(true);
    expectOneWorkingKey();

    world.resetCalls();
    await deploy(adopting(foreign.id, "refresh"));
    expect(world.minted).toHaveLength(2);
    expect(calls(UPDATE)).toBe(0);
  });

  test("with `refresh`, the first of which is lost, lives from then on", async () => {
    const asked = world.clock.now();
    world.orderFault(REFRESH, "lost-answer");
    expect((await failureOf(deploy(adopting(foreign.id, "refresh")))).message).toMatch(/^mint-unanswered: /);
    world.clock.advanceBy(5 * MINUTE);
    await deploy(adopting(foreign.id, "refresh"));
    expectOneWorkingKey();
    expect(world.current.previousKeyExpiresAt).toBe(asked + DAY);
  });

  test("with `provided` waits for the command that it names, and mints nothing", async () => {
    const error = await failureOf(deploy(adopting(foreign.id, "provided")));
    expect(error.message).toContain(`agent instance ${foreign.id} waits for its present key`);
    expect(error.message).toContain(
      `npx --no-install valmi-agent-keys adopt --secret ${SECRET_NAME} --region eu-west-1 ` +
        `--api-key-secret ${world.apiKeySecretArn} --auth api-key`,
    );
    expect(world.minted).toEqual([foreign.agentKey]);
    expect(world.dynamoDb.calls).toEqual([]);
  });

  test("with `provided` is ready once the present key is stored", async () => {
    world.put(
      fixedVersionId(world.secretArn, NO_VERSION),
      serialiseRecord(record({ agentKey: new AgentKey(foreign.agentKey), agentInstanceId: foreign.id })),
    );
    await expect(deploy(adopting(foreign.id, "provided"))).resolves.toMatchObject({ status: "ready" });
    expect(world.minted).toEqual([foreign.agentKey]);
    expect(world.instance.description).toBe(`kept as it is\n${MARK}`);
  });

  test("with `provided`, whose stored key is refused, is not given another; both ways on are named, and work", async () => {
    const provided = adopting(foreign.id, "provided");
    const base = fixedVersionId(world.secretArn, NO_VERSION);
    world.put(
      base,
      serialiseRecord(record({ agentKey: new AgentKey(foreign.agentKey), agentInstanceId: foreign.id })),
    );
    const present = world.clickRotate(foreign.id);
    world.clock.advanceBy(DAY);
    const error = await failureOf(deploy(provided));
    expect(error).toBeInstanceOf(ProvisioningError);
    expect(error.message).toContain(
      `the stored key ${new AgentKey(foreign.agentKey).fingerprint} is refused`,
    );
    expect(error.message).toContain(`npx --no-install valmi-agent-keys adopt --secret ${SECRET_NAME} `);
    expect(error.message).toContain("existingKey: 'refresh'");
    expect(world.minted).toEqual([foreign.agentKey, present]);
    expect(world.history).toEqual([]);

    await world.proveRefusal();
    await expect(deploy(adopting(foreign.id, "refresh"))).resolves.toMatchObject({ status: "ready" });
    expectOneWorkingKey();
    expect(world.minted).toHaveLength(3);
  });

  test.each(["refresh", "provided"] as const)("with `%s` must exist", async (existingKey) => {
    expect((await failureOf(deploy(adopting("ai_x", existingKey)))).message).toBe(
      "adopt.agentInstanceId: the Control Plane has no instance of that id, got ai_x",
    );
  });

  test.each(["refresh", "provided"] as const)(
    "with `%s` must not be another secret's",
    async (existingKey) => {
      world.updateInstance({
        description: markDescription("", { accountId: "123456789012", region: "eu-west-1", secretName: "x" }),
      });
      expect((await failureOf(deploy(adopting(foreign.id, existingKey)))).message).toContain(
        "another secret",
      );
      expect(world.minted).toEqual([foreign.agentKey]);
    },
  );

  test("is not exchanged for another one under the same id", async () => {
    await deploy(adopting(foreign.id, "refresh"));
    const other = world.foreignInstance("other");
    const error = await failureOf(deploy(adopting(other.id, "refresh")));
    expect(error.message).toContain(`holds the key of instance ${foreign.id}, got ${other.id}`);
  });

  test("may have been one of ours", async () => {
    world.updateInstance({ description: `text\n${MARK}` });
    await deploy(adopting(foreign.id, "refresh"));
    expectOneWorkingKey();
    expect(world.instance.description).toBe(`text\n${MARK}`);
  });
});
