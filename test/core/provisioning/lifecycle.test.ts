import type { ProvisioningInput } from "../../../core/contract";
import { AgentKey } from "../../../core/key/credential";
import { markDescription } from "../../../core/key/ownership";
import { serialiseRecord } from "../../../core/key/stored-value";
import { fixedVersionId, NO_VERSION } from "../../../core/protocol/intent";
import { ensureInstance, ProvisioningError, retireInstance } from "../../../core/provisioning/lifecycle";
import { DAY, MINUTE, SECOND } from "../../../local/clock";
import { adoptingInput, provisioningInput, record, SECRET_NAME } from "../../../proofs/harness/builders";
import { LocalWorld, type LocalWorldOptions } from "../../../proofs/harness/local-world";

const CREATE = "POST /agent_instance/create";
const REFRESH = "POST /agent_instance/{id}/refresh";
const UPDATE = "PUT /agent_instance/{id}";
const MARK = `[valmi-agent-keys 123456789012/eu-west-1/${SECRET_NAME}]`;
const THEIRS = "[valmi-agent-keys 123456789012/eu-west-1/valmi/dev/other/agent-key]";

let world: LocalWorld;
const errors: unknown[] = [];

beforeEach(() => {
  world = new LocalWorld();
});

afterEach(() => {
  // Whatever a test did: no key in a log, in the intent table, or in an error.
  for (const key of world.credentials) expect(world.said(errors.splice(0))).not.toContain(key);
});

async function failureOf(call: Promise<unknown>): Promise<Error> {
  const outcome = await call.catch((error: unknown) => error);
  errors.push(outcome);
  if (outcome instanceof Error) return outcome;
  throw new Error("it did not fail", { cause: outcome });
}

const restart = (options: LocalWorldOptions) => {
  world = new LocalWorld(options);
};
const input = (overrides: Partial<ProvisioningInput> = {}) =>
  provisioningInput({ secretArn: world.secretArn, ...overrides });
const adopting = (agentInstanceId: string, existingKey: "refresh" | "provided", overrides = {}) =>
  adoptingInput({ agentInstanceId, existingKey }, { secretArn: world.secretArn, ...overrides });
const deploy = (wanted: ProvisioningInput = input()) => ensureInstance(world.invocation(), wanted);
const remove = (wanted: ProvisioningInput = input()) => retireInstance(world.invocation(), wanted);
const calls = (route: string) => world.controlPlaneCalls.filter((call) => call === route).length;

/** One instance, and the key that the secret holds is its current one. */
function expectOneWorkingKey(): void {
  expect(world.current.agentKey.reveal()).toBe(world.minted.at(-1));
  expect(world.current.agentInstanceId).toBe(world.instance.id);
  expect(world.currentIsAccepted).toBe(true);
}

