import type { IssuedKey } from "../../../core/control-plane/client";
import { ControlPlaneError } from "../../../core/control-plane/errors";
import { AgentKey } from "../../../core/key/credential";
import { serialiseRecord } from "../../../core/key/stored-value";
import type { Intent, IntentOutcome, TakenIntent } from "../../../core/protocol/intent";
import { type Mint, type MintPlan, mintAndStore } from "../../../core/protocol/mint";
import { VersionConflictError } from "../../../core/secrets/secret-store";
import { FrozenClock } from "../../../local/clock";
import { intent, record, SECRET_ARN, START } from "../../../proofs/harness/builders";

const KEY: IssuedKey = { agentKey: new AgentKey("agent_abc123xyz"), agentInstanceId: "ai_1" };
const RECORD = record({ agentKey: KEY.agentKey });
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

interface Sends {
  readonly first?: Mint["send"];
  readonly second?: MintPlan["second"];
  readonly sendSecond?: Mint["send"];
  readonly intent?: Intent;
}

/** The ports of a mint, each call of which is written down. */
function ports(
  plan: Sends = {},
  retake?: (next: Intent) => TakenIntent,
  { milliseconds = 180_000, putVersion = () => {}, settle = () => {} }: Faults = {},
) {
  const clock = new FrozenClock(START);
  const calls: string[] = [];
  const settled: IntentOutcome[] = [];
  const logged: unknown[] = [];
  let puts = 0;
  const stored: unknown[] = [];
  const write = <T>(call: string, answer: () => T) => {
    calls.push(call);
    return answer();
  };
  const run = () =>
    mintAndStore(
      {
        secrets: {
          putVersion: async (version) =>
            write(`put ${version.versionId}`, () => {
              stored.push(version);
              putVersion(puts++);
            }),
        },
        intents: {
          retake: async (next) =>
            write(`retake ${next.mint}`, () => retake?.(next) ?? { taken: true, intent: next }),
          settle: async ({ mint }, outcome) =>
            write(`settle ${mint} ${outcome.outcome}`, () => {
              settle();
              settled.push(outcome);
            }),
          note: async ({ mint }, { trouble }) => write(`note ${mint} ${trouble}`, () => {}),
          noteVain: async () => write("note vain", () => {}),
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
        intent: plan.intent ?? intent(),
        first: mint("first", plan.first ?? (async (key) => write(`first ${key}`, () => KEY))),
        second:
          plan.second ??
          (async () =>
            write("second?", () =>
              mint("second", plan.sendSecond ?? (async (key) => write(`second ${key}`, () => KEY))),
            )),
        place: { secretId: SECRET_ARN, stage: "AWSPENDING", rotationToken: "rotation-1" },
        newId: () => "key-2",
        now: () => clock.now(),
      },
    );
  return { run, calls, settled, logged, stored, clock };
}

/** Which mint the key is from, its record says. */
const mint = (agentInstanceName: string, send: Mint["send"]): Mint => ({
  send,
  toRecord: ({ agentKey }) => ({ ...RECORD, agentKey, agentInstanceName }),
});

const fail = (error: unknown) => async () => {
  throw error;
};

test("a key is minted once and stored next", async () => {
  const { run, calls, logged, stored } = ports();
  const firsts = { ...RECORD, agentInstanceName: "first" };
  await expect(run()).resolves.toEqual({ record: firsts, intent: intent() });
  expect(calls).toEqual(["first key-1", "put version-2"]);
  expect(stored).toEqual([
    {
      secretId: SECRET_ARN,
      versionId: "version-2",
      stage: "AWSPENDING",
      rotationToken: "rotation-1",
      value: serialiseRecord(firsts),
    },
  ]);
  expect(logged).toEqual([]);
});

test("a lost answer of a call that was applied is a second, recorded mint with an idempotency key of its own", async () => {
  const { run, calls, logged, stored, clock } = ports({
    intent: intent({ earlierMints: ["0:version-0:1"] }),
    first: fail(LOST),
    second: async () => {
      clock.advanceBy(1_000);
      return mint("second", async (key) => {
        calls.push(`second ${key}`);
        return KEY;
      });
    },
  });
  const seconds = { ...RECORD, agentInstanceName: "second" };
  await expect(run()).resolves.toEqual({
    record: seconds,
    intent: intent({
      mint: 2,
      idempotencyKey: "key-2",
      takenAt: START + 1_000,
      graceFrom: START,
      earlierMints: ["0:version-0:1", `1:version-2:${START}`],
      mintedAt: [START],
      inVain: 1,
    }),
  });
  expect(calls).toEqual(["note 1 unanswered", "note vain", "retake 2", "second key-2", "put version-2"]);
  expect(stored).toMatchObject([{ value: serialiseRecord(seconds) }]);
  expect(logged).toEqual([
    ["warn", "the answer to the mint was lost", { mint: 1, reason: "POST /x: no answer (ECONNRESET)" }],
  ]);
});

const UNANSWERED = ["note 1 unanswered", "note vain"];
const NO_KEY = new ControlPlaneError(
  "unreadable-key",
  "POST /x: the answer lacks a readable field: secret",
  "unknown",
);

test.each<[string, Sends, string, string[]]>([
  ["refused", { first: fail(REFUSED) }, "mint-refused", ["settle 1 refused"]],
  [
    "lost, and nobody knows whether it was applied",
    { first: fail(LOST), second: async () => undefined },
    "mint-unanswered",
    UNANSWERED,
  ],
  ["lost, and nobody can be asked", { first: fail(LOST), second: fail(LOST) }, "mint-unanswered", UNANSWERED],
  // Never repeated, though the current key may be seen to be dead: it would be as unreadable again.
  [
    "answered without a key",
    { first: fail(NO_KEY) },
    "mint-unreadable",
    ["note 1 unreadable", "note vain", "settle 1 lost"],
  ],
  [
    "lost, upon a base with as many mints in vain as may be",
    { intent: intent({ mint: 3, inVain: 2, mintedAt: [1, 2] }), first: fail(LOST) },
    "mint-unanswered",
    ["note 3 unanswered", "note vain"],
  ],
  [
    "lost, and refused the second time",
    { first: fail(LOST), sendSecond: fail(REFUSED) },
    "mint-refused",
    [...UNANSWERED, "second?", "retake 2", "settle 2 refused"],
  ],
  [
    "lost twice",
    { first: fail(LOST), sendSecond: fail(LOST) },
    "mint-unanswered",
    [...UNANSWERED, "second?", "retake 2", "note 2 unanswered", "note vain"],
  ],
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
    const { run, calls } = ports({ first: fail(new ControlPlaneError(kind, "POST /x: 40x", "no")) });
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
  const { run, logged } = ports({ first: fail(REFUSED) }, undefined, { settle });
  await expect(run()).rejects.toMatchObject({ state: "mint-refused" });
  expect(logged).toEqual([
    ["warn", "the record of the mint could not be completed", { outcome: "refused", reason }],
  ]);
});

test("where another attempt has decided to mint meanwhile, this one does not", async () => {
  const { run, calls } = ports({ first: fail(LOST) }, () => ({
    taken: false,
    intent: intent({ mint: 2, owner: "b" }),
  }));
  await expect(run()).rejects.toThrow(/^mint-in-flight: .*\(mint 2 by another attempt\)$/);
  expect(calls).toEqual([...UNANSWERED, "second?", "retake 2"]);
});

describe("where the Control Plane is asked too often", () => {
  const limited = (times: number, retryAfterMs?: number) => {
    let sent = 0;
    const keys: string[] = [];
    return {
      keys,
      first: async (key: string) => {
        keys.push(key);
        if (sent++ < times) throw new ControlPlaneError("rate-limited", "POST /x: 429", "no", retryAfterMs);
        return KEY;
      },
    };
  };

  test.each<[string, number | undefined, number]>([
    ["as long as it says", 20_000, 20_000],
    ["a quarter of a minute, if it says nothing", undefined, 15_000],
    ["a second at the least", 0, 1_000],
  ])(
    "the same mint is asked for again after %s, since nothing was minted",
    async (_, retryAfterMs, waited) => {
      const { keys, first } = limited(2, retryAfterMs);
      const { run, calls, clock } = ports({ first });
      await run();
      expect(keys).toEqual(["key-1", "key-1", "key-1"]);
      expect(clock.now() - START).toBe(2 * waited);
      expect(calls).toEqual(["put version-2"]);
    },
  );

  test("it is told as a refusal when there is no time left to wait, test and promote", async () => {
    const { first } = limited(100, 60_000);
    const { run, calls } = ports({ first });
    await expect(run()).rejects.toMatchObject({ state: "mint-refused" });
    expect(calls).toEqual(["settle 1 refused"]);
  });
});

test.each<[string, Sends]>([
  ["of the mint", { first: fail(new RangeError("a defect")) }],
  ["of what came of the mint", { first: fail(LOST), second: fail(new RangeError("a defect")) }],
])("an error that says nothing %s is passed on as it is", async (_, plan) => {
  const { run, calls } = ports(plan);
  await expect(run()).rejects.toThrow(RangeError);
  expect(calls).toEqual(plan.second ? UNANSWERED : []);
});

test("a key of an unknown format is stored all the same, and told by its fingerprint", async () => {
  const agentKey = new AgentKey("key-of-another-kind-123");
  const { run, calls, logged } = ports({ first: async () => ({ ...KEY, agentKey }) });
  await run();
  expect(calls).toEqual(["put version-2"]);
  expect(logged).toEqual([
    ["warn", "the Control Plane issued a key of an unknown format", { fingerprint: agentKey.fingerprint }],
  ]);
});

const UNSTORED = ["note 1 unstored", "note vain"];

describe("where the key cannot be stored", () => {
  const { fingerprint } = KEY.agentKey;
  const failing = (fault: unknown, times = Number.POSITIVE_INFINITY) => ({
    putVersion: (before: number) => {
      if (before < times) throw fault;
    },
  });

  test("the Put is repeated, slower each time, and what went wrong is noted once", async () => {
    const { run, calls, logged, clock } = ports({}, undefined, failing(OUTAGE, 8));
    await run();
    expect(calls).toEqual(["first key-1", "put version-2", ...UNSTORED, ...Array(8).fill("put version-2")]);
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
      expect(calls).toEqual(["first key-1", "put version-2", ...UNSTORED, "put version-2"]);
    },
  );

  test("since its version holds another value, it is recorded as lost", async () => {
    const conflict = new VersionConflictError("version version-2 exists with another content");
    const { run, calls, settled } = ports({}, undefined, failing(conflict));
    await expect(run()).rejects.toBe(conflict);
    expect(calls).toEqual(["first key-1", "put version-2", "settle 1 lost"]);
    expect(settled).toEqual([{ outcome: "lost", settledAt: START, fingerprint }]);
  });
});
