import { type EnvironmentFacts, environmentFindings } from "../../../core/audit/environment-findings";
import type { InstanceFacts } from "../../../core/audit/facts";
import { isAskDue } from "../../../core/audit/heal";
import { findingsOf } from "../../../core/audit/instance-findings";
import { unpromotedPagedAfter } from "../../../core/audit/thresholds";
import { isWatchedHourly } from "../../../core/audit/turns";
import { needsValue, unspentIntent } from "../../../core/audit/unfinished";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { facts, intentRecord, ROTATION_FUNCTION, THRESHOLDS } from "./facts-builder";

const NOW = START + DAY + 10 * MINUTE;

const namesOf = (given: InstanceFacts, now = NOW, thresholds = THRESHOLDS) =>
  findingsOf(given, thresholds, now).map(({ name, severity }) => `${severity} ${name}`);
const deep = (changes: object) => ({
  deep: { ...facts().deep, ...changes } as InstanceFacts["deep"] & object,
});
const key = (changes: object) => deep({ key: { ...facts().deep?.key, ...changes } });
const asks = (given: InstanceFacts, now = NOW) =>
  isAskDue(given, findingsOf(given, THRESHOLDS, now), THRESHOLDS, now);

test("nothing is found of an instance with which nothing is the matter, and nothing is asked for", () => {
  expect(namesOf(facts())).toEqual([]);
  expect(namesOf(facts({ versionStages: { "version-1": ["AWSCURRENT", "AWSPENDING"] } }))).toEqual([]);
  expect(asks(facts())).toBe(false);
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
    expect(asks(facts(key({ accepted: false, belongsTo: undefined })))).toBe(true);
    expect(asks(facts(key({ belongsTo: "ai_2" })))).toBe(false);
    expect(asks(facts(deep({ instance: undefined })))).toBe(false);
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

  test.each([
    [24, 60],
    [13, 60],
    [12.5, 30],
    [12, 5],
    [2, 5],
    [0, 5],
  ])("with a grace period of %d hours it is paged after %d minutes", (hours, minutes) => {
    expect(unpromotedPagedAfter({ gracePeriodMs: hours * HOUR })).toBe(minutes * MINUTE);
  });

  test("is asked for every 5 minutes, but not while its attempt may live", () => {
    const open = (askedAt?: number) =>
      facts({ intents: [intentRecord()], ...(askedAt === undefined ? {} : { askedAt }) });

    expect(asks(open(), START + DAY + 3 * MINUTE - 1)).toBe(false);
    expect(asks(open(), START + DAY + 3 * MINUTE)).toBe(true);
    expect(asks(open(NOW - 3 * MINUTE))).toBe(false);
    expect(asks(open(NOW - 5 * MINUTE))).toBe(true);
  });

  test("after a refusal it is asked for every hour, and every 5 minutes when the current key may have died", () => {
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

  test("upon a refused key it is asked for every 5 minutes, until a key was minted in vain", () => {
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

  test("a label left behind is asked for every 5 minutes, paged after 2 hours, and then asked for by the hour", () => {
    const left = (age: number, askedAt = 0) =>
      facts({ pendingVersionId: "version-2", pendingSince: NOW - age, askedAt });

    expect(namesOf(left(2 * HOUR))).toEqual(["heal pending-left-behind"]);
    expect(namesOf(left(2 * HOUR + 1))).toEqual(["page pending-left-behind"]);
    expect(asks(left(2 * MINUTE))).toBe(false);
    expect(asks(left(4 * MINUTE))).toBe(true);
    expect(asks(left(4 * HOUR, NOW - 30 * MINUTE))).toBe(false);
    expect(asks(left(4 * HOUR, NOW - HOUR))).toBe(true);
  });

  test("an intent is spent when its key is current, and when AWSCURRENT is on a younger one", () => {
    const of = (changes: Partial<InstanceFacts>) => unspentIntent(facts(changes))?.outcome;

    expect(of({ intents: [intentRecord()] })).toBe("open");
    expect(of({ intents: [intentRecord({ outcome: "promoted" })] })).toBeUndefined();
    expect(
      of({ intents: [intentRecord({ versionId: "version-1", baseVersionId: "version-0" })] }),
    ).toBeUndefined();
    expect(
      of({ intents: [intentRecord({ baseVersionId: "version-0", takenAt: START - 1 })] }),
    ).toBeUndefined();
    // The old value was stored again under a new version: its key is older than the mint.
    expect(of({ intents: [intentRecord({ baseVersionId: "version-0", takenAt: START + 1 })] })).toBe("open");
  });

  test("whose intent only seems unspent, the value has to tell", () => {
    const { deep: _, ...shallow } = facts({ intents: [intentRecord({ baseVersionId: "version-0" })] });

    expect(needsValue(shallow)).toBe(true);
    expect(needsValue({ ...shallow, intents: [intentRecord()] })).toBe(false);
    expect(needsValue(facts({ intents: [intentRecord({ baseVersionId: "version-0" })] }))).toBe(false);
  });
});

describe("the schedule", () => {
  test("a key older than its interval and a window is healed, and paged 2 hours later", () => {
    const due = START + 91 * DAY;

    expect(namesOf(facts(), due)).toEqual([]);
    expect(namesOf(facts(), due + 1)).toEqual(["heal rotation-overdue"]);
    expect(namesOf(facts(), due + 2 * HOUR + 1)).toEqual(["page rotation-overdue"]);
    expect(asks(facts(), due + 1)).toBe(true);
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
    expect(asks(off)).toBe(false);
  });
});

test("a paused instance is left alone, and paged all the same", () => {
  const pause = intentRecord({ outcome: "paused", attemptEndsAt: NOW + HOUR });
  const refused = { ...facts(key({ accepted: false, belongsTo: undefined })), intents: [pause] };

  expect(namesOf(facts({ intents: [pause] }))).toEqual(["note paused"]);
  expect(namesOf(refused)).toEqual(["page key-refused", "note paused"]);
  expect(asks(refused)).toBe(false);
  expect(asks(refused, NOW + HOUR)).toBe(true);
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
    expect(asks(rolledBack, START + DAY + 11 * HOUR)).toBe(false);
    expect(asks(rolledBack, START + DAY + 13 * HOUR)).toBe(true);
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

  test("makes its instance one that is looked at every hour", () => {
    expect(isWatchedHourly(inGrace(true, START + DAY), false, START + 2 * DAY)).toBe(true);
    expect(isWatchedHourly(inGrace(true, START + DAY), false, START + 3 * DAY)).toBe(false);
    expect(isWatchedHourly(facts(), false, NOW)).toBe(false);
    expect(isWatchedHourly(facts(), true, NOW)).toBe(true);
  });

  test.each([
    ["that the newest rotation has promoted", "version-2", false],
    ["to which the label was moved back", "version-1", true],
    ["that was stored by hand", "version-3", true],
  ])("and so is an instance with a version %s: %s", (_, currentVersionId, expected) => {
    const intents = [
      intentRecord({ outcome: "promoted" }),
      intentRecord({ outcome: "promoted", baseVersionId: "none", versionId: "version-1", takenAt: START }),
    ];
    const { deep: _unseen, ...shallow } = facts({ currentVersionId, intents });
    expect(isWatchedHourly(shallow, false, START + 9 * DAY)).toBe(expected);
  });
});

describe("the environment", () => {
  const environment = (changes: Partial<EnvironmentFacts>) =>
    environmentFindings({ environment: "dev", orphans: [], behindMs: 0, ...changes }, NOW).map(
      ({ name, severity, instance }) => `${severity} ${name} ${instance}`,
    );
  const trouble = (name: "operator-key-refused" | "control-plane-unavailable", since: number) =>
    environment({ controlPlane: { trouble: name, since, detail: "-" } });

  test.each<[string, Partial<EnvironmentFacts>]>([
    ["rotation-function-unusable dev", { rotationFunctionUnusable: "ResourceNotFoundException" }],
    ["invoke-permission-missing dev", { mayBeInvoked: false }],
    ["self-test-failed dev", { selfTest: { at: NOW, failures: ["write-secret"] } }],
    ["intents-unreadable dev", { intentsUnreadable: "AccessDeniedException" }],
    ["alert-route-broken dev", { alertRouteBroken: "no confirmed subscription" }],
    [
      "orphan-instance ai_9",
      { orphans: [{ agentInstanceId: "ai_9", secretName: "valmi/dev/gone/agent-key" }] },
    ],
    ["audit-behind dev", { behindMs: 3 * HOUR }],
  ])("%s", (expected, change) => {
    expect(environment(change)).toEqual([`page ${expected}`]);
  });

  test("nothing is found where all is well", () => {
    expect(environment({ mayBeInvoked: true, selfTest: { at: NOW, failures: [] }, behindMs: HOUR })).toEqual(
      [],
    );
  });

  test("a Control Plane that was away for less than an hour is nobody's page, a refused operator's key is at once", () => {
    expect(trouble("control-plane-unavailable", NOW - HOUR + 1)).toEqual([
      "note control-plane-unavailable dev",
    ]);
    expect(trouble("control-plane-unavailable", NOW - HOUR)).toEqual(["page control-plane-unavailable dev"]);
    expect(trouble("operator-key-refused", NOW)).toEqual(["page operator-key-refused dev"]);
  });
});
