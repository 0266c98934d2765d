import { type Intent, succeed } from "../../../core/protocol/intent";
import { decidePause, orderUpon, pausedUntil } from "../../../core/protocol/orders";
import { settledFrom } from "../../../core/protocol/timing";
import { DAY_MS, HOUR_MS } from "../../../core/time";
import { intent, SECRET_ARN, START } from "../../../proofs/harness/builders";

describe("an order", () => {
  const standing = (overrides: Partial<Intent>) => intent({ takenAt: START + HOUR_MS, ...overrides });
  const next = intent({ takenAt: START + 2 * HOUR_MS, graceFrom: START + 2 * HOUR_MS });
  const order = (kind: "paused" | "ordered" = "paused") => ({
    kind,
    secretArn: SECRET_ARN,
    baseVersionId: "version-1",
    agentInstanceId: "ai_1",
    owner: "operator-1",
    now: START + HOUR_MS,
    until: START + 5 * HOUR_MS,
  });

  test("an order upon a version with no mint is number 0, and holds until its end", () => {
    expect(orderUpon(undefined, order("ordered"))).toEqual({
      secretArn: SECRET_ARN,
      baseVersionId: "version-1",
      versionId: "version-1",
      agentInstanceId: "ai_1",
      owner: "operator-1",
      takenAt: START + HOUR_MS,
      graceFrom: START + HOUR_MS,
      attemptEndsAt: START + 5 * HOUR_MS,
      mint: 0,
      idempotencyKey: "none",
      outcome: "ordered",
      earlierMints: [],
      mintedAt: [],
      inVain: 0,
      ordered: false,
    });
  });

  test("the mint after an order is number 1, with the old key's last hours counted from it", () => {
    const ordered = orderUpon(undefined, order()) as Intent;
    expect(succeed(ordered, next)).toEqual({ ...next, mint: 1, earlierMints: [] });
    const ended = orderUpon(ordered, { ...order("ordered"), now: START + 90 * 60_000 }) as Intent;
    expect(ended).toMatchObject({ outcome: "ordered", mint: 0, graceFrom: START + 90 * 60_000 });
    // It is a person's: it counts towards no bound.
    expect(succeed(ended, next)).toEqual({ ...next, mint: 1, earlierMints: [], ordered: true });
  });

  test.each(["open", "lost", "dead"] as const)(
    "a mint can be ordered upon one that is %s, once nothing of it is on its way, and a pause cannot",
    (outcome) => {
      const stuck = standing({ outcome, attemptEndsAt: START, mintedAt: [1], inVain: 1 });
      const at = (now: number, kind: "paused" | "ordered") => orderUpon(stuck, { ...order(kind), now });
      expect(at(settledFrom(START) - 1, "ordered")).toBeUndefined();
      expect(at(settledFrom(START), "ordered")).toMatchObject({
        outcome: "ordered",
        versionId: stuck.versionId,
        inVain: 2,
        mintedAt: [1, stuck.takenAt],
      });
      expect(at(settledFrom(START), "paused")).toBeUndefined();
    },
  );

  test("an order upon a mint that is settled keeps account of it", () => {
    const promoted = standing({
      outcome: "promoted",
      mint: 2,
      versionId: "v2",
      graceFrom: START,
      earlierMints: ["1:v1:5"],
    });
    const paused = orderUpon(promoted, order()) as Intent;
    const earlierMints = ["1:v1:5", `2:v2:${START + HOUR_MS}`];
    expect(paused).toMatchObject({
      outcome: "paused",
      mint: 2,
      versionId: "v2",
      graceFrom: START,
      earlierMints,
    });
    expect(succeed(paused, next)).toMatchObject({ mint: 3, graceFrom: START, earlierMints });
    const refused = standing({ outcome: "refused", graceFrom: START + HOUR_MS });
    expect(orderUpon(refused, order())).toMatchObject({ mint: 1, graceFrom: START + HOUR_MS });
  });

  test.each(["open", "lost", "dead"] as const)("there is no order upon a mint that is %s", (outcome) => {
    expect(orderUpon(standing({ outcome }), order())).toBeUndefined();
  });
});

const LATEST = START + 91 * DAY_MS - 2 * HOUR_MS;

test.each<[string, Partial<Parameters<typeof decidePause>[0]>, object]>([
  ["as long as was asked for", {}, { course: "pause", until: START + 5 * DAY_MS, isCut: false }],
  ["to the last moment", { until: LATEST }, { course: "pause", until: LATEST, isCut: false }],
  [
    "cut, so that the key grows no older than its interval and a day",
    { until: LATEST + 1 },
    { course: "pause", until: LATEST, isCut: true },
  ],
  [
    "not at all, where it is too late",
    { now: LATEST, until: LATEST + HOUR_MS },
    { course: "refuse", because: "too-old" },
  ],
  [
    "nothing, where nothing rotates",
    { automaticallyAfterDays: undefined },
    { course: "refuse", because: "no-schedule" },
  ],
])("pauses: %s", (_, overrides, course) => {
  const facts = {
    issuedAt: START,
    automaticallyAfterDays: 90,
    now: START + HOUR_MS,
    until: START + 5 * DAY_MS,
  };
  expect(decidePause({ ...facts, ...overrides })).toEqual(course);
});

test.each([
  [{ outcome: "paused", attemptEndsAt: START + 1 }, START + 1],
  [{ outcome: "paused", attemptEndsAt: START }, undefined],
  [{ outcome: "ordered", attemptEndsAt: START + 1 }, undefined],
  [undefined, undefined],
] as const)("%j holds rotations up until %s", (standing, until) => {
  expect(pausedUntil(standing, START)).toBe(until);
});
