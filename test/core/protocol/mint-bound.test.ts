import type { Intent } from "../../../core/protocol/intent";
import { mintedUpon, succeed, vainUpon } from "../../../core/protocol/intent";
import { boundFacts, decideBound, type MintBoundFacts } from "../../../core/protocol/mint-bound";
import { intent, SECRET_ARN, START } from "../../../proofs/harness/builders";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("another mint upon the same base", () => {
  const decide = (changes: Partial<MintBoundFacts>) =>
    decideBound({
      base: "alive",
      inVain: 1,
      mintedAt: Array.from({ length: changes.inVain ?? 1 }, (_, index) => START - (index + 1) * HOUR),
      trouble: "unanswered",
      writeProven: false,
      promotedElsewhere: false,
      gracePeriodMs: DAY,
      now: START,
      ...changes,
    });
  const mint = { may: "mint" };
  const wait = (state: string, until?: number) => ({ may: "wait", state, ...(until ? { until } : {}) });

  test.each<[string, Partial<MintBoundFacts>, object]>([
    ["the first is free", { inVain: 0 }, mint],
    ["a lost answer is followed by another", {}, mint],
    ["and by a third", { inVain: 2 }, mint],
    ["and by no more", { inVain: 3 }, wait("mint-bound")],
    ["a key that was stored and ended by somebody may be replaced", { trouble: undefined }, mint],
    ["a key that could not be read is never repeated", { trouble: "unreadable" }, wait("mint-unreadable")],
    ["unless another instance has a new key since", { trouble: "unreadable", promotedElsewhere: true }, mint],
    [
      "and no more than three times",
      { inVain: 3, trouble: "unreadable", promotedElsewhere: true },
      wait("mint-bound"),
    ],
    ["a key that was not stored needs a write first", { trouble: "unstored" }, { may: "prove-write" }],
    ["and then another is minted", { trouble: "unstored", writeProven: true }, mint],
    [
      "and no more than three times",
      { inVain: 3, trouble: "unstored", writeProven: true },
      wait("mint-bound"),
    ],
  ])("while the key under the base may work: %s", (_, facts, expected) => {
    expect(decide(facts)).toEqual(expected);
  });

  test.each<[string, Partial<MintBoundFacts>, object]>([
    ["a lost answer is followed by another", {}, mint],
    ["three are followed by one each day", { inVain: 3 }, wait("mint-bound", START - HOUR + DAY)],
    ["on the next day", { inVain: 3, now: START - HOUR + DAY }, mint],
    ["and at once if another instance has a new key since", { inVain: 3, promotedElsewhere: true }, mint],
    [
      "an unreadable key is repeated on the next day",
      { trouble: "unreadable" },
      wait("mint-unreadable", START - HOUR + DAY),
    ],
    [
      "or at once if another instance has a new key",
      { trouble: "unreadable", promotedElsewhere: true },
      mint,
    ],
    ["a write has to succeed first", { inVain: 3, trouble: "unstored" }, { may: "prove-write" }],
    ["and then no day has to pass", { inVain: 3, trouble: "unstored", writeProven: true }, mint],
  ])("once it is proven dead: %s", (_, facts, expected) => {
    expect(decide({ base: "dead", ...facts })).toEqual(expected);
  });

  test("a first key has nothing to lose, but for four mints a day", () => {
    expect(decide({ base: "none", inVain: 3, trouble: "unreadable" })).toEqual(mint);
    expect(decide({ base: "none", inVain: 4 })).toEqual(wait("mint-bound", START - 4 * HOUR + DAY));
  });

  test.each(["none", "alive", "dead"] as const)(
    "never more than four in a day, whatever else (%s)",
    (base) => {
      const mintedAt = [START - 4, START - 3, START - 2, START - 1];
      const facts = { base, inVain: 0, mintedAt, writeProven: true, promotedElsewhere: true } as const;
      expect(decide({ ...facts, gracePeriodMs: 0 })).toEqual(wait("mint-bound", START - 4 + DAY));
      expect(decide({ ...facts, gracePeriodMs: 3 * DAY })).toEqual(wait("mint-bound", START - 4 + 3 * DAY));
      expect(decide({ ...facts, now: START - 4 + DAY })).toEqual(mint);
    },
  );

  test("every wait that names its end ends there", () => {
    for (const base of ["alive", "dead"] as const)
      for (const inVain of [1, 2, 3, 4, 5])
        for (const trouble of ["unanswered", "unreadable", undefined] as const) {
          const decided = decide({ base, inVain, trouble });
          if (decided.may !== "wait" || decided.until === undefined) continue;
          expect(decided.until).toBeGreaterThan(START);
          const then = decide({
            base,
            inVain,
            trouble,
            now: decided.until,
            mintedAt: [START - inVain * HOUR],
          });
          expect(base === "dead" ? then : mint).toEqual(mint);
        }
  });
});

