import type { IssuedKey } from "../../../core/control-plane/client";
import { ControlPlaneError } from "../../../core/control-plane/errors";
import { AgentKey } from "../../../core/key/credential";
import type { Intent, IntentOutcome, TakenIntent } from "../../../core/protocol/intent";
import { orderUpon, succeed } from "../../../core/protocol/intent";
import { type MintPlan, mintAndStore } from "../../../core/protocol/mint";
import { VersionConflictError } from "../../../core/secrets/secret-store";
import { FrozenClock } from "../../../local/clock";
import { intent, SECRET_ARN, START } from "../../../proofs/harness/builders";

const KEY: IssuedKey = { agentKey: new AgentKey("agent_abc123xyz"), agentInstanceId: "ai_1" };
const LOST = new ControlPlaneError("unreachable", "POST /x: no answer (ECONNRESET)", "unknown");
const REFUSED = new ControlPlaneError("conflict", "POST /x: 409", "no");
const OUTAGE = Object.assign(new Error("the service is down"), { name: "InternalServiceError" });

interface Faults {
  /** What is left of the invocation. */
  readonly milliseconds?: number;
  /** Called for each Put, with how many there were before; may throw. */
  readonly putVersion?: (before: number) => void;
  readonly settle?: () => void;
}

/** The ports of a mint, each call of which is written down. */
function ports(
  plan: Partial<MintPlan> = {},
  retake?: (next: Intent) => TakenIntent,
  { milliseconds = 180_000, putVersion = () => {}, settle = () => {} }: Faults = {},
) {
  const clock = new FrozenClock(START);
  const calls: string[] = [];
  const settled: IntentOutcome[] = [];
  const logged: unknown[] = [];
  let puts = 0;
  const write = <T>(call: string, answer: () => T) => {
    calls.push(call);
    return answer();
  };
  const run = () =>
    mintAndStore(
      {
        secrets: { putVersion: async ({ versionId }) => write(`put ${versionId}`, () => putVersion(puts++)) },
        intents: {
          retake: async (next) =>
            write(`retake ${next.mint}`, () => retake?.(next) ?? { taken: true, intent: next }),
          settle: async ({ mint }, outcome) =>
            write(`settle ${mint} ${outcome.outcome}`, () => {
              settle();
              settled.push(outcome);
            }),
        },
        budget: { remainingMs: () => START + milliseconds - clock.now() },
        sleep: async (ms) => clock.advanceBy(ms),
        log: {
          info: (...entry) => void logged.push(["info", ...entry]),
          warn: (...entry) => void logged.push(["warn", ...entry]),
          error: (...entry) => void logged.push(["error", ...entry]),
        },
      },
      {
        intent: intent(),
        issue: async (key) => write(`issue ${key}`, () => KEY),
        wasApplied: async () => write("wasApplied", () => true),
        reissue: async (key) => write(`reissue ${key}`, () => KEY),
        toVersion: ({ agentKey }) => ({
          secretId: SECRET_ARN,
          value: agentKey.fingerprint,
          stage: "AWSPENDING",
        }),
        newId: () => "key-2",
        now: () => clock.now(),
        ...plan,
      },
    );
  return { run, calls, settled, logged, clock };
}

const fail = (error: unknown) => async () => {
  throw error;
};

test("a key is issued once and stored next", async () => {
  const { run, calls, logged } = ports();
  await expect(run()).resolves.toEqual({ issued: KEY, intent: intent() });
  expect(calls).toEqual(["issue key-1", "put version-2"]);
  expect(logged).toEqual([]);
});

test("a lost answer of a call that was applied is a second, recorded mint with an idempotency key of its own", async () => {
  const { run, calls, logged, clock } = ports({
    intent: intent({ earlierMints: ["0:version-0:1"] }),
    issue: fail(LOST),
    wasApplied: async () => {
      clock.advanceBy(1_000);
      return true;
    },
  });
  await expect(run()).resolves.toEqual({
    issued: KEY,
    intent: intent({
      mint: 2,
      idempotencyKey: "key-2",
      takenAt: START + 1_000,
      graceFrom: START,
      earlierMints: ["0:version-0:1", `1:version-2:${START}`],
    }),
  });
  expect(calls).toEqual(["retake 2", "reissue key-2", "put version-2"]);
  expect(logged).toEqual([
    ["warn", "the answer to the mint was lost", { mint: 1, reason: "POST /x: no answer (ECONNRESET)" }],
  ]);
});

