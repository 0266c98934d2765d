import { AgentKey } from "../../../core/key/credential";
import { serialiseRecord } from "../../../core/key/stored-value";
import type { Intent } from "../../../core/protocol/intent";
import { orderUpon } from "../../../core/protocol/orders";
import { Stop, type StopName } from "../../../core/protocol/stops";
import { ROTATION_STEPS, type RotationDeps } from "../../../core/rotation/rotation";
import { runStep } from "../../../core/rotation/steps";
import { DAY, HOUR, MINUTE, SECOND } from "../../../local/clock";
import { LocalWorld, type LocalWorldOptions } from "../../../proofs/harness/local-world";

const REFRESH = "POST /agent_instance/{id}/refresh";
const INFO = "GET /agent_instance/info";
const GET_INSTANCE = "GET /agent_instance/{id}";

let world: LocalWorld;
const errors: unknown[] = [];

const ready = async (options: LocalWorldOptions = {}) => {
  world = await LocalWorld.ready(options);
};

/** Runs a step that is expected to stop, and gives the stop. */
async function stopOf(step: Promise<unknown>): Promise<Stop> {
  const outcome = await step.catch((error: unknown) => error);
  errors.push(outcome);
  if (outcome instanceof Stop) return outcome;
  throw new Error("the step did not stop", { cause: outcome });
}

/** Done while the refresh is on its way: whatever comes before the mint is over. */
function afterMint(happens: () => void): void {
  world.meanwhile(REFRESH, async () => happens());
}

const refreshes = () => world.controlPlaneCalls.filter((route) => route === REFRESH).length;
/** What a person does to clear a stuck rotation. */
function removePending(versionId: string): void {
  const [SecretId, VersionStage] = [world.secretArn, "AWSPENDING"];
  world.secretsManager.call("UpdateSecretVersionStage", {
    SecretId,
    VersionStage,
    RemoveFromVersionId: versionId,
  });
}

/** What an operator places, by the command line, upon the current version. */
async function placeOrder(kind: "paused" | "ordered", until: number): Promise<void> {
  const { intents } = world.invocation();
  const names = { secretArn: world.secretArn, baseVersionId: world.versionWith("AWSCURRENT") as string };
  const standing = await intents.read(names.secretArn, names.baseVersionId);
  const order = orderUpon(standing, {
    ...names,
    kind,
    until,
    now: world.clock.now(),
    agentInstanceId: world.current.agentInstanceId,
    owner: `operator-${until}`,
  }) as Intent;
  const { taken } = await (standing ? intents.retake(order, standing) : intents.take(order));
  expect(taken).toBe(true);
}

const lastKey = () => world.minted.at(-1);

afterEach(() => {
  // Whatever a test did: no key in a log, in the intent table, or in an error.
  for (const key of world.credentials) expect(world.said(errors.splice(0))).not.toContain(key);
});

