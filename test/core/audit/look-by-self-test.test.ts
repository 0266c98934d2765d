import type { Directory } from "../../../core/audit/connect";
import { isSelfTestDue, lookBySelfTest } from "../../../core/audit/look-by-self-test";
import { type Memory, NOTHING } from "../../../core/audit/memory";
import { Use } from "../../../core/audit/use";
import { ControlPlaneError } from "../../../core/control-plane/errors";
import { SELF_TESTS } from "../../../core/rotation/self-test";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { listed, remembered, runAt } from "./facts-builder";
import { logged } from "./logged";

const NOW = START + DAY + 12 * HOUR;

test.each([
  ["at first", undefined, NOW, true],
  ["a day later", { at: NOW - DAY, failures: [] }, NOW, true],
  ["in a run that comes a little early", { at: NOW - DAY + 2 * MINUTE, failures: [] }, NOW, true],
  ["not sooner", { at: NOW - 20 * HOUR, failures: [] }, NOW, false],
  ["but at night", { at: NOW, failures: [] }, START + 2 * DAY - 10 * MINUTE, true],
  [
    "once in a night",
    { at: START + 2 * DAY - 10 * MINUTE, failures: [] },
    START + 2 * DAY - 5 * MINUTE,
    false,
  ],
  ["an hour after one that failed", { at: NOW - HOUR, failures: ["write-secret"] }, NOW, true],
])("the rotation function is tested %s", (_, selfTest, now, isDue) => {
  expect(isSelfTestDue(runAt(now, selfTest ? { selfTest } : {}))).toBe(isDue);
});

async function look(
  answer: () => Promise<readonly string[]>,
  { fleet = [listed()], before = {} as Partial<Memory>, remainingMs = 240_000, now = NOW } = {},
) {
  const tested: string[] = [];
  const controlPlane = { now: () => now } as unknown as Directory;
  const deps = {
    rotationFunction: {
      selfTest: (secretArn: string) => {
        tested.push(secretArn);
        return answer();
      },
    },
    secrets: { readVersion: async () => undefined },
    budget: { remainingMs: () => remainingMs },
    use: new Use(NOTHING.use, 30 * DAY),
    log: logged(),
  };
  return { tested, ...(await lookBySelfTest(deps, runAt(now, before), fleet, [], controlPlane)) };
}

describe("a test", () => {
  test("is done with a key that can rotate, and another one each day", async () => {
    const fleet = [
      listed({ id: "a", secretArn: "arn:a", unused: { since: START - 60 * DAY } }),
      listed({ id: "b", secretArn: "arn:b", unused: { since: START - 60 * DAY, readAgainAt: START } }),
      listed({ id: "off", rotation: { enabled: false, scheduled: true } }),
      listed({ id: "apart", pendingVersionId: "version-2" }),
      listed({ id: "refused" }),
    ];
    const before = {
      found: [remembered("key-refused", { instance: "refused" })],
    };
    const tested = await Promise.all(
      [0, 1, 2].map(
        async (day) => (await look(async () => [], { fleet, before, now: NOW + day * DAY })).tested,
      ),
    );
    expect(tested).toEqual([["arn:b"], ["arn:a"], ["arn:b"]]);
  });

  test("that passes is what is remembered", async () => {
    expect(await look(async () => [])).toMatchObject({ selfTest: { at: NOW, failures: [] }, failures: [] });
  });

  test.each(Object.entries(SELF_TESTS))("that fails by %s is the fault of the %s", async (name, atFault) => {
    const { selfTest, facts } = await look(async () => [name]);

    expect(selfTest?.failures).toEqual(atFault === "function" ? [name] : []);
    expect(facts[0]?.deep !== undefined).toBe(atFault === "instance");
  });

  test("of another release is the function's", async () => {
    expect((await look(async () => ["a later test"])).selfTest?.failures).toEqual(["a later test"]);
  });

  test("that can't be done is done again in an hour", async () => {
    const { unusable, selfTest = { at: 0, failures: [] } } = await look(() =>
      Promise.reject(new Error("no function")),
    );

    expect([unusable, selfTest.failures]).toEqual(["Error: no function", []]);
    expect(isSelfTestDue(runAt(NOW + 50 * MINUTE, { selfTest }))).toBe(false);
    expect(isSelfTestDue(runAt(NOW + HOUR, { selfTest }))).toBe(true);
  });

  test("after which the Control Plane fails counts for nothing", async () => {
    const error = new ControlPlaneError("unavailable", "-", "no");
    const selfTest = { at: START, failures: ["write-secret"] };

    expect(await look(() => Promise.reject(error), { before: { selfTest } })).toMatchObject({
      selfTest,
      failures: [{ error }],
    });
  });

  test("that is not due, or that time does not suffice for, leaves what was before", async () => {
    const before = {
      selfTest: { at: START, failures: [] },
      found: [remembered("rotation-function-unusable", { instance: "dev", text: "gone" })],
    };
    const { tested, selfTest, unusable } = await look(async () => [], { before, remainingMs: 44_999 });

    expect([tested, selfTest, unusable]).toEqual([[], before.selfTest, "gone"]);
  });
});