test.each<[string, Partial<MintPlan>, string, string[]]>([
  ["refused", { issue: fail(REFUSED) }, "mint-refused", ["settle 1 refused"]],
  [
    "lost, and nobody knows whether it was applied",
    { issue: fail(LOST), wasApplied: async () => false },
    "mint-unanswered",
    [],
  ],
  ["lost, and nobody can be asked", { issue: fail(LOST), wasApplied: fail(LOST) }, "mint-unanswered", []],
  [
    "lost, and refused the second time",
    { issue: fail(LOST), reissue: fail(REFUSED) },
    "mint-refused",
    ["wasApplied", "retake 2", "settle 2 refused"],
  ],
  ["lost twice", { issue: fail(LOST), reissue: fail(LOST) }, "mint-unanswered", ["wasApplied", "retake 2"]],
])("where the call is %s, nothing is stored", async (_, plan, state, made) => {
  const { run, calls } = ports(plan);
  await expect(run()).rejects.toMatchObject({
    name: "Stop",
    state,
    message: expect.stringMatching(/\(POST \/x: .*\)$/),
  });
  expect(calls).toEqual(made);
});

test.each(["unauthorized", "forbidden"] as const)(
  "an operator's API key that is %s is named",
  async (kind) => {
    const { run, calls } = ports({ issue: fail(new ControlPlaneError(kind, "POST /x: 40x", "no")) });
    await expect(run()).rejects.toThrow(/^operator-key-refused: .*\(POST \/x: 40x\)$/);
    expect(calls).toEqual(["settle 1 refused"]);
  },
);

test.each<[string, unknown, string]>([
  ["an error", OUTAGE, "InternalServiceError"],
  ["anything else", "a text", "unknown"],
])("a refusal is told though its record fails by %s", async (_, fault, reason) => {
  const settle = () => {
    throw fault;
  };
  const { run, logged } = ports({ issue: fail(REFUSED) }, undefined, { settle });
  await expect(run()).rejects.toMatchObject({ state: "mint-refused" });
  expect(logged).toEqual([
    ["warn", "the record of the mint could not be completed", { outcome: "refused", reason }],
  ]);
});

test("where another attempt has decided to mint meanwhile, this one does not", async () => {
  const { run, calls } = ports({ issue: fail(LOST) }, () => ({
    taken: false,
    intent: intent({ mint: 2, owner: "b" }),
  }));
  await expect(run()).rejects.toThrow(/^mint-in-flight: .*\(mint 2 by another attempt\)$/);
  expect(calls).toEqual(["wasApplied", "retake 2"]);
});

test.each<[string, Partial<MintPlan>]>([
  ["of the mint", { issue: fail(new RangeError("a defect")) }],
  ["of what came of the mint", { issue: fail(LOST), wasApplied: fail(new RangeError("a defect")) }],
])("an error that says nothing %s is passed on as it is", async (_, plan) => {
  const { run, calls } = ports(plan);
  await expect(run()).rejects.toThrow(RangeError);
  expect(calls).toEqual([]);
});

test("a key of an unknown format is stored all the same, and told by its fingerprint", async () => {
  const agentKey = new AgentKey("key-of-another-kind-123");
  const { run, calls, logged } = ports({ issue: async () => ({ ...KEY, agentKey }) });
  await run();
  expect(calls).toEqual(["put version-2"]);
  expect(logged).toEqual([
    ["warn", "the Control Plane issued a key of an unknown format", { fingerprint: agentKey.fingerprint }],
  ]);
});

describe("where the key cannot be stored", () => {
  const { fingerprint } = KEY.agentKey;
  const failing = (fault: unknown, times = Number.POSITIVE_INFINITY) => ({
    putVersion: (before: number) => {
      if (before < times) throw fault;
    },
  });

  test("the Put is repeated, slower each time, and nothing else is done", async () => {
    const { run, calls, logged, clock } = ports({}, undefined, failing(OUTAGE, 8));
    await run();
    expect(calls).toEqual(["issue key-1", ...Array(9).fill("put version-2")]);
    // 200 ms, doubled up to 5 s.
    expect(clock.now() - START).toBe(200 + 400 + 800 + 1_600 + 3_200 + 5_000 + 5_000 + 5_000);
    expect(logged).toEqual(
      Array(8).fill(["error", "storing the new key failed", { fingerprint, reason: "InternalServiceError" }]),
    );
  });

  test.each<[string, unknown, string]>([
    ["an error", OUTAGE, "InternalServiceError"],
    ["anything else", "a text", "unknown"],
  ])(
    "until too little time is left; the stop names the key and what was thrown, %s",
    async (_, fault, reason) => {
      // Enough for the first repetition, to the millisecond.
      const { run, calls } = ports({}, undefined, { ...failing(fault), milliseconds: 200 + 2_000 });
      await expect(run()).rejects.toThrow(
        new RegExp(`^store-failed: .*\\(key ${fingerprint}, ${reason}\\)$`),
      );
      expect(calls).toEqual(["issue key-1", "put version-2", "put version-2"]);
    },
  );

  test("since its version holds another value, it is recorded as lost", async () => {
    const conflict = new VersionConflictError("version version-2 exists with another content");
    const { run, calls, settled } = ports({}, undefined, failing(conflict));
    await expect(run()).rejects.toBe(conflict);
    expect(calls).toEqual(["issue key-1", "put version-2", "settle 1 lost"]);
    expect(settled).toEqual([{ outcome: "lost", settledAt: START, fingerprint }]);
  });
});

