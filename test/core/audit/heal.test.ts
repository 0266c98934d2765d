import type { InstanceFacts } from "../../../core/audit/facts";
import { finding } from "../../../core/audit/findings";
import { decideHealing, type Healing, heal, isAskDue } from "../../../core/audit/heal";
import { findingsOf } from "../../../core/audit/instance-findings";
import type { Run } from "../../../core/audit/run";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { SECRET_ARN, START } from "../../../proofs/harness/builders";
import { facts, intentRecord, key, remembered, runAt, THRESHOLDS } from "./facts-builder";
import { logged } from "./logged";

const NOW = START + DAY + 10 * MINUTE;

describe("a rotation", () => {
  const asks = (given: InstanceFacts, now = NOW) =>
    isAskDue(given, findingsOf(given, THRESHOLDS, now), THRESHOLDS, now);

  test("is not asked for if nothing heals, whatever is found", () => {
    expect(asks(facts())).toBe(false);
    expect(asks(facts(key({ belongsTo: "ai_2" })))).toBe(false);
  });

  test("that is unfinished is asked for every 5 minutes, but not while its attempt may live", () => {
    const open = (askedAt?: number) =>
      facts({ intents: [intentRecord()], ...(askedAt === undefined ? {} : { askedAt }) });

    expect(asks(open(), START + DAY + 3 * MINUTE - 1)).toBe(false);
    expect(asks(open(), START + DAY + 3 * MINUTE)).toBe(true);
    expect(asks(open(NOW - 3 * MINUTE))).toBe(false);
    expect(asks(open(NOW - 5 * MINUTE))).toBe(true);
  });

  test("that was refused is asked for every hour, and every 5 minutes when the current key may have died", () => {
    const refusal = (takenAt: number, graceFrom = takenAt) =>
      intentRecord({ outcome: "refused", takenAt, graceFrom, mint: 2 });
    const refused = (takenAt: number, graceFrom?: number) =>
      facts({ intents: [refusal(takenAt, graceFrom)] });

    expect(asks(refused(NOW - 10 * MINUTE))).toBe(false);
    expect(asks(refused(NOW - HOUR))).toBe(true);
    // An earlier mint began the current key's last hours 24 hours ago.
    expect(asks(refused(NOW - 10 * MINUTE, NOW - DAY))).toBe(true);
    expect(asks({ ...refused(NOW - 10 * MINUTE, NOW - DAY), askedAt: NOW }, NOW + MINUTE)).toBe(false);
    expect(asks({ ...refused(NOW - 10 * MINUTE, NOW - DAY), askedAt: NOW }, NOW + 5 * MINUTE)).toBe(true);
    expect(asks(refused(NOW - 10 * MINUTE, NOW - DAY + MINUTE))).toBe(false);
    // That one upon the version before, from which AWSCURRENT was moved by hand.
    const before = (takenAt: number) =>
      intentRecord({ baseVersionId: "version-0", outcome: "lost", takenAt });
    const later = NOW + DAY;
    const both = (first: number) =>
      facts({ intents: [refusal(later - 10 * MINUTE), before(first)], currentVersionId: "version-1" });
    expect(asks(both(later - DAY), later)).toBe(true);
    expect(asks(both(later - DAY + MINUTE), later)).toBe(false);
  });

  test("upon a refused key is asked for every 5 minutes, until a key was minted in vain", () => {
    const dead = (changes: Partial<InstanceFacts> = {}) =>
      facts({ ...key({ accepted: false, belongsTo: undefined }), askedAt: NOW, ...changes });
    const minted = (takenAt: number) =>
      intentRecord({ outcome: "promoted", baseVersionId: "version-0", versionId: "version-1", takenAt });

    expect(asks(dead(), NOW + 4 * MINUTE)).toBe(false);
    expect(asks(dead(), NOW + 5 * MINUTE)).toBe(true);
    expect(asks(dead({ intents: [minted(NOW - 1)] }), NOW + 5 * MINUTE)).toBe(true);
    expect(asks(dead({ intents: [minted(NOW + 1)] }), NOW + 5 * MINUTE)).toBe(false);
    expect(asks(dead({ intents: [minted(NOW + 1)] }), NOW + HOUR)).toBe(true);
    // Neither a pause that is over nor a refusal mints anything.
    const pause = intentRecord({ outcome: "paused", takenAt: NOW + 1, attemptEndsAt: NOW + MINUTE });
    expect(asks(dead({ intents: [pause] }), NOW + 5 * MINUTE)).toBe(true);
    const refusal = intentRecord({ outcome: "refused", takenAt: NOW + 1 });
    expect(asks(dead({ intents: [refusal] }), NOW + 6 * MINUTE)).toBe(true);
  });

  test("that was left behind is asked for every 5 minutes, and after 2 hours by the hour", () => {
    const left = (age: number, askedAt = 0) =>
      facts({ pendingVersionId: "version-2", pendingSince: NOW - age, askedAt });

    expect(asks(left(2 * MINUTE))).toBe(false);
    expect(asks(left(4 * MINUTE))).toBe(true);
    expect(asks(left(4 * HOUR, NOW - 30 * MINUTE))).toBe(false);
    expect(asks(left(4 * HOUR, NOW - HOUR))).toBe(true);
  });
});