describe("a clean rotation", () => {
  beforeEach(() => ready());

  test("gives the agent a new key under AWSCURRENT, and leaves the old one its grace period", async () => {
    const old = world.current;
    const before = world.versionWith("AWSCURRENT") as string;
    const token = world.requestRotation();
    await expect(world.runDueSteps()).resolves.toEqual(ROTATION_STEPS.map((step) => ({ step })));

    expect(world.stages).toMatchObject({
      [before]: ["AWSPREVIOUS"],
      [token]: expect.arrayContaining(["AWSCURRENT"]),
    });
    expect(world.current.agentKey.reveal()).toBe(lastKey());
    expect(world.minted).toHaveLength(2);
    expect(world.currentIsAccepted).toBe(true);
    expect(world.controlPlane.isAccepted(old.agentKey.reveal())).toBe(true);
    world.clock.advanceBy(DAY);
    expect(world.controlPlane.isAccepted(old.agentKey.reveal())).toBe(false);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("needs 8 calls of Secrets Manager, 3 of DynamoDB and 5 of the Control Plane", async () => {
    world.requestRotation();
    await world.runDueSteps();
    expect(world.aws.calls).toEqual([
      "DescribeSecret",
      "GetSecretValue",
      "GetSecretValue",
      "GetSecretValue",
      // Whether a value may be stored at all, before a key is minted.
      "PutSecretValue",
      "PutSecretValue",
      "UpdateSecretVersionStage",
      "DescribeSecret",
    ]);
    expect(world.dynamoDb.calls).toEqual(["Query", "TransactWriteItems", "TransactWriteItems"]);
    expect(world.controlPlaneCalls).toEqual([INFO, GET_INSTANCE, REFRESH, INFO, INFO]);
  });

  test("is complete after createSecret: mint, store, test and promotion in one invocation", async () => {
    const token = world.requestRotation();
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("stores the key before anything else is asked or told", async () => {
    const order: string[] = [];
    const { aws, dynamoDb, controlPlaneCalls } = world;
    for (const [name, calls] of Object.entries({
      aws: aws.calls,
      dynamoDb: dynamoDb.calls,
      cp: controlPlaneCalls,
    })) {
      jest.spyOn(calls, "push").mockImplementation((call) => order.push(`${name} ${call}`));
    }
    await world.step("createSecret", world.requestRotation());
    expect(order[order.indexOf(`cp ${REFRESH}`) - 1]).toBe("dynamoDb TransactWriteItems");
    expect(order[order.indexOf(`cp ${REFRESH}`) + 1]).toBe("aws PutSecretValue");
    jest.restoreAllMocks();
  });

  test("writes instance, tags and times beside the key", async () => {
    world.updateInstance({ name: "renamed", accountId: "acc_456", contactId: "con_456" });
    world.requestRotation();
    await world.runDueSteps();
    expect(world.current).toMatchObject({
      agentInstanceId: world.instance.id,
      agentInstanceName: "renamed",
      agentTypeId: "at_support",
      accountId: "acc_456",
      contactId: "con_456",
      subscription: "sub_1",
      pricing: "price_1",
      environment: "dev",
      controlPlaneUrl: "https://value.valmi.io/api/v1",
      issuedAt: world.clock.now(),
      previousKeyExpiresAt: world.clock.now() + DAY,
    });
  });

  test("counts the old key's last hours from before the refresh, so that they never end later in the record than in truth", async () => {
    const asked = world.clock.now();
    world.meanwhile(REFRESH, async () => world.clock.advanceBy(5 * SECOND));
    world.requestRotation();
    await world.runDueSteps();
    expect(world.current).toMatchObject({ issuedAt: asked + 5 * SECOND, previousKeyExpiresAt: asked + DAY });
  });

  test("tells what it does, by fingerprints", async () => {
    const from = world.current.agentKey.fingerprint;
    const logged = world.logged.length;
    world.requestRotation();
    await world.runDueSteps();
    const { fingerprint } = world.current.agentKey;
    expect(world.logged.slice(logged)).toEqual([
      { level: "info", message: "minted and stored", fields: { mint: 1, fingerprint } },
      { level: "info", message: "promoted", fields: { fingerprint, from } },
      { level: "info", message: "already promoted", fields: {} },
    ]);
  });

  test.each([
    ["sends back the rotation token that the event has", { rotationToken: "rotation-token".padEnd(36, "-") }],
    ["sends no rotation token where the event has none", {}],
  ])("%s", async (_, event) => {
    const token = world.requestRotation();
    const deps = world.invocation();
    const put = jest.spyOn(deps.secrets, "putVersion");
    await runStep(deps, { step: "createSecret", secretArn: world.secretArn, token, ...event });
    const [version] = put.mock.calls[0] ?? [];
    expect(version).toStrictEqual({
      secretId: world.secretArn,
      versionId: token,
      stage: "AWSPENDING",
      value: expect.any(String),
      ...event,
    });
  });

  test("leaves its history", async () => {
    const before = world.versionWith("AWSCURRENT");
    const old = world.current.agentKey.fingerprint;
    const token = world.requestRotation();
    await world.runDueSteps();
    expect(world.history.at(-1)).toMatchObject({
      baseVersionId: before,
      versionId: token,
      agentInstanceId: world.instance.id,
      mint: 1,
      outcome: "promoted",
      takenAt: world.clock.now(),
      settledAt: world.clock.now(),
      fingerprint: world.current.agentKey.fingerprint,
      previousFingerprint: old,
      previousKeyExpiresAt: world.clock.now() + DAY,
      previousKeyHonoured: true,
      graceLeftMs: DAY,
    });
    expect(world.logged.filter(({ level }) => level !== "info")).toEqual([]);
  });

  test.each(ROTATION_STEPS)("changes nothing where %s is run again", async (step) => {
    const token = world.requestRotation();
    for (const each of ROTATION_STEPS) {
      await world.step(each, token);
      if (each === step) await world.step(each, token);
    }
    await world.step(step, token);
    expect(world.minted).toHaveLength(2);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });

  test("follows another one, once the grace period is over", async () => {
    for (let rotation = 1; rotation <= 3; rotation++) {
      world.clock.advanceBy(DAY);
      world.requestRotation();
      await world.runDueSteps();
      expect(world.minted).toHaveLength(1 + rotation);
      expect(world.currentIsAccepted).toBe(true);
    }
  });
});

describe("the test run when rotation is switched on", () => {
  test("passes on a copy of the current value, and changes nothing", async () => {
    world = new LocalWorld();
    await world.provision();
    world.resetCalls();
    world.requestRotation(undefined, { immediately: false });
    await expect(world.runDueSteps()).resolves.toEqual([{ step: "testSecret" }]);
    expect(world.minted).toHaveLength(1);
    expect(Object.values(world.stages)).toEqual([["AWSCURRENT"]]);
    expect(world.aws.calls).toEqual(["DescribeSecret", "GetSecretValue", "GetSecretValue"]);
    expect(world.dynamoDb.calls).toEqual([]);
    expect(world.controlPlaneCalls).toEqual([GET_INSTANCE, INFO]);
    const { fingerprint } = world.current.agentKey;
    expect(world.logged).toContainEqual({ level: "info", message: "tested", fields: { fingerprint } });
  });

  test.each<[string, (world: LocalWorld) => void, StopName]>([
    ["a refused key", (w) => w.clickRotate() && w.clock.advanceBy(DAY), "pending-refused"],
    ["an inactive instance", (w) => w.updateInstance({ isActive: false }), "instance-inactive"],
    ["a refused operator's API key", (w) => w.setOperatorKey("token_unknown123"), "operator-key-refused"],
    ["another secret's instance", (w) => w.updateInstance({ description: theirs }), "wrong-instance"],
  ])("fails on %s", async (_, arrange, state) => {
    world = new LocalWorld();
    await world.provision();
    arrange(world);
    world.requestRotation(undefined, { immediately: false });
    const [outcome] = await world.runDueSteps();
    expect(outcome).toMatchObject({ step: "testSecret", error: { state } });
  });
});

const theirs = "text\n[valmi-agent-keys 123456789012/eu-west-1/valmi/dev/other/agent-key]";

describe("before anything is changed, createSecret stops by name:", () => {
  const pending = (w: LocalWorld) => w.requestRotation();
  const cases: [StopName, (w: LocalWorld) => string][] = [
    [
      "rotation-disabled",
      (w) => {
        const token = pending(w);
        w.secretsManager.call("CancelRotateSecret", { SecretId: w.secretArn });
        return token;
      },
    ],
    ["unknown-version", (w) => w.newToken()],
    [
      "not-pending",
      (w) => {
        const token = pending(w);
        w.secretsManager.call("UpdateSecretVersionStage", {
          SecretId: w.secretArn,
          VersionStage: "AWSPENDING",
          RemoveFromVersionId: token,
        });
        w.secretsManager.call("UpdateSecretVersionStage", {
          SecretId: w.secretArn,
          VersionStage: "mine",
          MoveToVersionId: token,
        });
        return token;
      },
    ],
    [
      "current-unreadable",
      (w) => {
        w.put(w.newToken(), "my own text");
        return pending(w);
      },
    ],
    [
      "operator-key-refused",
      (w) => {
        w.setOperatorKey("token_unknown123");
        return pending(w);
      },
    ],
    [
      "control-plane-unavailable",
      (w) => {
        w.orderFault(GET_INSTANCE, { status: 503 }, 4);
        return pending(w);
      },
    ],
    [
      "control-plane-unavailable",
      (w) => {
        w.orderFault(INFO, "never-arrived", 4);
        return pending(w);
      },
    ],
    [
      "instance-gone",
      (w) => {
        w.deleteInstance();
        return pending(w);
      },
    ],
    [
      "instance-inactive",
      (w) => {
        w.updateInstance({ isActive: false });
        return pending(w);
      },
    ],
    [
      "wrong-instance",
      (w) => {
        w.updateInstance({ description: theirs });
        return pending(w);
      },
    ],
    [
      "wrong-instance",
      (w) => {
        const { agentKey } = w.foreignInstance("other");
        w.put(
          w.newToken(),
          serialiseRecord({
            ...w.current,
            agentKey: new AgentKey(agentKey),
          }),
        );
        return pending(w);
      },
    ],
    [
      "mint-refused",
      (w) => {
        w.orderFault(REFRESH, { status: 409 });
        return pending(w);
      },
    ],
    [
      "mint-refused",
      (w) => {
        w.orderFault(REFRESH, { status: 422 });
        return pending(w);
      },
    ],
    [
      "operator-key-refused",
      (w) => {
        w.orderFault(REFRESH, { status: 403 });
        return pending(w);
      },
    ],
  ];

  test.each(cases)("%s", async (state, arrange) => {
    await ready();
    const token = await arrange(world);
    const keys = world.instances.flatMap(({ keys }) => keys.length);
    const stages = world.stages;
    const stop = await stopOf(world.step("createSecret", token));
    expect(stop.state).toBe(state);
    expect(stop.message).toMatch(new RegExp(`^${state}: `));
    expect(world.instances.flatMap(({ keys }) => keys.length)).toEqual(keys);
    expect(world.stages).toEqual(stages);
    expect(world.hasValue(token)).toBe(false);
  });

  test("current-missing", async () => {
    world = new LocalWorld();
    world.requestRotation();
    const token = world.versionWith("AWSPENDING") as string;
    expect((await stopOf(world.step("createSecret", token))).state).toBe("current-missing");
    expect(world.controlPlaneCalls).toEqual([]);
  });

  test("current-missing, where a version carries AWSCURRENT and nobody can read it", async () => {
    await ready();
    const token = world.requestRotation();
    const invocation = unseen(world.versionWith("AWSCURRENT") ?? "");
    expect((await stopOf(world.step("createSecret", token, invocation))).state).toBe("current-missing");
    expect(world.controlPlaneCalls).toEqual([]);
  });

  test("out-of-time, with the instance looked at and nothing asked of it", async () => {
    await ready();
    const token = world.requestRotation();
    const stop = await stopOf(world.step("createSecret", token, world.invocation(44 * SECOND)));
    expect(stop.state).toBe("out-of-time");
    expect(refreshes()).toBe(0);
    expect(world.dynamoDb.calls).toEqual(["Query"]);

    await world.step("createSecret", token, world.invocation(45 * SECOND));
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });

  test("grace-running, until the old key's promised end; the empty version is let go", async () => {
    await ready();
    world.requestRotation();
    await world.runDueSteps();
    const until = world.current.previousKeyExpiresAt as number;
    world.clock.advanceBy(DAY - 1 * SECOND);
    const token = world.requestRotation();
    const stop = await stopOf(world.step("createSecret", token));
    expect(stop.state).toBe("grace-running");
    expect(stop.message).toContain(new Date(until).toISOString());
    expect(world.minted).toHaveLength(2);
    expect(world.versionWith("AWSPENDING")).not.toBe(token);

    world.clock.advanceBy(1 * SECOND);
    await world.step("createSecret", world.requestRotation());
    expect(world.minted).toHaveLength(3);
  });

  describe("an operator's order", () => {
    test("to pause stops every rotation until its end, and changes nothing", async () => {
      await ready();
      await placeOrder("paused", world.clock.now() + HOUR);
      const token = world.requestRotation();
      expect((await stopOf(world.step("createSecret", token))).state).toBe("paused");
      expect(world.versionWith("AWSPENDING")).not.toBe(token);
      expect(world.minted).toHaveLength(1);
      world.clock.advanceBy(HOUR);
      await world.step("createSecret", world.requestRotation());
      expect(world.minted).toHaveLength(2);
      expect(world.currentIsAccepted).toBe(true);
    });

    test("to resume ends a pause", async () => {
      await ready();
      await placeOrder("paused", world.clock.now() + DAY);
      await placeOrder("paused", world.clock.now());
      await world.step("createSecret", world.requestRotation());
      expect(world.minted).toHaveLength(2);
    });

    test("to mint goes before a running grace period, once and for a while", async () => {
      await ready();
      await world.step("createSecret", world.requestRotation());
      world.clock.advanceBy(HOUR);
      await placeOrder("ordered", world.clock.now() + MINUTE);
      world.clock.advanceBy(MINUTE);
      expect((await stopOf(world.step("createSecret", world.requestRotation()))).state).toBe("grace-running");
      await placeOrder("ordered", world.clock.now() + MINUTE);
      await world.step("createSecret", world.requestRotation());
      expect(world.minted).toHaveLength(3);
      expect(world.currentIsAccepted).toBe(true);
      expect((await stopOf(world.step("createSecret", world.requestRotation()))).state).toBe("grace-running");
    });

    test("to pause, once it is over, lets no refresh go before a running grace period", async () => {
      await ready();
      await world.step("createSecret", world.requestRotation());
      await placeOrder("paused", world.clock.now() + MINUTE);
      world.clock.advanceBy(HOUR);
      expect((await stopOf(world.step("createSecret", world.requestRotation()))).state).toBe("grace-running");
      expect(world.minted).toHaveLength(2);
    });

    test("that was begun is brought to its end, though the guard is up", async () => {
      await ready();
      await world.step("createSecret", world.requestRotation());
      world.clock.advanceBy(HOUR);
      await placeOrder("ordered", world.clock.now() + MINUTE);
      world.orderFault(REFRESH, "never-arrived");
      const token = world.requestRotation();
      expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-unanswered");
      world.clock.advanceBy(5 * MINUTE);
      await world.step("createSecret", token);
      expect(world.versionWith("AWSCURRENT")).toBe(token);
      expect(world.currentIsAccepted).toBe(true);
    });

    test("whose key was lost is brought to its end, though the guard is up", async () => {
      await ready();
      await world.step("createSecret", world.requestRotation());
      await placeOrder("ordered", world.clock.now() + MINUTE);
      const token = world.requestRotation();
      world.put(token, serialiseRecord(world.current), ["AWSPENDING"]);
      expect((await stopOf(world.step("createSecret", token, unseen(token)))).state).toBe("version-taken");
      await world.step("createSecret", world.requestRotation());
      expect(world.current.agentKey.reveal()).toBe(lastKey());
      expect(refreshes()).toBe(3);
    });

    test("whose stored key died is brought to its end, though the guard is up", async () => {
      // The grace period is shorter in truth, so that none runs when the ordered refresh comes, and the current key gets one.
      await ready({ graceHours: 1, configuredGraceHours: 24, secondRefresh: "E" });
      await world.step("createSecret", world.requestRotation());
      world.clock.advanceBy(2 * HOUR);
      await placeOrder("ordered", world.clock.now() + MINUTE);
      const token = world.requestRotation();
      afterMint(() => world.aws.meanwhile("PutSecretValue", async () => void world.clickRotate()));
      expect((await stopOf(world.step("createSecret", token))).state).toBe("pending-key-dead");
      expect(world.currentIsAccepted).toBe(true);
      await world.step("createSecret", world.requestRotation());
      expect(world.current.agentKey.reveal()).toBe(lastKey());
      expect(world.currentIsAccepted).toBe(true);
    });
  });

  test("a refusal is told though its record could not be written; the next attempt waits for it", async () => {
    await ready();
    const token = world.requestRotation();
    world.orderFault(REFRESH, { status: 409 });
    world.dynamoDb.refuse("UpdateItem", "InternalServerError");
    const stop = await stopOf(world.step("createSecret", token));
    expect(stop.message).toMatch(/^mint-refused: .*409, Ordered fault/);
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-in-flight");
    world.clock.advanceBy(5 * MINUTE);
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });

  test("a refusal leaves no wait behind: the next attempt asks again at once", async () => {
    await ready();
    const token = world.requestRotation();
    world.orderFault(REFRESH, { status: 422 });
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-refused");
    world.clock.advanceBy(MINUTE);
    const asked = world.clock.now();
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.minted).toHaveLength(2);
    // The refused one has begun no grace period.
    expect(world.current.previousKeyExpiresAt).toBe(asked + DAY);
    expect(world.history.at(-1)).toMatchObject({ mint: 2, outcome: "promoted" });
  });
});

test.each(["setSecret", "finishSecret"] as const)(
  "%s has nothing left to do, and asks nobody",
  async (step) => {
    await ready();
    await world.step(step, world.newToken());
    expect(world.aws.calls).toEqual([]);
  },
);

describe("testSecret", () => {
  const step = "testSecret";

  test("stops by name on a version without value", async () => {
    await ready();
    const token = world.requestRotation();
    expect((await stopOf(world.step(step, token))).state).toBe("pending-empty");
  });

  test("stops by name on a value that is not ours", async () => {
    await ready();
    const token = world.requestRotation();
    world.put(token, "my own text", ["AWSPENDING"]);
    const stop = await stopOf(world.step(step, token));
    expect(stop.state).toBe("pending-unreadable");
    expect(stop.message).not.toContain("my own text");
  });

  test("reads a value again that a read right after the write did not see", async () => {
    await ready();
    const token = world.requestRotation();
    world.put(token, serialiseRecord(world.current), ["AWSPENDING"]);
    world.aws.refuse("GetSecretValue", "ResourceNotFoundException", 3);
    const started = world.clock.now();
    await world.step(step, token);
    expect(world.clock.now() - started).toBe(500 + 1_000 + 2_000);
  });
});

describe("where the answer to the refresh is lost", () => {
  test("and the old key is refused now, though accepted just before: one more key is minted, at once", async () => {
    await ready({ graceHours: 0 });
    const token = world.requestRotation();
    world.orderFault(REFRESH, "lost-answer");
    await world.step("createSecret", token);
    expect(world.minted).toHaveLength(3);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.currentIsAccepted).toBe(true);
    expect(world.history.at(-1)).toMatchObject({
      mint: 2,
      outcome: "promoted",
      earlierMints: [expect.anything()],
    });
  });

  test("and the old key is still accepted: nobody can tell, so nothing is minted until the attempt is surely over", async () => {
    await ready();
    const token = world.requestRotation();
    world.orderFault(REFRESH, "lost-answer");
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-unanswered");

    const waits = await stopOf(world.step("createSecret", token));
    expect(waits.state).toBe("mint-in-flight");
    const until = Date.parse(/until (\S+Z)/.exec(waits.message)?.[1] ?? "");
    world.clock.advanceBy(until - world.clock.now() - 10 * SECOND);
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-in-flight");
    expect(world.minted).toHaveLength(2);

    world.clock.advanceBy(10 * SECOND);
    await world.step("createSecret", token);
    expect(world.minted).toHaveLength(3);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("the old key's last hours are counted from the refresh that may have begun them", async () => {
    await ready();
    const token = world.requestRotation();
    const asked = world.clock.now();
    world.orderFault(REFRESH, "lost-answer");
    await stopOf(world.step("createSecret", token));
    // Asked again, and refused for another reason, it has begun all the same.
    world.clock.advanceBy(10 * MINUTE);
    world.orderFault(REFRESH, { status: 422 });
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-refused");
    await world.step("createSecret", token);
    expect(world.current.previousKeyExpiresAt).toBe(asked + DAY);
    expect(world.history.at(-1)).toMatchObject({ mint: 3, previousKeyExpiresAt: asked + DAY });
  });

  test("and nothing was carried out: the same wait, then one key", async () => {
    await ready();
    const token = world.requestRotation();
    world.orderFault(REFRESH, "never-arrived");
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-unanswered");
    world.clock.advanceBy(10 * MINUTE);
    await world.step("createSecret", token);
    expect(world.minted).toHaveLength(2);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });

  test("and the old key was dead before: its refusal proves nothing", async () => {
    await ready({ graceHours: 0 });
    world.clickRotate();
    await world.proveRefusal();
    const token = world.requestRotation();
    world.orderFault(REFRESH, "lost-answer");
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-unanswered");
    expect(refreshes()).toBe(1);
  });

  test("and the Control Plane cannot be asked what came of it", async () => {
    await ready();
    const token = world.requestRotation();
    world.orderFault(REFRESH, "lost-answer");
    world.meanwhile(INFO, async () => world.orderFault(INFO, { status: 503 }, 4));
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-unanswered");
  });

  test("twice", async () => {
    await ready({ graceHours: 0 });
    const token = world.requestRotation();
    world.orderFault(REFRESH, "lost-answer", 2);
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-unanswered");
    expect(refreshes()).toBe(2);
    world.clock.advanceBy(10 * MINUTE);
    await world.step("createSecret", token);
    expect(world.currentIsAccepted).toBe(true);
    expect(world.history.at(-1)).toMatchObject({ mint: 3 });
  });

  test("and a new token comes next: it mints no second key beside the first", async () => {
    await ready({ undocumented: { retryToken: "new", retryOnDemandForMs: HOUR } });
    world.requestRotation();
    world.orderFault(REFRESH, "lost-answer");
    await world.runDueSteps();
    world.clock.advanceBy(10 * MINUTE);
    await world.runDueSteps();
    expect(refreshes()).toBe(2);
    expect(world.currentIsAccepted).toBe(true);
  });
});

describe("where a key is stored and was not promoted", () => {
  /** The label move fails until the invocation's time is up. */
  async function storeOnly(): Promise<string> {
    const token = world.requestRotation();
    world.aws.refuse("UpdateSecretVersionStage", "InternalServiceError", 100);
    expect((await stopOf(world.step("createSecret", token))).state).toBe("promotion-failed");
    expect(world.hasValue(token)).toBe(true);
    world.aws.clear();
    return token;
  }

  test("the next attempt promotes it and mints nothing", async () => {
    await ready();
    const token = await storeOnly();
    world.resetCalls();
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.minted).toHaveLength(2);
    expect(world.aws.calls).not.toContain("PutSecretValue");
    expect(world.history.at(-1)).toMatchObject({ outcome: "promoted", mint: 1 });
    expect(world.logged).toContainEqual({
      level: "info",
      message: "not the first attempt",
      fields: { course: "promote", copy: false, mint: 1, version: token },
    });
  });

  test("the next attempt promotes it also where a key before the current one carries AWSPREVIOUS", async () => {
    await ready();
    world.requestRotation();
    await world.runDueSteps();
    world.clock.advanceBy(DAY);
    const token = await storeOnly();
    expect(world.versionWith("AWSPREVIOUS")).toBeDefined();
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.minted).toHaveLength(3);
  });

  test("a newer token gets a copy of it, and mints nothing", async () => {
    await ready();
    const token = await storeOnly();
    removePending(token);
    const newer = world.requestRotation();
    await world.step("createSecret", newer);
    expect(world.versionWith("AWSCURRENT")).toBe(newer);
    expect(serialiseRecord(world.stored(newer))).toBe(serialiseRecord(world.stored(token)));
    expect(world.minted).toHaveLength(2);
  });

  test("and is refused because somebody refreshed since: AWSPENDING is taken off, and the next rotation mints", async () => {
    await ready({ graceHours: 0, configuredGraceHours: 24 });
    const token = await storeOnly();
    world.clickRotate();
    world.clock.advanceBy(10 * MINUTE);
    // Both are refused, and nobody knows whether refusals mean anything.
    expect((await stopOf(world.step("createSecret", token))).state).toBe("refusals-not-believed");
    expect(world.versionWith("AWSPENDING")).toBe(token);
    await world.proveRefusal();
    const stop = await stopOf(world.step("createSecret", token));
    expect(stop.message).toBe(new Stop("pending-key-dead").message);
    expect(world.versionWith("AWSPENDING")).toBeUndefined();
    expect(world.history.at(-1)).toMatchObject({ mint: 1, outcome: "dead" });
    expect(refreshes()).toBe(1);

    const next = world.requestRotation();
    await world.step("createSecret", next);
    expect(world.versionWith("AWSCURRENT")).toBe(next);
    expect(world.currentIsAccepted).toBe(true);
    expect(refreshes()).toBe(2);
  });

  test("is promoted although the guard holds, also beside a new intent table: its refresh has begun the current key's last hours", async () => {
    await ready();
    await world.step("createSecret", world.requestRotation());
    world.clock.advanceBy(HOUR);
    await placeOrder("ordered", world.clock.now() + MINUTE);
    const token = await storeOnly();
    world.table.items.clear();
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.current.agentKey.reveal()).toBe(lastKey());
    expect(refreshes()).toBe(2);
  });
});

/** An invocation whose reads lag: it does not see what a version holds. */
function unseen(versionId: string): ReturnType<LocalWorld["invocation"]> {
  const deps = world.invocation();
  const readVersion: RotationDeps["secrets"]["readVersion"] = async (secretId, id) =>
    id === versionId ? undefined : deps.secrets.readVersion(secretId, id);
  return { ...deps, secrets: { ...deps.secrets, readVersion } };
}

describe("storing the new key", () => {
  test("is tried until it succeeds", async () => {
    await ready();
    const token = world.requestRotation();
    afterMint(() => world.aws.refuse("PutSecretValue", "InternalServiceError", 5));
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.minted).toHaveLength(2);
    expect(world.logged.filter(({ level }) => level === "error")).toHaveLength(5);
    // It was noted as in vain until it was promoted.
    expect(world.history.at(-1)).toMatchObject({ outcome: "promoted", trouble: "unstored" });
    await expect(world.invocation().intents.halt()).resolves.toMatchObject({ vain: [] });
  });

  test("is repeated where its answer was lost, never the refresh", async () => {
    await ready();
    const token = world.requestRotation();
    afterMint(() => world.aws.loseAnswer("PutSecretValue"));
    await world.step("createSecret", token);
    expect(world.aws.calls.filter((call) => call === "PutSecretValue")).toHaveLength(3);
    expect(refreshes()).toBe(1);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });

  test("fails by name only when the invocation's time is up", async () => {
    await ready();
    const token = world.requestRotation();
    afterMint(() => world.aws.refuse("PutSecretValue", "AccessDeniedException", 1_000));
    const deps = world.invocation();
    const stop = await stopOf(world.step("createSecret", token, deps));
    expect(stop.state).toBe("store-failed");
    expect(deps.budget.remainingMs()).toBeLessThan(10 * SECOND);
    expect(deps.budget.remainingMs()).toBeGreaterThan(0);
    expect(world.versionWith("AWSCURRENT")).not.toBe(token);
  });

  test("under a token that holds a value no newer than the current one: nothing is minted", async () => {
    await ready();
    const token = world.requestRotation();
    world.put(token, serialiseRecord(world.current), ["AWSPENDING"]);
    expect((await stopOf(world.step("createSecret", token))).state).toBe("pending-leftover");
    expect(world.history.at(-1)).toMatchObject({ mint: 1, outcome: "refused" });
    expect(world.versionWith("AWSPENDING")).toBeUndefined();
    expect(refreshes()).toBe(0);

    const next = world.requestRotation();
    await world.step("createSecret", next);
    expect(world.versionWith("AWSCURRENT")).toBe(next);
    expect(world.history.at(-1)).toMatchObject({ mint: 2, outcome: "promoted" });
  });

  test("under a token that holds a value which the look did not see: the minted key is lost, and said to be", async () => {
    await ready();
    const token = world.requestRotation();
    world.put(token, serialiseRecord(world.current), ["AWSPENDING"]);
    expect((await stopOf(world.step("createSecret", token, unseen(token)))).state).toBe("version-taken");
    expect(world.versionWith("AWSPENDING")).toBeUndefined();
    expect(world.history.at(-1)).toMatchObject({ outcome: "lost" });

    const next = world.requestRotation();
    await world.step("createSecret", next);
    expect(world.versionWith("AWSCURRENT")).toBe(next);
    expect(world.history.at(-1)).toMatchObject({ mint: 2, outcome: "promoted" });
  });

  test("under a taken token after a lost answer: it is the second mint that is said to be lost", async () => {
    await ready({ graceHours: 0 });
    const token = world.requestRotation();
    world.put(token, serialiseRecord(world.current), ["AWSPENDING"]);
    world.orderFault(REFRESH, "lost-answer");
    expect((await stopOf(world.step("createSecret", token, unseen(token)))).state).toBe("version-taken");
    expect(world.history.at(-1)).toMatchObject({ mint: 2, outcome: "lost" });
  });

  test("a key of an unknown format is stored, tested and reported", async () => {
    await ready({ keyPrefix: "key-" });
    const token = world.requestRotation();
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.logged).toContainEqual(
      expect.objectContaining({ level: "warn", message: expect.stringContaining("unknown format") }),
    );
  });
});

