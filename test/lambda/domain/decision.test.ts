import {
  ACTIVATION_MS,
  decideStanding,
  decideStep,
  guardedUntil,
  LATE_APPLICATION_MS,
  LEAST_KEY_AGE_MS,
  type MintCourse,
  READ_LAG_MS,
  STOPS,
  Stop,
  type StopName,
  type StoredKey,
} from "../../../lambda/domain/decision";
import type { Intent } from "../../../lambda/mint/intent-store";
import { START } from "../../helpers/builders";

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

describe("no refresh is made", () => {
  test.each<[string, { issuedAt: number; previousKeyExpiresAt?: number }, number | undefined]>([
    ["after a first key: at any time", { issuedAt: START }, undefined],
    [
      "before the grace period's end",
      { issuedAt: START, previousKeyExpiresAt: START + 24 * HOUR },
      START + 24 * HOUR,
    ],
    [
      "within an hour where the grace is zero",
      { issuedAt: START, previousKeyExpiresAt: START },
      START + LEAST_KEY_AGE_MS,
    ],
    [
      "within an hour where the grace is shorter",
      { issuedAt: START, previousKeyExpiresAt: START + 60_000 },
      START + HOUR,
    ],
    [
      "before the end of a grace of just an hour",
      { issuedAt: START, previousKeyExpiresAt: START + HOUR },
      START + HOUR,
    ],
  ])("%s", (_, current, until) => {
    expect(guardedUntil(current)).toBe(until);
  });
});

describe("where an intent stands already", () => {
  const ENDS = START + 180_000;
  const LIVE = ENDS + ACTIVATION_MS;
  const SETTLED = ENDS + LATE_APPLICATION_MS + READ_LAG_MS;
  /** After every promotion of the intent's attempt is sure to be seen. */
  const SEEN = ENDS + READ_LAG_MS;
  const decide = (
    outcome: Intent["outcome"],
    stored: StoredKey,
    now: number,
    versionId = "token",
    baseIsCurrent = true,
  ) =>
    decideStanding({
      intent: { versionId, attemptEndsAt: ENDS, outcome },
      stored,
      baseIsCurrent,
      versionId: "token",
      now,
    });
  const again = (because: string) => ({ course: "mint-again", because });
  const wait = (state: StopName, until: number) => ({ course: "stop", state, until });
  const promote = { course: "promote", copy: false };
  const copy = { course: "promote", copy: true };
  const drop = { course: "drop-pending", state: "pending-key-dead" };

  test.each<[Intent["outcome"], StoredKey, number, string, object]>([
    ["refused", "empty", START, "token", again("refused")],
    ["lost", "empty", START, "token", again("lost")],
    ["lost", "accepted", START, "token", again("lost")],
    ["open", "accepted", START, "token", promote],
    ["open", "accepted", START, "older", copy],
    ["dead", "accepted", START, "older", copy],
    ["open", "refused", LIVE - 1, "token", wait("key-not-live-yet", LIVE)],
    ["open", "refused", LIVE - 1, "older", wait("key-not-live-yet", LIVE)],
    ["open", "refused", LIVE, "token", drop],
    ["open", "refused", LIVE, "older", again("dead")],
    ["dead", "refused", START, "token", drop],
    ["dead", "refused", START, "older", again("dead")],
    ["open", "empty", SETTLED - 1, "token", wait("mint-in-flight", SETTLED)],
    ["open", "empty", SETTLED - 1, "older", wait("mint-in-flight", SETTLED)],
    ["open", "empty", SETTLED, "token", again("timed-out")],
    ["open", "empty", SETTLED, "older", again("timed-out")],
    ["promoted", "accepted", SEEN - 1, "older", wait("mint-in-flight", SEEN)],
    ["promoted", "accepted", SEEN, "older", again("rolled-back")],
    ["promoted", "refused", SEEN, "older", again("rolled-back")],
    ["promoted", "empty", SEEN, "token", again("rolled-back")],
  ])("%s, its key %s, at %d, under %s", (outcome, stored, now, versionId, course) => {
    expect(decide(outcome, stored, now, versionId)).toEqual(course);
  });

  const OUTCOMES = ["open", "refused", "lost", "promoted", "dead"] as const;
  const STORED = ["empty", "accepted", "refused"] as const;
  const TIMES = [START, SEEN - 1, SEEN, LIVE - 1, LIVE, SETTLED - 1, SETTLED, SETTLED + HOUR];
  const GRID = OUTCOMES.flatMap((outcome) =>
    STORED.flatMap((stored) =>
      TIMES.flatMap((now) => ["token", "older"].map((versionId) => ({ outcome, stored, now, versionId }))),
    ),
  );
  const decisions = GRID.map((facts) => ({
    ...facts,
    decided: decide(facts.outcome, facts.stored, facts.now, facts.versionId) as MintCourse,
  }));

  test("no key is minted while another attempt may still mint or store one", () => {
    for (const { outcome, stored, now, decided } of decisions) {
      const known = outcome === "refused" || outcome === "lost" || stored === "refused";
      if (decided.course === "mint-again" && !known) expect(now).toBeGreaterThanOrEqual(SEEN);
      if (decided.course === "mint-again" && outcome === "open" && stored === "empty")
        expect(now).toBeGreaterThanOrEqual(SETTLED);
    }
  });

  test("only a key that is accepted is promoted, and only then is another not minted", () => {
    for (const { stored, decided, versionId } of decisions) {
      if (decided.course !== "promote") continue;
      expect(stored).toBe("accepted");
      expect(decided.copy).toBe(versionId !== "token");
    }
  });

  test("AWSPENDING is only taken off a key that is refused, where this attempt would store", () => {
    for (const { stored, decided, versionId } of decisions) {
      if (decided.course === "drop-pending") expect([stored, versionId]).toEqual(["refused", "token"]);
    }
  });

  test("an attempt that was paused while AWSCURRENT moved on mints and promotes nothing", () => {
    for (const { outcome, stored, now, versionId } of GRID) {
      const course = decide(outcome, stored, now, versionId, false);
      expect(course).toEqual({ course: "drop-pending", state: "promoted-meanwhile" });
    }
  });

  test("every wait ends, at the instant that it names", () => {
    for (const { outcome, stored, versionId, now, decided } of decisions) {
      if (decided.course !== "stop") continue;
      expect(decided.until).toBeGreaterThan(now);
      expect(decide(outcome, stored, decided.until, versionId).course).not.toBe("stop");
    }
  });
});

test.each(Object.entries(STOPS))("the stop %s says its name and what comes next", (state, text) => {
  const stop = new Stop(state as StopName, "detail");
  expect(stop.message).toBe(`${state}: ${text} (detail)`);
  expect(stop.state).toBe(state);
  expect(new Stop(state as StopName).message).toBe(`${state}: ${text}`);
});