describe("what to ask for", () => {
  const decide = (fleet: readonly InstanceFacts[], run: Run) =>
    decideHealing(
      fleet,
      fleet.flatMap((each) => findingsOf(each, THRESHOLDS, run.now)),
      run,
    );
  const overdue = (changes: Partial<InstanceFacts> = {}) => facts({ intents: [intentRecord()], ...changes });

  test("is nothing if nothing is to be healed", () => {
    expect(decide([facts(), facts(key({ belongsTo: "ai_2" }))], runAt(NOW))).toEqual([]);
  });

  test("is a rotation of each instance, with the names because of which", () => {
    const healing = { instance: "support", secretArn: SECRET_ARN, because: ["promotion-overdue"] };

    expect(decide([overdue()], runAt(NOW))).toEqual([{ ...healing, course: "ask" }]);
    expect(decide([overdue({ askedAt: NOW - MINUTE })], runAt(NOW))).toEqual([
      { ...healing, course: "wait", askedAt: NOW - MINUTE },
    ]);
  });

  test("is at most 50 rotations in one run; the others wait", () => {
    const fleet = Array.from({ length: 60 }, (_, index) => overdue({ id: `agent-${index}` }));
    const courses = decide(fleet, runAt(NOW)).map(({ course }) => course);

    expect(courses.filter((course) => course === "ask")).toHaveLength(50);
    expect(courses.slice(50)).toEqual(Array(10).fill("wait"));
  });

  test("keeps a refusal in mind until the next ask", () => {
    const found = [remembered("heal-refused", { text: "AccessDeniedException" })];
    const waiting = overdue({ askedAt: NOW - MINUTE });

    expect(decide([waiting], runAt(NOW, { found }))).toMatchObject([
      { course: "wait", refused: "AccessDeniedException" },
    ]);
    expect(decide([overdue()], runAt(NOW, { found }))).toEqual([
      expect.not.objectContaining({ refused: expect.anything() }),
    ]);
  });
});

describe("healing", () => {
  const ask: Healing = {
    instance: "support",
    secretArn: SECRET_ARN,
    course: "ask",
    because: ["key-refused"],
  };
  const carryOut = async (
    healings: readonly Healing[],
    run = runAt(NOW),
    rotate = async () => "asked" as const,
  ) => {
    const asked: string[] = [];
    const acts: object[] = [];
    const log = logged();
    const fleet = {
      rotate: (arn: string) => {
        asked.push(arn);
        return rotate();
      },
    };
    const journal = { asked: async (_: string, act: object) => void acts.push(act) };
    return { healed: await heal({ fleet, journal, log }, healings, run), asked, acts, log };
  };

  test("asks Secrets Manager, and leaves when and why", async () => {
    const { healed, asked, acts } = await carryOut([ask]);

    expect(asked).toEqual([SECRET_ARN]);
    expect(healed).toEqual({ askedAt: { [SECRET_ARN]: NOW }, refused: [] });
    expect(acts).toEqual([{ at: NOW, because: ["key-refused"], answer: "asked" }]);
  });

  test("that waits asks for nothing, and keeps when it was asked for and how it was refused", async () => {
    const { healed, asked, acts } = await carryOut([
      { ...ask, course: "wait", askedAt: START, refused: "AccessDeniedException" },
    ]);

    expect([asked, acts]).toEqual([[], []]);
    expect(healed).toEqual({
      askedAt: { [SECRET_ARN]: START },
      refused: [finding("heal-refused", "support", "AccessDeniedException")],
    });
  });

  test("that Secrets Manager refuses is told, and noted as an ask", async () => {
    const denied = Object.assign(new Error("no"), { name: "AccessDeniedException" });
    const { healed, acts, log } = await carryOut([ask], runAt(NOW), () => Promise.reject(denied));

    expect(healed).toEqual({
      askedAt: { [SECRET_ARN]: NOW },
      refused: [finding("heal-refused", "support", "AccessDeniedException")],
    });
    expect(acts).toMatchObject([{ answer: "AccessDeniedException" }]);
    expect(log.lines).toEqual(["error Secrets Manager refuses the rotation"]);
  });

  test("in a dry run says what it would ask for, and keeps what was before", async () => {
    const { healed, asked, acts, log } = await carryOut(
      [{ ...ask, askedAt: START }],
      runAt(NOW, {}, { heals: false }),
    );

    expect([asked, acts]).toEqual([[], []]);
    expect(healed).toEqual({ askedAt: { [SECRET_ARN]: START }, refused: [] });
    expect(log.lines).toEqual(["info would ask for a rotation"]);
  });
});
