import { decideMint, decideStep, type MintCourse, type StoredKey } from "../../../core/protocol/decision";
import type { Intent } from "../../../core/protocol/intent";
import type { StopName } from "../../../core/protocol/stops";
import { ACTIVATION_MS, LATE_APPLICATION_MS, READ_LAG_MS } from "../../../core/protocol/timing";
import { START } from "../../../proofs/harness/builders";

const HOUR = 60 * 60_000;

describe("before a step", () => {
  const CURRENT = { v1: ["AWSCURRENT"] };
  const stop = (state: StopName) => ({ course: "stop", state });
  const goOn = { course: "go-on", currentVersionId: "v1" };
  const done = { course: "done" };

  test.each<[string, Record<string, string[]>, boolean, object]>([
    ["the token is current", { v1: ["AWSPREVIOUS"], token: ["AWSCURRENT"] }, true, done],
    ["the token is current and still pending", { token: ["AWSCURRENT", "AWSPENDING"] }, true, done],
    ["the token is current and rotation is off", { token: ["AWSCURRENT"] }, false, done],
    ["rotation is off", { ...CURRENT, token: ["AWSPENDING"] }, false, stop("rotation-disabled")],
    ["rotation is off and the token unknown", CURRENT, false, stop("rotation-disabled")],
    ["the token is unknown", CURRENT, true, stop("unknown-version")],
    ["there is no version", {}, true, stop("unknown-version")],
    ["the token has no label", { ...CURRENT, token: [] }, true, stop("not-pending")],
    ["the token is the previous one", { ...CURRENT, token: ["AWSPREVIOUS"] }, true, stop("not-pending")],
    [
      "another version is pending",
      { ...CURRENT, token: ["custom"], v0: ["AWSPENDING"] },
      true,
      stop("not-pending"),
    ],
    ["nothing is current", { v1: ["AWSPREVIOUS"], token: ["AWSPENDING"] }, true, stop("current-missing")],
    ["the token is pending", { ...CURRENT, token: ["AWSPENDING"] }, true, goOn],
    [
      "the token is pending, with labels of others",
      { v1: ["AWSCURRENT", "blue"], v0: ["AWSPREVIOUS"], token: ["green", "AWSPENDING"] },
      true,
      goOn,
    ],
  ])("where %s", (_, versionStages, rotationEnabled, course) => {
    expect(decideStep("token", { rotationEnabled, versionStages })).toEqual(course);
  });

  test("every combination of labels and switch has a course", () => {
    const labels = ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"];
    const holders = ["token", "v1", undefined];
    const courses = new Set<string>();
    for (const rotationEnabled of [true, false])
      for (const current of holders)
        for (const pending of holders)
          for (const previous of holders) {
            const versionStages: Record<string, string[]> = {};
            for (const [index, holder] of [current, pending, previous].entries()) {
              if (holder !== undefined)
                versionStages[holder] = [...(versionStages[holder] ?? []), labels[index] ?? ""];
            }
            const course = decideStep("token", { rotationEnabled, versionStages });
            courses.add(course.course === "stop" ? course.state : course.course);
            // The guards, each said in its own words.
            expect(course.course === "done").toBe(current === "token");
            expect(course.course === "go-on").toBe(
              rotationEnabled && current === "v1" && pending === "token",
            );
          }
    expect([...courses].sort()).toEqual([
      "current-missing",
      "done",
      "go-on",
      "not-pending",
      "rotation-disabled",
      "unknown-version",
    ]);
  });
});