describe("a new key that is not live yet", () => {
  test("is waited for inside the invocation", async () => {
    await ready({ activationSeconds: 60 });
    const started = world.clock.now();
    const token = world.requestRotation();
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.clock.now() - started).toBeGreaterThanOrEqual(60 * SECOND);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("is asked for again where the Control Plane fails meanwhile", async () => {
    await ready();
    const token = world.requestRotation();
    world.meanwhile(REFRESH, async () => world.orderFault(INFO, { status: 503 }, 8));
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.minted).toHaveLength(2);
  });

  test("that never becomes live was refreshed away: it is dropped, and the next rotation mints", async () => {
    await ready({ graceHours: 0 });
    const token = world.requestRotation();
    afterMint(() => world.aws.meanwhile("PutSecretValue", async () => void world.clickRotate()));
    expect((await stopOf(world.step("createSecret", token))).state).toBe("pending-key-dead");
    expect(world.versionWith("AWSPENDING")).toBeUndefined();
    expect(world.history.at(-1)).toMatchObject({ outcome: "dead" });
    await world.proveRefusal();
    const next = world.requestRotation();
    await world.step("createSecret", next);
    expect(world.versionWith("AWSCURRENT")).toBe(next);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("is as old as its mint, however long it took to store", async () => {
    await ready({ graceHours: 0 });
    const token = world.requestRotation();
    afterMint(() =>
      world.aws.meanwhile("PutSecretValue", async () => {
        world.clock.advanceBy(DAY);
        world.clickRotate();
      }),
    );
    // By the time that it is tested it is too old to be merely not live yet.
    const asked = world.clock.now();
    const invocation = world.invocation(2 * DAY);
    expect((await stopOf(world.step("createSecret", token, invocation))).state).toBe("pending-key-dead");
    expect(world.clock.now() - asked).toBe(DAY);
  });

  test("stays stored where the time is up, and the next attempt goes on", async () => {
    await ready({ activationSeconds: 60 });
    const token = world.requestRotation();
    const stop = await stopOf(world.step("createSecret", token, world.invocation(50 * SECOND)));
    expect(stop.state).toBe("key-not-live-yet");
    expect(world.versionWith("AWSCURRENT")).not.toBe(token);
    world.clock.advanceBy(MINUTE);
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.minted).toHaveLength(2);
  });

  test("stays stored where the time is up, and the next attempt waits on", async () => {
    await ready({ activationSeconds: 60 });
    const token = world.requestRotation();
    await stopOf(world.step("createSecret", token, world.invocation(50 * SECOND)));
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.minted).toHaveLength(2);
  });

  test("is never promoted as another instance's", async () => {
    await ready();
    const other = world.foreignInstance("other");
    const token = world.requestRotation();
    const identify = world.controlPlane.identify.bind(world.controlPlane);
    jest.spyOn(world.controlPlane, "identify").mockImplementation((key) => ({
      ...identify(key),
      ...(key === world.instances[0]?.keys[1]?.value ? { id: other.id } : {}),
    }));
    expect((await stopOf(world.step("createSecret", token))).state).toBe("wrong-instance");
    expect(world.versionWith("AWSCURRENT")).not.toBe(token);
    jest.restoreAllMocks();
  });
});