describe("the successor of a mint", () => {
  const HOUR = 3_600_000;
  const standing = (overrides: Partial<Intent>) => intent({ takenAt: START + HOUR, ...overrides });
  const next = intent({ takenAt: START + 2 * HOUR, graceFrom: START + 2 * HOUR });
  const order = (kind: "paused" | "ordered" = "paused") => ({
    kind,
    secretArn: SECRET_ARN,
    baseVersionId: "version-1",
    agentInstanceId: "ai_1",
    owner: "operator-1",
    now: START + HOUR,
    until: START + 5 * HOUR,
  });

  test("an order upon a version with no mint is number 0, and holds until its end", () => {
    expect(orderUpon(undefined, order("ordered"))).toEqual({
      secretArn: SECRET_ARN,
      baseVersionId: "version-1",
      versionId: "version-1",
      agentInstanceId: "ai_1",
      owner: "operator-1",
      takenAt: START + HOUR,
      graceFrom: START + HOUR,
      attemptEndsAt: START + 5 * HOUR,
      mint: 0,
      idempotencyKey: "none",
      outcome: "ordered",
      earlierMints: [],
    });
  });

  test("the mint after an order is number 1, with the old key's last hours counted from it", () => {
    const ordered = orderUpon(undefined, order()) as Intent;
    expect(succeed(ordered, next)).toEqual({ ...next, mint: 1, earlierMints: [] });
    const ended = orderUpon(ordered, { ...order("ordered"), now: START + 90 * 60_000 }) as Intent;
    expect(ended).toMatchObject({ outcome: "ordered", mint: 0, graceFrom: START + 90 * 60_000 });
    expect(succeed(ended, next)).toEqual({ ...next, mint: 1, earlierMints: [] });
  });

  test("an order upon a mint that is settled keeps account of it", () => {
    const promoted = standing({
      outcome: "promoted",
      mint: 2,
      versionId: "v2",
      graceFrom: START,
      earlierMints: ["1:v1:5"],
    });
    const paused = orderUpon(promoted, order()) as Intent;
    const earlierMints = ["1:v1:5", `2:v2:${START + HOUR}`];
    expect(paused).toMatchObject({
      outcome: "paused",
      mint: 2,
      versionId: "v2",
      graceFrom: START,
      earlierMints,
    });
    expect(succeed(paused, next)).toMatchObject({ mint: 3, graceFrom: START, earlierMints });
    const refused = standing({ outcome: "refused", graceFrom: START + HOUR });
    expect(orderUpon(refused, order())).toMatchObject({ mint: 1, graceFrom: START + HOUR });
  });

  test.each(["open", "lost", "dead"] as const)("there is no order upon a mint that is %s", (outcome) => {
    expect(orderUpon(standing({ outcome }), order())).toBeUndefined();
  });

  test.each<[string, Intent, number]>([
    [
      "its own, where the only mint before was refused",
      standing({ outcome: "refused", graceFrom: START + HOUR }),
      2,
    ],
    ["the first's, where a refused mint followed it", standing({ outcome: "refused", graceFrom: START }), 0],
    [
      "the standing one's, where that may have been applied",
      standing({ outcome: "open", graceFrom: START + HOUR }),
      1,
    ],
    ["the first's, where both may have been applied", standing({ outcome: "lost", graceFrom: START }), 0],
  ])("counts the old key's last hours from %s", (_, before, hours) => {
    expect(succeed(before, next)).toMatchObject({ mint: 2, graceFrom: START + hours * HOUR });
  });
});
