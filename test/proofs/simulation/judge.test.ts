import { DAY, HOUR, MINUTE, SECOND } from "../../../local/clock";
import type { Configuration } from "../../../proofs/explorer/world";
import type { Consumer, Failure } from "../../../proofs/simulation/consumers";
import type { History, KeyLife, Struck } from "../../../proofs/simulation/history";
import { Judge } from "../../../proofs/simulation/judge";
import { Weather } from "../../../proofs/simulation/weather";

const START = Date.UTC(2026, 0, 1);
const PROMOTED = START + 90 * DAY;
const CONFIGURATION: Configuration = {
  secondRefresh: "A",
  graceHours: 24,
  configuredGraceHours: 24,
  honoursIdempotencyKey: false,
  activationSeconds: 0,
  retryToken: "same",
  retryAfterMs: 0,
};

/** One clean rotation of key 0 to key 1, as far as a test says nothing else. */
function historyOf(change: Partial<History> = {}): History {
  const key = (mintedAt: number, diesAt: number | null): KeyLife => ({
    mintedAt,
    diesAt,
    by: "rotation",
    isStored: true,
  });
  return {
    from: START,
    until: START + 180 * DAY,
    keys: [key(START, PROMOTED - SECOND + 24 * HOUR), key(PROMOTED - SECOND, null)],
    current: [
      { key: 0, from: START, until: PROMOTED },
      { key: 1, from: PROMOTED, until: START + 180 * DAY },
    ],
    pending: [],
    episodes: [{ from: PROMOTED - 2 * SECOND, until: PROMOTED }],
    struck: [],
    hasConverged: true,
    deploys: { done: 1, failed: 0 },
    intents: { mints: 2, promoted: 2 },
    crashes: [],
    ...change,
  };
}

const judgeOf = (history: History, configuration: Partial<Configuration> = {}) =>
  new Judge(history, { ...CONFIGURATION, ...configuration }, new Weather(1, START, START, 0));

const rulesBroken = (history: History) =>
  judgeOf(history)
    .violations([])
    .map(({ rule }) => rule);

/** Key 0 dies under AWSCURRENT, so long before AWSCURRENT moves on. */
function deadFor(ms: number, struck: readonly Struck[] = []): History {
  const history = historyOf({ struck, episodes: [{ from: PROMOTED - 2 * DAY, until: PROMOTED }] });
  const [first, second] = history.keys as [KeyLife, KeyLife];
  return { ...history, keys: [{ ...first, diesAt: PROMOTED - ms }, second] };
}

const struckBy = (strike: Struck["strike"]): Struck => ({ at: PROMOTED - 25 * HOUR, strike, label: "" });

describe("the verdict", () => {
  it("is good of a clean rotation", () => {
    expect(rulesBroken(historyOf())).toEqual([]);
  });

  it("forgives no time without an accepted key where nothing struck", () => {
    expect(judgeOf(deadFor(SECOND)).violations([])).toMatchObject([
      {
        rule: "AWSCURRENT is accepted, outside the promise's gaps",
        detail: expect.stringContaining("1.0 s not"),
      },
    ]);
  });

  it("allows what the promise allows after a click, and no more", () => {
    expect(rulesBroken(deadFor(DAY, [struckBy("click")]))).toEqual([]);
    expect(rulesBroken(deadFor(DAY + 3 * HOUR, [struckBy("click")]))).toHaveLength(1);
  });

  it("does not take a fault of another episode as an excuse", () => {
    const early = { ...struckBy("click"), at: START + 10 * DAY };

    expect(rulesBroken(deadFor(HOUR, [early]))).toHaveLength(1);
  });

  it.each<[string, Partial<History>]>([
    [
      "every key stored or accounted for",
      { keys: historyOf().keys.map((key) => ({ ...key, isStored: false })) },
    ],
    ["no mint that nobody decided", { intents: { mints: 1, promoted: 1 } }],
    ["converges once faults stop", { hasConverged: false }],
    ["no crash of its own", { crashes: ["TypeError: x"] }],
  ])("fails by name: %s", (rule, change) => {
    expect(rulesBroken(historyOf(change))).toContain(rule);
  });
});

describe("the cause of a failed call", () => {
  const consumer = (cacheHours: number | undefined): Consumer => ({
    name: "test",
    cacheMs: cacheHours === undefined ? undefined : cacheHours * HOUR,
    readAfter: (at) => ({ at, delayed: false }),
  });
  const failure = (cacheHours: number | undefined, change: Partial<Failure> = {}): Failure => ({
    consumer: consumer(cacheHours),
    key: 0,
    from: PROMOTED + 24 * HOUR,
    until: PROMOTED + 25 * HOUR,
    calls: 60,
    leftAt: PROMOTED,
    delayed: false,
    ...change,
  });
  /** Key 0 is refused two hours after AWSCURRENT has left it. */
  const cutShort = (struck: readonly Struck[]): History => {
    const history = historyOf({
      struck,
      episodes: [{ from: PROMOTED - MINUTE, until: PROMOTED + 3 * HOUR }],
    });
    const [first, second] = history.keys as [KeyLife, KeyLife];
    return { ...history, keys: [{ ...first, diesAt: PROMOTED + 2 * HOUR }, second] };
  };
  const within = (strike: Struck["strike"]): Struck => ({ at: PROMOTED + HOUR, strike, label: "" });

  it("is its own where it outlasts the grace period", () => {
    const judge = judgeOf(historyOf());

    expect(judge.causeOfFailure(failure(30))).toBe("cached longer than the old key lives");
    expect(judge.causeOfFailure(failure(undefined))).toBe("read at its start, not started again in time");
    expect(judge.causeOfFailure(failure(6, { delayed: true }))).toMatch(/Secrets Manager was down/);
  });

  it("is unexplained, and breaks the promise, where a short cache fails and nothing struck", () => {
    const judge = judgeOf(cutShort([]));
    const cause = judge.causeOfFailure(failure(6));

    expect(cause).toBe("unexplained");
    expect(judge.violations([{ failure: failure(6), cause }])).toMatchObject([
      { rule: "a consumer fails for a named cause only" },
    ]);
  });

  it("is the click where somebody clicked", () => {
    expect(judgeOf(cutShort([within("click")])).causeOfFailure(failure(6))).toMatch(/clicks Rotate/);
  });

  it("is a gap of the protocol only where the promise has one", () => {
    const lost = cutShort([within("lost")]);

    expect(judgeOf(lost, { secondRefresh: "B" }).causeOfFailure(failure(6))).toBe("an answer is lost");
    expect(judgeOf(lost).causeOfFailure(failure(6))).toBe("unexplained");
  });
});
