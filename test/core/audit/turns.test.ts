import { slotOf } from "../../../core/audit/intervals";
import type { Memory } from "../../../core/audit/memory";
import { dueLooks, isWatchedHourly, turnOf } from "../../../core/audit/turns";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { SECRET_ARN, START } from "../../../proofs/harness/builders";
import { facts, intentRecord, key, listed, remembered, runAt } from "./facts-builder";

const NOW = START + DAY;

describe("the turn of a key", () => {
  test.each<[string, string, Partial<Memory>]>([
    ["with which nothing is the matter comes once a day", "evening", {}],
    ["with a note about its use only does too", "evening", { found: [remembered("key-unused")] }],
    [
      "of another instance's finding does too",
      "evening",
      { found: [remembered("key-refused", { instance: "x" })] },
    ],
    [
      "whose value has shown something comes every hour",
      "hourly",
      { found: [remembered("mapping-differs")] },
    ],
    ["whose rotation was asked for comes every hour", "hourly", { askedAt: { [SECRET_ARN]: NOW - DAY } }],
    [
      "that is being healed comes now",
      "now",
      { found: [remembered("key-refused")], askedAt: { [SECRET_ARN]: NOW - HOUR + 1 } },
    ],
    [
      "whose healing has not been asked for since an hour comes every hour",
      "hourly",
      { found: [remembered("key-refused")], askedAt: { [SECRET_ARN]: NOW - HOUR } },
    ],
    ["whose value was missing comes now", "now", { found: [remembered("current-missing")] }],
    ["whose pause has ended comes now", "now", { found: [remembered("paused")] }],
  ])("%s: %s", (_, turn, before) => {
    const askedAt = before.askedAt?.[SECRET_ARN];
    expect(turnOf(listed(askedAt === undefined ? {} : { askedAt }), runAt(NOW, before))).toBe(turn);
  });

  test("comes now if only its value tells whether a mint was spent", () => {
    expect(turnOf(listed({ intents: [intentRecord({ baseVersionId: "version-0" })] }), runAt(NOW))).toBe(
      "now",
    );
  });

  test("waits while a pause lasts", () => {
    const intents = [intentRecord({ outcome: "paused", attemptEndsAt: NOW + HOUR })];
    expect(turnOf(listed({ intents }), runAt(NOW, { found: [remembered("paused")] }))).toBe("evening");
  });
});

describe("the keys that are looked at", () => {
  const fleet = Array.from({ length: 300 }, (_, index) =>
    listed({ id: `agent-${index}`, secretName: `valmi/dev/agent-${index}/agent-key` }),
  );

  test("are all of them in a day, each once, in the order of their slots", () => {
    const run = runAt(NOW, { checkedThrough: slotOf(NOW) - 288 });
    const looks = dueLooks(fleet, run);

    expect(looks).toHaveLength(fleet.length);
    expect(looks.map(({ slot }) => slot)).toEqual(looks.map(({ slot }) => slot).sort((a, b) => a - b));
  });

  test("are few in one run; those with which something is the matter come first", () => {
    const evening = START + 22 * HOUR;
    const run = runAt(evening, {
      checkedThrough: slotOf(evening) - 1,
      found: [remembered("paused", { instance: "agent-7" })],
    });
    const looks = dueLooks(fleet, run);

    expect(looks.length).toBeLessThan(40);
    expect(looks[0]).toMatchObject({ look: { id: "agent-7" }, turn: "now" });
    expect(looks.slice(1).every(({ turn }) => turn === "evening")).toBe(true);
  });
});

describe("every hour a key is looked at", () => {
  const inGrace = facts(key({ previousKeyExpiresAt: START + 2 * DAY }));

  test("whose predecessor's grace period runs or has just ended", () => {
    expect(isWatchedHourly(inGrace, false, START + 2 * DAY)).toBe(true);
    expect(isWatchedHourly(inGrace, false, START + 3 * DAY)).toBe(false);
    expect(isWatchedHourly(facts(), false, NOW + 10 * MINUTE)).toBe(false);
    expect(isWatchedHourly(facts(), true, NOW + 10 * MINUTE)).toBe(true);
  });

  test.each([
    ["that the newest rotation has promoted", "version-2", false],
    ["to which the label was moved back", "version-1", true],
    ["that was stored by hand", "version-3", true],
  ])("whose version is one %s: %s", (_, currentVersionId, expected) => {
    const intents = [
      intentRecord({ outcome: "promoted" }),
      intentRecord({ outcome: "promoted", baseVersionId: "none", versionId: "version-1", takenAt: START }),
    ];
    expect(isWatchedHourly(listed({ currentVersionId, intents }), false, START + 9 * DAY)).toBe(expected);
  });
});
