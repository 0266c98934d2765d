import fc from "fast-check";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { type Consumer, consumersOf, failuresOf } from "../../../proofs/simulation/consumers";
import type { History, KeyLife } from "../../../proofs/simulation/history";
import type { ServiceOutage } from "../../../proofs/simulation/weather";

const START = Date.UTC(2026, 0, 1);

/** Keys that follow each other, each dying `livesOn` after AWSCURRENT has left it. */
function historyOf(spans: readonly { readonly days: number; readonly livesOn: number }[]): History {
  let from = START;
  const current = spans.map(({ days }, key) => {
    const span = { key, from, until: from + days * DAY };
    from = span.until;
    return span;
  });
  const keys = current.map((span, key): KeyLife => {
    const livesOn = spans[key]?.livesOn ?? 0;
    const diesAt = key === spans.length - 1 ? null : span.until + livesOn;
    return { mintedAt: span.from, diesAt, by: "rotation", isStored: true };
  });
  return {
    from: START,
    until: from,
    keys,
    current,
    pending: [],
    episodes: [],
    struck: [],
    hasConverged: true,
    deploys: { done: 0, failed: 0 },
    intents: { mints: spans.length, promoted: spans.length },
    crashes: [],
  };
}

/** The same by making every call: what the analysis leaves out. */
function failedCallsOneByOne(consumer: Consumer, { from, until, current, keys }: History): number {
  let failed = 0;
  let readAt = consumer.readAfter(from).at;
  for (let call = Math.ceil(from / MINUTE) * MINUTE; call < until; call += MINUTE) {
    for (
      let next = consumer.readAfter(readAt + 1).at;
      next <= call;
      next = consumer.readAfter(readAt + 1).at
    ) {
      readAt = next;
    }
    if (call < readAt) continue;
    const held = current.find((span) => span.from <= readAt && readAt < span.until);
    const diesAt = keys[held?.key ?? -1]?.diesAt ?? null;
    if (diesAt !== null && diesAt <= call) failed++;
  }
  return failed;
}

const spans = fc.array(
  fc.record({
    days: fc.integer({ min: 1, max: 6 }),
    // Also one that is dead before anybody has read it.
    livesOn: fc.integer({ min: -4 * DAY, max: 30 * HOUR }),
  }),
  { minLength: 2, maxLength: 4 },
);
const outage = (from: number, hours: number): ServiceOutage => ({
  service: "Secrets Manager",
  from,
  until: from + hours * HOUR,
  severity: 1,
});

describe("a consumer's failed calls", () => {
  it("are as many as when each call is made", () => {
    fc.assert(
      fc.property(
        spans,
        fc.nat(500),
        fc.integer({ min: 0, max: 5 * 24 }),
        fc.nat(9),
        (plan, seed, at, hours) => {
          const history = historyOf(plan);
          const outages = hours === 0 ? [] : [outage(START + at * HOUR + 7, hours)];
          for (const consumer of consumersOf(seed, 0, history, outages)) {
            const calls = failuresOf(consumer, history).reduce((sum, failure) => sum + failure.calls, 0);
            expect(calls).toBe(failedCallsOneByOne(consumer, history));
          }
        },
      ),
      { numRuns: 25, seed: 1 },
    );
  });

  it("are none with a cache below the time for which the old key lives on", () => {
    const history = historyOf([
      { days: 90, livesOn: 24 * HOUR },
      { days: 90, livesOn: 24 * HOUR },
    ]);
    const [shortest] = consumersOf(1, 0, history, []) as [Consumer];

    expect(shortest.cacheMs).toBeLessThanOrEqual(6 * HOUR);
    expect(failuresOf(shortest, history)).toEqual([]);
  });

  it("say where an outage kept the new key from being read", () => {
    const history = historyOf([
      { days: 90, livesOn: 24 * HOUR },
      { days: 90, livesOn: 0 },
    ]);
    const [shortest] = consumersOf(1, 0, history, [outage(START + 90 * DAY - HOUR, 40)]) as [Consumer];

    expect(failuresOf(shortest, history)).toMatchObject([{ key: 0, delayed: true, calls: 15 * 60 }]);
  });
});