describe("a new instance", () => {
  test("is created with our mark, and its key goes straight into the secret", async () => {
    const result = await deploy();
    expect(result).toEqual({
      status: "ready",
      digest: "digest-1",
      secretArn: world.secretArn,
      agentInstanceId: world.instance.id,
      reason: "",
    });
    expect(world.instance).toMatchObject({
      name: "dev-support",
      description: `answers customers\n${MARK}`,
      agentTypeId: "at_support",
      accountId: "acc_123",
      contactId: "con_123",
      isActive: true,
    });
    expect(world.current).toMatchObject({
      agentInstanceId: world.instance.id,
      agentInstanceName: "dev-support",
      agentTypeId: "at_support",
      accountId: "acc_123",
      contactId: "con_123",
      subscription: "sub_1",
      pricing: "price_1",
      environment: "dev",
      issuedAt: world.clock.now(),
    });
    expect(world.current).not.toHaveProperty("previousKeyExpiresAt");
    expectOneWorkingKey();
  });

  test("needs few calls, and leaves its history", async () => {
    await deploy();
    expect(world.aws.calls).toEqual(["GetSecretValue", "DescribeSecret", "PutSecretValue"]);
    expect(world.dynamoDb.calls).toEqual(["PutItem", "UpdateItem"]);
    expect(world.controlPlaneCalls).toEqual(["GET /agent_instance/all", CREATE, "GET /agent_instance/{id}"]);
    expect(world.history).toEqual([
      expect.objectContaining({
        baseVersionId: NO_VERSION,
        versionId: world.versionWith("AWSCURRENT"),
        mint: 1,
        outcome: "promoted",
        fingerprint: world.current.agentKey.fingerprint,
      }),
    ]);
  });

  test("may name its agent type, and leave account and contact out", async () => {
    const { accountId: _, contactId: __, ...rest } = input({ agentType: { name: "Research Assistant" } });
    await deploy(rest);
    expect(world.instance).toMatchObject({ agentTypeId: "at_research", accountId: null, contactId: null });
  });

  test("with a key of an unknown format keeps that key", async () => {
    restart({ keyPrefix: "key-" });
    await deploy();
    expectOneWorkingKey();
  });
});

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
    world = await LocalWorld.ready();
    world.requestRotation();
    await world.runDueSteps();
    await expect(deploy()).resolves.toMatchObject({ status: "ready" });
    expect(world.minted).toHaveLength(2);
    expectOneWorkingKey();
  });

  test("waits for a key that is not live yet, instead of minting another", async () => {
    restart({ activationSeconds: 60 });
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

describe("what the Control Plane does not know", () => {
  test.each<[string, Partial<ProvisioningInput>, string]>([
    [
      "an agent type's name",
      { agentType: { name: "Nobody" } },
      "agentType.name: the Control Plane has no agent type of that name, got 'Nobody'",
    ],
    [
      "an agent type's id",
      { agentType: { id: "at_x" } },
      "mint-refused: .*body.agent_type_id: Agent type at_x not found",
    ],
    ["an account", { accountId: "acc_x" }, "mint-refused: .*body.account_id: Account acc_x not found"],
    [
      "a contact",
      { contactId: "con_x" },
      "mint-refused: .*body.contact_id: Contact con_x not found in account acc_123",
    ],
  ])("is named: %s; the corrected deploy goes on at once", async (_, change, text) => {
    const error = await failureOf(deploy(input(change)));
    expect(error.message).toMatch(new RegExp(text));
    expect(world.instances).toEqual([]);
    await deploy();
    expectOneWorkingKey();
  });

  test.each(["name", "agentType"] as const)("a new instance needs its %s", async (field) => {
    const { [field]: _, ...rest } = input();
    expect((await failureOf(deploy(rest))).message).toBe(
      `${field}: required for an instance that is not adopted`,
    );
  });
});

describe("where the answer to create is lost", () => {
  test("the instance is found by its mark and given one working key", async () => {
    world.orderFault(CREATE, "lost-answer");
    await deploy();
    expect([calls(CREATE), calls(REFRESH)]).toEqual([2, 1]);
    expectOneWorkingKey();
    // The lost key is in its grace period: until that ends, a rotation would be a second refresh inside it.
    expect(world.current.previousKeyExpiresAt).toBeGreaterThan(world.clock.now());
    expect(world.history).toEqual([expect.objectContaining({ mint: 2, outcome: "promoted" })]);
  });

  test("and unreadable: it is not created again", async () => {
    world.orderFault(CREATE, { status: 200 });
    world.meanwhile("GET /agent_instance/all", async () => {});
    // The first look finds nothing; the instance is there when it is looked for again.
    world.meanwhile("GET /agent_instance/all", async () => world.foreignInstance("dev-support", MARK));
    await deploy();
    expect([calls(CREATE), calls(REFRESH)]).toEqual([1, 1]);
    expectOneWorkingKey();
  });

  test("and it was never carried out: the repeated call creates it", async () => {
    world.orderFault(CREATE, "never-arrived");
    await deploy();
    expect([calls(CREATE), calls(REFRESH)]).toEqual([2, 0]);
    expect(world.minted).toHaveLength(1);
    expect(world.current).not.toHaveProperty("previousKeyExpiresAt");
    expectOneWorkingKey();
  });

  test("twice, and nothing was carried out: it stops, and the next deploy after the wait goes on", async () => {
    world.orderFault(CREATE, "never-arrived", 2);
    expect((await failureOf(deploy())).message).toMatch(/^mint-unanswered: /);
    world.clock.advanceBy(5 * MINUTE);
    await deploy();
    expectOneWorkingKey();
  });

  test("and the name turns out to be a stranger's: it is not taken over", async () => {
    world.orderFault(CREATE, "never-arrived");
    world.meanwhile(CREATE, async () => world.foreignInstance("dev-support"));
    expect((await failureOf(deploy())).message).toContain("adopt it");
    expect(world.minted).toHaveLength(1);
  });
});

describe("an attempt that died between create and store", () => {
  /** The first attempt never gets beyond its Put. */
  async function died(): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      world.aws.meanwhile("PutSecretValue", () => {
        resolve();
        return new Promise(() => {});
      });
    });
    void deploy();
    await reached;
  }

  test("may still be running: the next one waits inside its own time, mints nothing, and says when to come back", async () => {
    await died();
    const error = await failureOf(deploy());
    expect(error.message).toMatch(
      /^mint-in-flight: .*'dev\/support'; nothing was changed: deploy again after 2026-01-01T00:04:10/,
    );
    expect(world.minted).toHaveLength(1);
    expect(world.versionWith("AWSCURRENT")).toBeUndefined();
  });

  test("is surely over later: one instance, one working key", async () => {
    await died();
    world.clock.advanceBy(180 * SECOND + 70 * SECOND - 1);
    const waited = world.clock.now();
    await deploy();
    expect(world.clock.now()).toBeGreaterThan(waited);
    expect([calls(CREATE), calls(REFRESH)]).toEqual([1, 1]);
    expectOneWorkingKey();
    expect(world.history).toEqual([expect.objectContaining({ mint: 2, outcome: "promoted" })]);
  });

  test("and had not created it yet: it is created now", async () => {
    const reached = new Promise<void>((resolve) => {
      world.meanwhile(CREATE, () => {
        resolve();
        return new Promise(() => {});
      });
    });
    void deploy();
    await reached;
    world.clock.advanceBy(5 * MINUTE);
    await deploy();
    expect(world.minted).toHaveLength(1);
    expectOneWorkingKey();
  });
});

