import type { ProvisioningInput } from "../../../core/contract";
import { NO_VERSION } from "../../../core/protocol/intent";
import { ensureInstance } from "../../../core/provisioning/convergence";
import { MINUTE, SECOND } from "../../../local/clock";
import { LocalWorld } from "../../../proofs/harness/local-world";
import {
  CREATE,
  calls,
  deploy,
  expectOneWorkingKey,
  failureOf,
  input,
  MARK,
  REFRESH,
  startWith,
  withNewWorlds,
  world,
} from "./deploys";

withNewWorlds();

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
    expect(world.dynamoDb.calls).toEqual(["TransactWriteItems", "TransactWriteItems"]);
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
    expect(world.current).toMatchObject({ agentTypeId: "at_research", accountId: "", contactId: "" });
  });

  test("with a key of an unknown format keeps that key", async () => {
    startWith(new LocalWorld({ keyPrefix: "key-" }));
    await deploy();
    expectOneWorkingKey();
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

  test("and unreadable: it is not created again, and the next deploy gives it another key", async () => {
    world.orderFault(CREATE, { status: 200 });
    world.meanwhile("GET /agent_instance/all", async () => {});
    // The first look finds nothing; the instance is there when it is looked for again.
    world.meanwhile("GET /agent_instance/all", async () => world.foreignInstance("dev-support", MARK));
    expect((await failureOf(deploy())).message).toMatch(/^mint-unreadable: /);
    expect([calls(CREATE), calls(REFRESH)]).toEqual([1, 0]);
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

  test("and the Control Plane has failed instead: the repeated call creates it", async () => {
    world.orderFault(CREATE, { status: 503 });
    await deploy();
    expect([calls(CREATE), calls(REFRESH)]).toEqual([2, 0]);
    expect(world.minted).toHaveLength(1);
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
    world.aws.meanwhile("PutSecretValue", async () =>
      world.dynamoDb.refuse("TransactWriteItems", "InternalServerError"),
    );
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

test("too little time for a mint is said to be just that, and nothing is changed", async () => {
  const error = await failureOf(ensureInstance(world.invocation(44 * SECOND), input()));
  expect(error.message).toMatch(/^out-of-time: .*'dev\/support', deploy again/);
  expect(world.instances).toEqual([]);
  expect(world.history).toEqual([]);
});
