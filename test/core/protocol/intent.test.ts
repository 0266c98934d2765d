import {
  fixedVersionId,
  type Intent,
  isOrder,
  NO_VERSION,
  openIntent,
  succeed,
} from "../../../core/protocol/intent";
import { intent, SECRET_ARN, START } from "../../../proofs/harness/builders";

describe("the version id of a first key", () => {
  test("is a UUID's shape, the same for every attempt: an upgrade must not change it", () => {
    expect(fixedVersionId("arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf", "none")).toBe(
      "546249ec-e09f-6c00-ce64-a792e0c2a139",
    );
    expect(NO_VERSION).toBe("none");
  });

  test("depends on secret and base alone, and is one that Secrets Manager accepts", () => {
    const id = fixedVersionId(SECRET_ARN, NO_VERSION);
    expect(id).toBe(fixedVersionId(SECRET_ARN, NO_VERSION));
    expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(fixedVersionId(SECRET_ARN, "other")).not.toBe(id);
    expect(fixedVersionId(`${SECRET_ARN}2`, NO_VERSION)).not.toBe(id);
  });

  test("differs by secret and by base", () => {
    const ids = [
      fixedVersionId(SECRET_ARN, "a"),
      fixedVersionId(SECRET_ARN, "b"),
      fixedVersionId("other", "a"),
    ];
    expect(new Set(ids).size).toBe(3);
  });
});

test.each(["open", "refused", "lost", "promoted", "dead", "paused", "ordered"] as const)(
  "an intent that is %s is an operator's order or not",
  (outcome) => {
    expect(isOrder(intent({ outcome }))).toBe(outcome === "paused" || outcome === "ordered");
  },
);

test("an intent is the first mint upon its version, and holds until its attempt ends", () => {
  const upon = { secretArn: SECRET_ARN, baseVersionId: "v1", versionId: "v2", agentInstanceId: "ai_1" };
  const ids = ["owner", "key"];
  const newId = () => ids.shift() ?? "";
  expect(openIntent(upon, { now: START, remainingMs: 180_000, newId })).toEqual({
    ...upon,
    owner: "owner",
    takenAt: START,
    graceFrom: START,
    attemptEndsAt: START + 180_000,
    mint: 1,
    idempotencyKey: "key",
    outcome: "open",
    earlierMints: [],
    mintedAt: [],
    inVain: 0,
    ordered: false,
  });
});

describe("the successor of a mint", () => {
  const HOUR = 3_600_000;
  const standing = (overrides: Partial<Intent>) => intent({ takenAt: START + HOUR, ...overrides });
  const next = intent({ takenAt: START + 2 * HOUR, graceFrom: START + 2 * HOUR });

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