describe("two deploys at once", () => {
  test("of which the first creates late and dies: the second finds the instance when its wait is over", async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const reached = new Promise<void>((resolve) => {
      world.meanwhile(CREATE, () => {
        resolve();
        return released;
      });
    });
    const died = new Promise<void>((resolve) => {
      world.aws.meanwhile("PutSecretValue", () => {
        resolve();
        return new Promise(() => {});
      });
    });
    void deploy();
    await reached;
    world.clock.advanceBy(150 * SECOND);
    // The second one sees no instance at first; while it waits for the first one's key, the create is carried out.
    world.meanwhile("GET /agent_instance/all", async () => {});
    world.meanwhile("GET /agent_instance/all", () => {
      release();
      return died;
    });
    await deploy();
    expect([calls(CREATE), calls(REFRESH)]).toEqual([1, 1]);
    expectOneWorkingKey();
  });

  test("make one instance and one key, and both succeed", async () => {
    const results = await Promise.all([deploy(), deploy()]);
    expect(results[0]).toEqual(results[1]);
    expect(world.minted).toHaveLength(1);
    expectOneWorkingKey();
  });

  test("of which one sleeps through all of the other's work", async () => {
    world.dynamoDb.meanwhile("PutItem", () => deploy());
    await deploy();
    expect(world.minted).toHaveLength(1);
    expectOneWorkingKey();
  });

  test("of which one sleeps with its key in hand, past every bound: the stored key stays", async () => {
    world.aws.meanwhile("PutSecretValue", async () => {
      world.clock.advanceBy(5 * MINUTE);
      await deploy();
    });
    await deploy();
    expectOneWorkingKey();
  });
});

describe("storing the first key", () => {
  test("is repeated, never the create", async () => {
    world.aws.refuse("PutSecretValue", "InternalServiceError", 3);
    world.aws.loseAnswer("PutSecretValue");
    await deploy();
    expect(calls(CREATE)).toBe(1);
    expectOneWorkingKey();
  });

  test("has succeeded though its record could not be completed", async () => {
    world.dynamoDb.refuse("UpdateItem", "InternalServerError");
    await expect(deploy()).resolves.toMatchObject({ status: "ready" });
    expectOneWorkingKey();
    expect(world.logged).toContainEqual(
      expect.objectContaining({
        level: "warn",
        message: "the record of the mint could not be completed",
        fields: { outcome: "promoted", reason: "InternalServerError" },
      }),
    );
  });

  test("fails by name when the time is up, and the next deploy gives the instance a new key", async () => {
    world.aws.refuse("PutSecretValue", "AccessDeniedException", 1_000);
    expect((await failureOf(deploy())).message).toMatch(/^store-failed: /);
    world.aws.clear();
    world.clock.advanceBy(5 * MINUTE);
    await deploy();
    expectOneWorkingKey();
    expect(world.instances).toHaveLength(1);
  });
});

describe("the stored key", () => {
  beforeEach(() => deploy());

  test("that is refused is replaced while no rotation is on", async () => {
    world.clickRotate();
    world.clock.advanceBy(DAY);
    await deploy();
    expect(world.minted).toHaveLength(3);
    expectOneWorkingKey();
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
  expect(error.message).toContain(
    `aws secretsmanager delete-secret --secret-id ${SECRET_NAME} --force-delete-without-recovery`,
  );
  expect(world.instances).toEqual([]);
});

test("too little time for a mint is said to be just that, and nothing is changed", async () => {
  const error = await failureOf(ensureInstance(world.invocation(44 * SECOND), input()));
  expect(error.message).toMatch(/^out-of-time: .*'dev\/support', deploy again/);
  expect(world.instances).toEqual([]);
  expect(world.history).toEqual([]);
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
      `npx valmi-agent-keys adopt --secret ${SECRET_NAME} --region eu-west-1 ` +
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
    expect(error.message).toContain(`npx valmi-agent-keys adopt --secret ${SECRET_NAME} `);
    expect(error.message).toContain("existingKey: 'refresh'");
    expect(world.minted).toEqual([foreign.agentKey, present]);
    expect(world.history).toEqual([]);

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

test("the first version's id depends on secret and base alone, and is one that Secrets Manager accepts", () => {
  const id = fixedVersionId(world.secretArn, NO_VERSION);
  expect(id).toBe(fixedVersionId(world.secretArn, NO_VERSION));
  expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(fixedVersionId(world.secretArn, "other")).not.toBe(id);
  expect(fixedVersionId(`${world.secretArn}2`, NO_VERSION)).not.toBe(id);
});