describe("the promotion", () => {
  test("whose answer was lost is done", async () => {
    await ready();
    const token = world.requestRotation();
    world.aws.loseAnswer("UpdateSecretVersionStage");
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.aws.calls.filter((call) => call === "UpdateSecretVersionStage")).toHaveLength(1);
  });

  test("that fails is repeated", async () => {
    await ready();
    const token = world.requestRotation();
    world.aws.refuse("UpdateSecretVersionStage", "InternalServiceError", 3);
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });

  test.each<[string, () => string]>([
    ["the key before, stored once more", () => serialiseRecord(world.current)],
    ["what nobody can read", () => "my own text"],
  ])(
    "goes on where somebody moves AWSCURRENT meanwhile, to %s: the key issued last wins",
    async (_, value) => {
      await ready();
      const token = world.requestRotation();
      world.clock.advanceBy(SECOND);
      const byHand = world.newToken();
      world.aws.meanwhile("UpdateSecretVersionStage", async () => world.put(byHand, value()));
      await world.step("createSecret", token);
      expect(world.versionWith("AWSCURRENT")).toBe(token);
      expect(world.versionWith("AWSPREVIOUS")).toBe(byHand);
      expect(world.current.agentKey.reveal()).toBe(lastKey());
    },
  );

  test("gives up in time where AWSCURRENT never stays where it was seen", async () => {
    await ready();
    const token = world.requestRotation();
    for (let times = 1; times <= 200; times++) {
      world.aws.meanwhile("UpdateSecretVersionStage", async () => world.put(world.newToken(), "my own text"));
    }
    expect((await stopOf(world.step("createSecret", token))).state).toBe("promotion-failed");
  });

  test("gives way where somebody stores a newer key meanwhile", async () => {
    await ready();
    const token = world.requestRotation();
    const byHand = world.newToken();
    world.aws.meanwhile("UpdateSecretVersionStage", async () => {
      world.clock.advanceBy(SECOND);
      const agentKey = new AgentKey(world.clickRotate());
      world.put(byHand, serialiseRecord({ ...world.current, agentKey, issuedAt: world.clock.now() }));
    });
    expect((await stopOf(world.step("createSecret", token))).state).toBe("promoted-meanwhile");
    expect(world.versionWith("AWSCURRENT")).toBe(byHand);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("stands, whatever fails after it", async () => {
    await ready();
    const token = world.requestRotation();
    afterMint(() => world.dynamoDb.refuse("TransactWriteItems", "InternalServerError"));
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.logged).toContainEqual(
      expect.objectContaining({ level: "warn", message: "the record of the mint could not be completed" }),
    );
  });
});

