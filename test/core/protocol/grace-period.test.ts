import { graceEndsAt, guardedUntil, LEAST_KEY_AGE_MS } from "../../../core/protocol/grace-period";
import { intent, START } from "../../../proofs/harness/builders";

const HOUR = 60 * 60_000;

describe("no refresh is made", () => {
  const DAY = 24 * HOUR;
  test.each<[string, { issuedAt: number; previousKeyExpiresAt?: number }, number, number | undefined]>([
    ["after a key that was created with its instance: at any time", { issuedAt: START }, DAY, undefined],
    [
      "before the end of the grace that began with the current key",
      { issuedAt: START, previousKeyExpiresAt: START + DAY },
      DAY,
      START + DAY,
    ],
    [
      "nor before the end of a lost mint's, which began later than the one that is promised",
      { issuedAt: START + 5 * HOUR, previousKeyExpiresAt: START + DAY },
      DAY,
      START + 29 * HOUR,
    ],
    [
      "before a promised end that is later than today's grace period would have it",
      { issuedAt: START, previousKeyExpiresAt: START + DAY },
      2 * HOUR,
      START + DAY,
    ],
    [
      "within an hour where the grace is zero",
      { issuedAt: START, previousKeyExpiresAt: START },
      0,
      START + LEAST_KEY_AGE_MS,
    ],
    [
      "within an hour where the grace is shorter",
      { issuedAt: START, previousKeyExpiresAt: START + 60_000 },
      60_000,
      START + HOUR,
    ],
  ])("%s", (_, current, gracePeriodMs, until) => {
    expect(guardedUntil(current, gracePeriodMs)).toBe(until);
  });
});

test("the grace period of the replaced key is counted from the first mint upon it that may have been applied", () => {
  const second = intent({ mint: 2, takenAt: START + HOUR, graceFrom: START });
  expect(graceEndsAt(second, 24 * HOUR)).toBe(START + 24 * HOUR);
});
