import type { InstanceFacts } from "../../../core/audit/facts";
import { findingsOf } from "../../../core/audit/instance-findings";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { deep, facts, intentRecord, key, ROTATION_FUNCTION, THRESHOLDS } from "./facts-builder";

const NOW = START + DAY + 10 * MINUTE;

const namesOf = (given: InstanceFacts, now = NOW, thresholds = THRESHOLDS) =>
  findingsOf(given, thresholds, now).map(
    ({ name, severity }) => `${severity} ${name}`,
  ); /** Whether a rotation is asked for because of what is found. */
const heals = (given: InstanceFacts, now = NOW) =>
  findingsOf(given, THRESHOLDS, now).some((finding) => finding.heals);

test("nothing is found of an instance with which nothing is the matter", () => {
  expect(namesOf(facts())).toEqual([]);
  expect(namesOf(facts({ versionStages: { "version-1": ["AWSCURRENT", "AWSPENDING"] } }))).toEqual([]);
});

describe("the value and the instance", () => {
  test.each<[string, Partial<InstanceFacts>, string]>([
    ["no value under AWSCURRENT", { ...deep({ value: "missing", key: undefined }) }, "page current-missing"],
    [
      "another kind of value",
      { ...deep({ value: "unreadable", key: undefined }) },
      "page current-unreadable",
    ],
    ["a refused key", key({ accepted: false, belongsTo: undefined }), "page key-refused"],
    ["a key of another instance", key({ belongsTo: "ai_2" }), "page wrong-instance"],
    [
      "a marker of another secret",
      deep({ instance: { ...facts().deep?.instance, ownership: "theirs" } }),
      "page wrong-instance",
    ],
    ["no such instance", deep({ instance: undefined }), "page instance-gone"],
    [
      "another account",
      deep({ instance: { ...facts().deep?.instance, differs: ["valmi:account"] } }),
      "page mapping-differs",
    ],
  ])("%s", (_, change, expected) => {
    expect(namesOf(facts(change))).toEqual([expected]);
  });

  test("of an inactive instance the key is refused, and only the cause is told", () => {
    const inactive = { ...facts().deep?.instance, isActive: false };

    expect(
      namesOf(
        facts(
          deep({ instance: inactive, key: { ...facts().deep?.key, accepted: false, belongsTo: undefined } }),
        ),
      ),
    ).toEqual(["page instance-inactive"]);
  });

  test("a secret that was just made may still wait for its first key", () => {
    const { currentVersionId: _, deep: __, ...empty } = facts();

    expect(namesOf(empty, START + 59 * MINUTE)).toEqual(["note current-missing"]);
    expect(namesOf(empty, START + 61 * MINUTE)).toEqual(["page current-missing"]);
  });

  test("of a refused key another rotation is the course; of another instance's it is not", () => {
    expect(heals(facts(key({ accepted: false, belongsTo: undefined })))).toBe(true);
    expect(heals(facts(key({ belongsTo: "ai_2" })))).toBe(false);
    expect(heals(facts(deep({ instance: undefined })))).toBe(false);
  });
});

describe("a rotation that is not at its end", () => {
  const unfinished = (now: number, changes = {}) =>
    findingsOf(facts({ intents: [intentRecord(changes)] }), THRESHOLDS, now).map(
      ({ name, severity, hoursLeft }) => [name, severity, hoursLeft],
    );

  test("is healed at first, and paged after an hour, with 23 of the 24 hours left", () => {
    expect(unfinished(START + DAY + 60 * MINUTE)).toEqual([["promotion-overdue", "heal", 23]]);
    expect(unfinished(START + DAY + 61 * MINUTE)).toEqual([["promotion-overdue", "page", 23]]);
  });

  test("a refusal that goes on is paged once the grace period cannot be the reason", () => {
    const refused = (now: number) =>
      namesOf(
        facts({
          intents: [
            intentRecord({
              outcome: "refused",
              takenAt: now,
              earlierMints: [`1:version-2:${START + DAY}`],
              mint: 2,
            }),
          ],
        }),
        now,
      );

    expect(refused(START + DAY + 24 * HOUR)).toEqual(["heal mint-refused"]);
    expect(refused(START + DAY + 25 * HOUR + 1)).toEqual(["page mint-refused"]);
  });

  test("a label left behind is healed at first, and paged after 2 hours", () => {
    const left = (age: number) => facts({ pendingVersionId: "version-2", pendingSince: NOW - age });

    expect(namesOf(left(2 * HOUR))).toEqual(["heal pending-left-behind"]);
    expect(namesOf(left(2 * HOUR + 1))).toEqual(["page pending-left-behind"]);
  });
});