describe("the grace period", () => {
  test("that nobody can ask for is told, and the rest of the history is kept", async () => {
    await ready();
    const token = world.requestRotation();
    world.aws.meanwhile("UpdateSecretVersionStage", async () => world.orderFault(INFO, { status: 503 }, 4));
    await world.step("createSecret", token);
    expect(world.history.at(-1)).toMatchObject({ outcome: "promoted", graceLeftMs: expect.any(Number) });
    expect(world.history.at(-1)).not.toHaveProperty("previousKeyHonoured");
    expect(world.logged).toContainEqual(
      expect.objectContaining({
        level: "warn",
        message: "nobody knows whether the old key's grace period is honoured",
      }),
    );
  });

  const finding = expect.objectContaining({
    level: "warn",
    message: expect.stringMatching(/^grace-not-honoured: /),
  });

  test("of zero in truth, against the configured one, is a finding; the new key is in place all the same", async () => {
    await ready({ graceHours: 0, configuredGraceHours: 24 });
    world.requestRotation();
    await world.runDueSteps();
    expect(world.currentIsAccepted).toBe(true);
    expect(world.logged).toContainEqual(finding);
    expect(world.history.at(-1)).toMatchObject({ previousKeyHonoured: false });
  });

  test("of zero, as configured, is none", async () => {
    await ready({ graceHours: 0 });
    world.requestRotation();
    await world.runDueSteps();
    expect(world.currentIsAccepted).toBe(true);
    expect(world.logged).not.toContainEqual(finding);
    expect(world.history.at(-1)).toMatchObject({ previousKeyHonoured: false, graceLeftMs: 0 });
  });

  test("does not hold back the healing of a dead current key", async () => {
    await ready({ graceHours: 0, configuredGraceHours: 24 });
    world.requestRotation();
    await world.runDueSteps();
    world.clickRotate();
    expect(world.currentIsAccepted).toBe(false);
    const token = world.requestRotation();
    expect((await stopOf(world.step("createSecret", token))).state).toBe("refusal-unproven");
    expect(refreshes()).toBe(1);
    await world.proveRefusal();
    await world.step("createSecret", token);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("began with the healing of a dead current key too: the next rotation has to wait for its end", async () => {
    await ready();
    world.clickRotate();
    world.clock.advanceBy(DAY);
    expect(world.currentIsAccepted).toBe(false);
    await world.proveRefusal();
    await world.step("createSecret", world.requestRotation());
    expect(world.currentIsAccepted).toBe(true);
    const stop = await stopOf(world.step("createSecret", world.requestRotation()));
    expect(stop.state).toBe("grace-running");
    expect(world.minted).toHaveLength(3);
  });
});

describe("two attempts at once", () => {
  test("mint one key, whichever of their calls come in between", async () => {
    await ready();
    const token = world.requestRotation();
    const outcomes = await Promise.allSettled([
      world.step("createSecret", token),
      world.step("createSecret", token),
    ]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).not.toEqual([]);
    expect(world.minted).toHaveLength(2);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });

  test("of which one slept through the other's promotion, under the same token", async () => {
    await ready();
    const token = world.requestRotation();
    // The other attempt does everything between this one's look and its intent.
    world.dynamoDb.meanwhile("TransactWriteItems", () => world.step("createSecret", token));
    await world.step("createSecret", token);
    expect(world.minted).toHaveLength(2);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });

  test("of which one slept through the other's promotion, under another token", async () => {
    await ready();
    const slept = world.requestRotation();
    let token = "";
    world.dynamoDb.meanwhile("TransactWriteItems", async () => {
      removePending(slept);
      token = world.requestRotation();
      await world.step("createSecret", token);
    });
    expect((await stopOf(world.step("createSecret", slept))).state).toBe("promoted-meanwhile");
    expect(world.history.at(-1)).toMatchObject({ outcome: "promoted" });
    expect(world.minted).toHaveLength(2);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("of which one was the first to decide on a second mint: the other one makes none", async () => {
    await ready();
    const token = world.requestRotation();
    world.orderFault(REFRESH, "never-arrived");
    await stopOf(world.step("createSecret", token));
    world.clock.advanceBy(10 * MINUTE);
    // The other attempt comes between the intent that this one finds standing, and its own.
    world.dynamoDb.meanwhile("TransactWriteItems", async () =>
      world.dynamoDb.meanwhile("TransactWriteItems", () => world.step("createSecret", token)),
    );
    const stop = await stopOf(world.step("createSecret", token));
    expect(stop.message).toMatch(/^mint-in-flight: .*\(mint 2 by another attempt\)$/);
    expect(world.minted).toHaveLength(2);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });

  test("of which one slept while the other stored: it promotes the stored key by its own token", async () => {
    await ready();
    const token = world.requestRotation();
    world.aws.meanwhile("UpdateSecretVersionStage", () => world.step("createSecret", token));
    await world.step("createSecret", token);
    expect(world.minted).toHaveLength(2);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
  });
});

describe("a roll-back to the key before", () => {
  /** What a person does where the new key turns out to be bad. */
  function rollBack(from: string, to: string): void {
    world.secretsManager.call("UpdateSecretVersionStage", {
      SecretId: world.secretArn,
      VersionStage: "AWSCURRENT",
      MoveToVersionId: to,
      RemoveFromVersionId: from,
    });
  }

  /** The attempt dies between the promotion and what it would have left in the record. */
  async function promotedUnrecorded(token: string): Promise<void> {
    world.aws.meanwhile("UpdateSecretVersionStage", async () =>
      world.dynamoDb.refuse("TransactWriteItems", "InternalServerError"),
    );
    await world.step("createSecret", token);
    expect(world.history.at(-1)).toMatchObject({ outcome: "open" });
  }

  test("from a key whose promotion nobody recorded: it is not promoted again, and a new one is minted", async () => {
    await ready();
    const before = world.versionWith("AWSCURRENT") as string;
    const bad = world.requestRotation();
    await promotedUnrecorded(bad);
    rollBack(bad, before);
    removePending(bad);
    const token = world.requestRotation();
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-in-flight");
    world.clock.advanceBy(5 * MINUTE);
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.minted).toHaveLength(3);
    expect(world.current.agentKey.reveal()).toBe(lastKey());
  });

  test("from such a key, whose version still carries AWSPENDING: that is taken off, and the next rotation mints", async () => {
    await ready();
    const before = world.versionWith("AWSCURRENT") as string;
    const bad = world.requestRotation();
    await promotedUnrecorded(bad);
    rollBack(bad, before);
    world.clock.advanceBy(5 * MINUTE);
    expect(world.stages[bad]).toEqual(expect.arrayContaining(["AWSPENDING", "AWSPREVIOUS"]));
    expect((await stopOf(world.step("createSecret", bad))).state).toBe("pending-leftover");
    const token = world.requestRotation();
    await world.step("createSecret", token);
    expect(world.current.agentKey.reveal()).toBe(lastKey());
    expect(world.minted).toHaveLength(3);
  });

  test("from such a key, promoted as a copy: it is not promoted again either", async () => {
    await ready();
    const before = world.versionWith("AWSCURRENT") as string;
    const older = world.requestRotation();
    world.aws.refuse("UpdateSecretVersionStage", "InternalServiceError", 100);
    expect((await stopOf(world.step("createSecret", older))).state).toBe("promotion-failed");
    world.aws.clear();
    removePending(older);
    const bad = world.requestRotation();
    await promotedUnrecorded(bad);
    rollBack(bad, before);
    removePending(bad);
    world.clock.advanceBy(5 * MINUTE);
    const token = world.requestRotation();
    await world.step("createSecret", token);
    expect(world.current.agentKey.reveal()).toBe(lastKey());
    expect(world.minted).toHaveLength(3);
  });

  test("can be followed by a rotation once the promotion is sure to be seen, and mints afresh", async () => {
    await ready({ graceHours: 0 });
    const before = world.versionWith("AWSCURRENT") as string;
    const bad = world.requestRotation();
    await world.runDueSteps();
    rollBack(bad, before);
    removePending(bad);
    const token = world.requestRotation();
    expect((await stopOf(world.step("createSecret", token))).state).toBe("mint-in-flight");
    world.clock.advanceBy(5 * MINUTE);
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.current.agentKey.reveal()).toBe(lastKey());
    expect(world.minted).toHaveLength(3);
    expect(world.history.at(-1)).toMatchObject({ mint: 2, outcome: "promoted" });
  });
});

describe("a cause that lasts", () => {
  const minted = () => world.instances.flatMap(({ keys }) => keys).length;
  const interval = 5 * MINUTE;

  /** One attempt every 5 minutes, as the auditor asks for them. Gives the names of their ends. */
  async function attempts(count: number): Promise<string[]> {
    const ends: string[] = [];
    for (let attempt = 0; attempt < count; attempt++) {
      const token = world.versionWith("AWSPENDING") ?? world.requestRotation();
      const end = await world.step("createSecret", token).then(
        () => "promoted",
        (error: unknown) => (error instanceof Stop ? error.state : String(error)),
      );
      ends.push(end);
      if (end === "promoted") break;
      world.clock.advanceBy(interval);
    }
    return ends;
  }

  test("a policy that denies to store costs no key", async () => {
    await ready();
    world.aws.refuse("PutSecretValue", "AccessDeniedException", 20);
    expect(await attempts(20)).toEqual(Array(20).fill("store-denied"));
    expect(minted()).toBe(1);
    expect(await attempts(1)).toEqual(["promoted"]);
    expect(minted()).toBe(2);
  });

  test("a Put that fails after the mint: a copy of the current value has to be stored before another key is minted", async () => {
    await ready();
    afterMint(() => world.aws.refuse("PutSecretValue", "InternalServiceError", 1_000));
    expect(await attempts(1)).toEqual(["store-failed"]);
    expect(world.history.at(-1)).toMatchObject({ outcome: "open", trouble: "unstored" });
    // As long as nothing can be stored, nothing is minted.
    expect(await attempts(6)).toEqual(Array(6).fill("store-denied"));
    expect(minted()).toBe(2);

    world.aws.clear();
    const current = world.current.agentKey.reveal();
    expect(await attempts(2)).toEqual(["write-proven", "promoted"]);
    expect(minted()).toBe(3);
    expect(world.current.agentKey.reveal()).not.toBe(current);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("keys that are never stored: three mints, and no more, however long it lasts", async () => {
    await ready();
    // The probe and the copy are let through: only what follows a mint is refused.
    const refuseAfterMint = () =>
      world.meanwhile(REFRESH, async () => {
        world.aws.refuse("PutSecretValue", "InternalServiceError", 1_000);
        refuseAfterMint();
      });
    refuseAfterMint();
    for (let count = 0; count < 100; count++) {
      const [end] = await attempts(1);
      world.aws.clear();
      if (count > 5) expect(end).toBe("mint-bound");
    }
    expect(minted()).toBe(1 + 3);
    expect(world.currentIsAccepted).toBe(true);
  });

  test("a key under another name is minted once, and again only when a person orders it", async () => {
    await ready();
    world.controlPlaneAnswers = (answer) => {
      const { secret_token: _, secret: __, ...rest } = answer as Record<string, unknown>;
      return { ...rest, token: "agent_unreadable_1" };
    };
    expect(await attempts(300)).toEqual(Array(300).fill("mint-unreadable"));
    expect(minted()).toBe(2);
    await placeOrder("ordered", world.clock.now() + HOUR);
    world.controlPlaneAnswers = undefined;
    expect(await attempts(2)).toContain("promoted");
    expect(minted()).toBe(3);
  });

  test.each([
    ["the route of the key check is gone", { status: 404, body: "<html>Not found</html>" }],
    ["a firewall refuses it", { status: 403, body: "<html>Forbidden</html>" }],
    ["it is answered by a page", { status: 200, body: "<html>Welcome</html>" }],
  ])("%s: nothing is minted, for ever", async (_, foreign) => {
    await ready();
    world.foreignAnswers = { [INFO]: foreign };
    expect(await attempts(300)).toEqual(Array(300).fill("key-check-unreadable"));
    expect(minted()).toBe(1);
    world.foreignAnswers = {};
    expect(await attempts(1)).toEqual(["promoted"]);
  });

  test("a stored key that nobody can test is promoted two hours before the key that it replaces ends", async () => {
    await ready();
    const token = world.requestRotation();
    world.meanwhile(REFRESH, async () => {
      world.foreignAnswers = { [INFO]: { status: 404, body: "<html>Not found</html>" } };
    });
    const asked = world.clock.now();
    expect((await stopOf(world.step("createSecret", token))).state).toBe("key-check-unreadable");
    const before = world.versionWith("AWSCURRENT");
    world.clock.advanceBy(asked + 22 * HOUR - MINUTE - world.clock.now());
    expect((await stopOf(world.step("createSecret", token))).state).toBe("key-check-unreadable");
    expect(world.versionWith("AWSCURRENT")).toBe(before);
    world.clock.advanceBy(asked + 22 * HOUR - world.clock.now());
    await world.step("createSecret", token);
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.currentIsAccepted).toBe(true);
    expect(minted()).toBe(2);
    expect(world.history.at(-1)).toMatchObject({ outcome: "promoted", untested: true });
  });

  test("refusals that nothing shows to be true: one mint, and then they are disbelieved", async () => {
    await ready();
    const dead = { status: 401, body: JSON.stringify({ detail: "Unauthorized" }) };
    world.foreignAnswers = { [INFO]: dead };
    expect(await attempts(5)).toEqual(Array(5).fill("refusal-unproven"));
    await world.proveRefusal("looks");
    const asked = world.clock.now();
    expect(await attempts(1)).toEqual(["refusals-not-believed"]);
    await world.proveRefusal("looks");
    expect(await attempts(200)).toEqual(Array(200).fill("refusals-not-believed"));
    expect(minted()).toBe(2);
    // The key was good all the while, and its successor takes its place before it ends.
    expect(world.currentIsAccepted).toBe(true);
    world.clock.advanceBy(asked + 22 * HOUR - world.clock.now());
    expect(await attempts(1)).toEqual(["promoted"]);
    expect(world.currentIsAccepted).toBe(true);
    expect(minted()).toBe(2);
  });

  test("an operator's key of another workspace is named, and not taken for an instance that is gone", async () => {
    await ready();
    world.foreignAnswers = { [GET_INSTANCE]: { status: 404, body: JSON.stringify({ detail: "Not found" }) } };
    expect(await attempts(3)).toEqual(Array(3).fill("other-workspace"));
    expect(minted()).toBe(1);
  });

  test.each([3 * 365 * 24 * HOUR, -11 * MINUTE])(
    "a Date that is %d ms off: nothing is minted",
    async (off) => {
      await ready();
      world.dateOffMs = off;
      expect(await attempts(3)).toEqual(Array(3).fill("clock-differs"));
      expect(minted()).toBe(1);
      world.dateOffMs = 0;
      expect(await attempts(1)).toEqual(["promoted"]);
      expect(Math.abs(world.current.issuedAt - world.clock.now())).toBeLessThan(MINUTE);
    },
  );

  test("a refresh whose answer alone has a Date of another year dates the key by the own clock", async () => {
    await ready();
    const token = world.requestRotation();
    world.meanwhile(REFRESH, async () => {
      world.dateOffMs = 3 * 365 * 24 * HOUR;
    });
    await world.step("createSecret", token);
    expect(Math.abs(world.current.issuedAt - world.clock.now())).toBeLessThan(MINUTE);
  });
});