describe("minting", () => {
  const ENDS = START + 180_000;
  const LIVE = START + ACTIVATION_MS;
  const SETTLED = ENDS + LATE_APPLICATION_MS + READ_LAG_MS;
  /** After every promotion of the intent's attempt is sure to be seen. */
  const SEEN = ENDS + READ_LAG_MS;
  type Where = "here" | "older";
  const decide = (
    outcome: Intent["outcome"] | "ours",
    stored: StoredKey,
    now: number,
    where: Where = "here",
    { baseIsCurrent = true, wasPromoted = false } = {},
  ) =>
    decideMint({
      standing: outcome === "ours" ? undefined : { attemptEndsAt: ENDS, outcome },
      stored,
      storedAt: stored === "empty" ? 0 : START,
      storedHere: stored !== "empty" && where === "here",
      wasPromoted,
      baseIsCurrent,
      bound: { may: "mint" },
      now,
    });
  const again = (because: string) => ({ course: "mint-again", because });
  const wait = (state: StopName, until: number) => ({ course: "stop", state, until });
  const mint = { course: "mint" };
  const promote = { course: "promote", copy: false };
  const copy = { course: "promote", copy: true };
  const drop = (state: StopName) => ({ course: "drop-pending", state });

  test.each<[Intent["outcome"] | "ours", StoredKey, number, Where, object]>([
    ["ours", "empty", START, "here", mint],
    ["ours", "accepted", START, "here", promote],
    ["ours", "refused", LIVE, "here", promote],
    ["ours", "refused", LIVE + 1, "here", drop("pending-key-dead")],
    ["ours", "leftover", START, "here", drop("pending-leftover")],
    ["refused", "empty", START, "here", again("refused")],
    ["refused", "accepted", START, "here", promote],
    ["refused", "leftover", START, "here", drop("pending-leftover")],
    ["lost", "empty", START, "here", again("lost")],
    ["lost", "accepted", START, "here", drop("pending-leftover")],
    ["lost", "accepted", START, "older", again("lost")],
    ["open", "accepted", START, "here", promote],
    ["open", "accepted", START, "older", copy],
    ["dead", "accepted", START, "older", copy],
    ["open", "refused", LIVE, "here", promote],
    ["open", "refused", LIVE, "older", copy],
    ["open", "refused", LIVE + 1, "here", drop("pending-key-dead")],
    ["open", "refused", LIVE + 1, "older", again("dead")],
    ["dead", "refused", START, "here", drop("pending-key-dead")],
    ["dead", "refused", START, "older", again("dead")],
    ["open", "leftover", START, "older", again("dead")],
    ["open", "empty", SETTLED - 1, "here", wait("mint-in-flight", SETTLED)],
    ["open", "empty", SETTLED, "here", again("timed-out")],
    ["promoted", "accepted", SEEN - 1, "older", wait("mint-in-flight", SEEN)],
    ["promoted", "accepted", SEEN, "older", again("rolled-back")],
    ["promoted", "accepted", SEEN, "here", drop("pending-leftover")],
    ["promoted", "refused", SEEN, "older", again("rolled-back")],
    ["promoted", "empty", SEEN, "here", again("rolled-back")],
    ["paused", "leftover", ENDS - 1, "older", drop("paused")],
    ["paused", "empty", ENDS - 1, "here", drop("paused")],
    ["paused", "accepted", ENDS - 1, "here", drop("paused")],
    ["paused", "leftover", ENDS, "older", again("ordered")],
    ["paused", "accepted", ENDS, "older", again("ordered")],
    ["ordered", "leftover", START, "older", again("ordered")],
    ["ordered", "leftover", ENDS, "older", again("ordered")],
    ["ordered", "accepted", START, "here", drop("pending-leftover")],
  ])("%s, its key %s, at %d, stored %s", (outcome, stored, now, where, course) => {
    expect(decide(outcome, stored, now, where)).toEqual(course);
  });

  test.each<[Intent["outcome"], StoredKey, number, Where, object]>([
    ["open", "accepted", SEEN - 1, "older", wait("mint-in-flight", SEEN)],
    ["open", "accepted", SEEN, "older", again("rolled-back")],
    ["open", "accepted", SEEN, "here", drop("pending-leftover")],
    ["open", "empty", SEEN, "older", again("rolled-back")],
    ["dead", "refused", SEEN, "older", again("rolled-back")],
  ])("%s, its key %s, at %d, stored %s, and rolled back from", (outcome, stored, now, where, course) => {
    expect(decide(outcome, stored, now, where, { wasPromoted: true })).toEqual(course);
  });

  const OUTCOMES = ["ours", "open", "refused", "lost", "promoted", "dead"] as const;
  const STORED = ["empty", "accepted", "refused", "leftover"] as const;
  const TIMES = [START, SEEN - 1, SEEN, LIVE, LIVE + 1, SETTLED - 1, SETTLED, SETTLED + HOUR];
  const GRID = OUTCOMES.flatMap((outcome) =>
    STORED.flatMap((stored) =>
      TIMES.flatMap((now) =>
        (["here", "older"] as const).flatMap((where) =>
          [false, true].map((wasPromoted) => ({ outcome, stored, now, where, wasPromoted })),
        ),
      ),
    ),
  );
  const decisions = GRID.map((facts) => ({
    ...facts,
    decided: decide(facts.outcome, facts.stored, facts.now, facts.where, facts),
  }));
  const mints = ({ course }: MintCourse) => course === "mint" || course === "mint-again";

  test("no key is minted while another attempt may still mint or store one", () => {
    for (const { outcome, stored, now, wasPromoted, decided } of decisions) {
      if (!mints(decided) || outcome === "ours") continue;
      if (outcome === "promoted" || wasPromoted) expect(now).toBeGreaterThanOrEqual(SEEN);
      else if (stored === "empty" && outcome !== "refused" && outcome !== "lost")
        expect(now).toBeGreaterThanOrEqual(SETTLED);
    }
  });

  test("no key is minted into a version that holds a value", () => {
    for (const { stored, where, decided } of decisions) {
      if (mints(decided)) expect(stored !== "empty" && where === "here").toBe(false);
    }
  });

  test("only a key that is accepted, or may soon be, is promoted; copied where it stands elsewhere", () => {
    for (const { stored, decided, where, now } of decisions) {
      if (decided.course !== "promote") continue;
      expect(stored === "accepted" || (stored === "refused" && now <= LIVE)).toBe(true);
      expect(decided.copy).toBe(where === "older");
    }
  });

  test("a key that somebody rolled back from is never promoted again", () => {
    for (const { outcome, wasPromoted, decided } of decisions) {
      if (outcome !== "ours" && wasPromoted) expect(decided.course).not.toBe("promote");
    }
  });

  test("AWSPENDING is only taken off a version of this attempt's that holds a value", () => {
    for (const { stored, decided, where } of decisions) {
      if (decided.course !== "drop-pending") continue;
      expect(stored).not.toBe("empty");
      expect(where).toBe("here");
    }
  });

  test("an attempt that was paused while AWSCURRENT moved on mints and promotes nothing", () => {
    for (const { outcome, stored, now, where, wasPromoted } of GRID) {
      expect(decide(outcome, stored, now, where, { baseIsCurrent: false, wasPromoted })).toEqual(
        drop("promoted-meanwhile"),
      );
    }
  });

  test("every wait ends, at the instant that it names", () => {
    for (const { outcome, stored, where, now, wasPromoted, decided } of decisions) {
      if (decided.course !== "stop" || decided.until === undefined) continue;
      expect(decided.until).toBeGreaterThan(now);
      expect(decide(outcome, stored, decided.until, where, { wasPromoted }).course).not.toBe("stop");
    }
  });
});