describe("the schedule", () => {
  test("a key older than its interval and a window is healed, and paged 2 hours later", () => {
    const due = START + 91 * DAY;

    expect(namesOf(facts(), due)).toEqual([]);
    expect(namesOf(facts(), due + 1)).toEqual(["heal rotation-overdue"]);
    expect(namesOf(facts(), due + 2 * HOUR + 1)).toEqual(["page rotation-overdue"]);
    expect(heals(facts(), due + 1)).toBe(true);
  });

  test("rotation that is off is paged, unless the environment says so", () => {
    const off = facts({ rotation: { enabled: false, scheduled: true, functionArn: ROTATION_FUNCTION } });

    expect(namesOf(off)).toEqual(["page rotation-off"]);
    expect(
      namesOf(facts({ rotation: { enabled: true, scheduled: false, functionArn: ROTATION_FUNCTION } })),
    ).toEqual(["page rotation-off"]);
    expect(namesOf(off, NOW, { gracePeriodMs: DAY })).toEqual([]);
    expect(
      namesOf(facts({ rotation: { enabled: true, scheduled: true, functionArn: "arn:other" } })),
    ).toEqual(["page wrong-rotation-function"]);
  });

  test("where rotation is off nothing can be healed, and what would be is paged", () => {
    const off = facts({
      rotation: { enabled: false, scheduled: true, functionArn: ROTATION_FUNCTION },
      intents: [intentRecord()],
    });

    expect(namesOf(off)).toEqual(["page rotation-off", "page promotion-overdue"]);
    expect(heals(off)).toBe(false);
  });
});

describe("who reads the key", () => {
  test("is noted after 30 days in which nobody was seen to", () => {
    expect(namesOf(facts({ unused: { since: NOW - 30 * DAY + 1 } }))).toEqual([]);
    expect(namesOf(facts({ unused: { since: NOW - 30 * DAY } }))).toEqual(["note key-unused"]);
  });

  test("is noted when somebody reads it again", () => {
    expect(namesOf(facts({ unused: { since: START, readAgainAt: NOW } }))).toEqual(["note key-used-again"]);
  });
});

test("a paused instance is left alone, and paged all the same", () => {
  const pause = intentRecord({ outcome: "paused", attemptEndsAt: NOW + HOUR });
  const refused = { ...facts(key({ accepted: false, belongsTo: undefined })), intents: [pause] };

  expect(namesOf(facts({ intents: [pause] }))).toEqual(["note paused"]);
  expect(namesOf(refused)).toEqual(["page key-refused", "note paused"]);
  expect(heals(refused)).toBe(false);
  expect(heals(refused, NOW + HOUR)).toBe(true);
});

describe("a key that is current again after it was replaced", () => {
  const promoted = intentRecord({
    outcome: "promoted",
    previousFingerprint: "aaaaaaaaaaaa",
    previousKeyExpiresAt: START + 2 * DAY,
  });

  test("is on its fuse; in the second half of the grace period it is replaced", () => {
    const rolledBack = facts({ intents: [promoted] });

    expect(findingsOf(rolledBack, THRESHOLDS, START + DAY + 6 * HOUR)).toMatchObject([
      { name: "key-on-fuse", severity: "page", hoursLeft: 18, heals: false },
    ]);
    expect(heals(rolledBack, START + DAY + 11 * HOUR)).toBe(false);
    expect(heals(rolledBack, START + DAY + 13 * HOUR)).toBe(true);
  });

  test("also where its value was stored under another version", () => {
    const stored = facts({ intents: [promoted], currentVersionId: "version-9" });

    expect(namesOf(stored)).toEqual(["page key-on-fuse"]);
  });

  test("the key that replaced it is not", () => {
    const current = {
      ...facts({ currentVersionId: "version-2", intents: [promoted] }),
      ...key({ fingerprint: "bbbbbbbbbbbb" }),
    };

    expect(namesOf(current)).toEqual([]);
  });
});

describe("the key before", () => {
  const inGrace = (accepted: boolean, lookedAt: number) =>
    facts(
      deep({
        lookedAt,
        key: { ...facts().deep?.key, previousKeyExpiresAt: START + 2 * DAY },
        previousKey: { fingerprint: "bbbbbbbbbbbb", accepted },
      }),
    );

  test("is promised the whole of its grace period, and no more", () => {
    expect(namesOf(inGrace(true, START + 2 * DAY - HOUR))).toEqual([]);
    expect(namesOf(inGrace(false, START + 2 * DAY - HOUR))).toEqual(["page grace-cut-short"]);
    expect(namesOf(inGrace(false, START + 2 * DAY - MINUTE))).toEqual([]);
    expect(namesOf(inGrace(true, START + 2 * DAY + MINUTE))).toEqual([]);
    expect(namesOf(inGrace(true, START + 2 * DAY + HOUR))).toEqual(["note old-key-still-accepted"]);
  });
});
