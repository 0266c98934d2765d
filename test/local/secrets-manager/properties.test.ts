import fc from "fast-check";
import { HOUR } from "../../../local/clock";
import { SecretsManagerError } from "../../../local/secrets-manager/errors";
import type { Snapshot } from "../../../local/secrets-manager/model";
import { RotationStory, token } from "./rotation-story";

/*
 * Whatever is called in whatever order, by function, person and schedule at once: these hold.
 */

const name = fc.constantFrom("first", "a", "b", "c", "d").map(token);
const label = fc.constantFrom("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "mine");
const value = fc.constantFrom("one", "two");

const put = fc.record({
  ClientRequestToken: name,
  SecretString: value,
  VersionStages: fc.uniqueArray(label, { minLength: 1 }),
});
const move = fc.record(
  { VersionStage: label, MoveToVersionId: name, RemoveFromVersionId: name },
  { requiredKeys: ["VersionStage"] },
);
const rotate = fc.record({
  ClientRequestToken: name,
  RotationLambdaARN: fc.constant("f"),
  RotateImmediately: fc.boolean(),
  RotationRules: fc.constantFrom({}, { AutomaticallyAfterDays: 1 }, { ScheduleExpression: "rate(4 hours)" }),
});

type Action = (story: RotationStory) => void;

const call = (operation: string) => (input: object) => {
  const action: Action = (story) => void story.call(operation, input);
  return Object.assign(action, { toString: () => `${operation} ${JSON.stringify(input)}` });
};

const running: string[] = [];
const handOut: Action = (story) => {
  story.state.tick();
  const next = story.state.nextInvocation();
  if (next) running.push(next.id);
};
const succeed: Action = (story) => story.state.invocationSucceeded(running.shift() ?? "");
const fail: Action = (story) => story.state.invocationFailed(running.shift() ?? "");

const action: fc.Arbitrary<Action> = fc.oneof(
  put.map(call("PutSecretValue")),
  fc.record({ ClientRequestToken: name, SecretString: value }).map(call("UpdateSecret")),
  move.map(call("UpdateSecretVersionStage")),
  rotate.map(call("RotateSecret")),
  fc.constant(call("CancelRotateSecret")({})),
  fc.constantFrom(handOut, succeed, fail),
  fc
    .integer({ min: 1, max: 30 })
    .map((hours) => (story: RotationStory) => story.clock.advanceBy(hours * HOUR)),
);

function checkInvariants({ secrets, pendingRotations }: Snapshot, hadCurrent: boolean): boolean {
  const versions = secrets[0]?.versions ?? [];
  const labels = versions.flatMap((version) => version.labels);
  expect(new Set(labels).size).toBe(labels.length);
  expect(labels.length).toBeLessThanOrEqual(20);
  expect(new Set(versions.map(({ id }) => id)).size).toBe(versions.length);
  for (const version of versions) expect(version.labels).toEqual([...version.labels].sort());
  expect(pendingRotations.length).toBeLessThanOrEqual(1);
  for (const rotation of pendingRotations)
    expect(versions.some(({ id }) => id === rotation.token)).toBe(true);
  const hasCurrent = labels.includes("AWSCURRENT");
  if (hadCurrent) expect(hasCurrent).toBe(true);
  return hasCurrent;
}

test("labels, versions and rotations keep their invariants under random calls", () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(action, { maxLength: 60 }), (withValue, actions) => {
      running.length = 0;
      const story = new RotationStory({ eventLimit: 0 }).create(withValue ? "one" : null);
      const values = new Map<string, string>();
      let hadCurrent = withValue;
      for (const act of actions) {
        try {
          act(story);
        } catch (error) {
          // Refusals are part of the game; anything else is a fault of the state machine.
          if (!(error instanceof SecretsManagerError)) throw error;
        }
        hadCurrent = checkInvariants(story.state.snapshot(), hadCurrent);
        for (const { id, value: stored } of story.state.secret("key")?.versions ?? []) {
          if (stored === null) continue;
          // A version's value never changes once it is stored.
          expect(values.get(id) ?? stored.data).toBe(stored.data);
          values.set(id, stored.data);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("a restored snapshot goes on exactly as the original", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), fc.array(action, { maxLength: 10 }), (before, after) => {
      const attempt = (story: RotationStory, actions: Action[]) => {
        for (const act of actions) {
          try {
            act(story);
          } catch {}
        }
        return JSON.stringify(story.state.snapshot());
      };
      running.length = 0;
      const original = new RotationStory().create();
      attempt(original, before);
      const copy = new RotationStory();
      copy.clock.advanceBy(original.clock.now() - copy.clock.now());
      copy.state.restore(JSON.parse(JSON.stringify(original.state.snapshot())));
      const inFlight = [...running];
      const one = attempt(original, after);
      running.splice(0, running.length, ...inFlight);
      expect(attempt(copy, after)).toBe(one);
    }),
    { numRuns: 200 },
  );
});