describe("the account of mints", () => {
  const at = (minutes: number) => START + minutes * 60_000;
  const next = (minutes: number) => intent({ takenAt: at(minutes), owner: `attempt-${minutes}` });

  test.each<[Intent["outcome"], number]>([
    ["open", 1],
    ["lost", 1],
    ["dead", 1],
    ["refused", 0],
    ["paused", 0],
    ["ordered", 0],
  ])("a mint that is %s counts %d", (outcome, count) => {
    const standing = intent({ outcome });
    expect(vainUpon(standing)).toBe(count);
    expect(mintedUpon(standing)).toHaveLength(count);
    expect(succeed(standing, next(5))).toMatchObject({ inVain: count, mintedAt: count ? [START] : [] });
  });

  test("a promoted one was made, and not in vain; what came before it is over", () => {
    const standing = intent({ outcome: "promoted", inVain: 2, mintedAt: [1, 2], trouble: "unstored" });
    expect(vainUpon(standing)).toBe(0);
    const back = succeed(standing, next(5));
    expect(back).toMatchObject({ inVain: 0, mintedAt: [1, 2, START] });
    expect(back.trouble).toBeUndefined();
    // Its record need not say so.
    const unsaid = succeed({ ...standing, outcome: "open" }, next(5), { wasPromoted: true });
    expect(unsaid).toMatchObject({ inVain: 0, mintedAt: [1, 2, START] });
  });

  test("one that a person has ordered counts towards nothing", () => {
    const ordered = succeed(intent({ outcome: "ordered", inVain: 3, mintedAt: [1, 2, 3] }), next(5));
    expect(ordered.ordered).toBe(true);
    expect(vainUpon({ ...ordered, outcome: "lost" })).toBe(3);
    expect(mintedUpon({ ...ordered, outcome: "lost" })).toEqual([1, 2, 3]);
  });

  test("refusals between two mints don't hide the first one, nor what was the matter with it", () => {
    const lost = intent({ outcome: "lost", trouble: "unreadable" });
    const refused = { ...succeed(lost, next(5)), outcome: "refused" as const };
    const facts = boundFacts(
      { records: [refused], standing: refused, halt: { vain: [] } },
      { base: "alive", gracePeriodMs: DAY, now: at(10) },
    );
    expect(facts).toMatchObject({ inVain: 1, mintedAt: [START], trouble: "unreadable" });
  });

  test("a write proves something only if it came after the last mint, and so does another's promotion", () => {
    const unstored = intent({ trouble: "unstored" });
    const view = { base: "alive", gracePeriodMs: DAY, now: at(10) } as const;
    const factsOf = (writeProvenAt: number, promotedAt: number, promotedOf = "arn:other") =>
      boundFacts(
        {
          records: [],
          standing: { ...unstored, writeProvenAt },
          halt: { vain: [], promotedAt, promotedOf },
        },
        view,
      );
    expect(factsOf(START, START)).toMatchObject({ writeProven: false, promotedElsewhere: false });
    expect(factsOf(START + 1, START + 1)).toMatchObject({ writeProven: true, promotedElsewhere: true });
    expect(factsOf(0, START + 1, SECRET_ARN)).toMatchObject({ promotedElsewhere: false });
  });

  test("mints upon other bases count towards the day's", () => {
    const records = [intent({ baseVersionId: "v0", outcome: "promoted" }), intent({ mintedAt: [START - 1] })];
    const facts = boundFacts(
      { records, standing: records[1], halt: { vain: [] } },
      { base: "alive", gracePeriodMs: DAY, now: at(1) },
    );
    expect(facts.mintedAt).toEqual([START, START - 1, START]);
  });
});
