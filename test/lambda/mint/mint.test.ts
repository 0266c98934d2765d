import type { IssuedKey } from "../../../lambda/control-plane/client";
import { ControlPlaneError } from "../../../lambda/control-plane/errors";
import { AgentKey } from "../../../lambda/domain/credential";
import type { Intent, IntentOutcome, TakenIntent } from "../../../lambda/mint/intent";
import { type MintPlan, mintAndStore } from "../../../lambda/mint/mint";
import { FrozenClock } from "../../../local/clock";
import { intent, SECRET_ARN, START } from "../../helpers/builders";

const KEY: IssuedKey = { agentKey: new AgentKey("agent_abc123xyz"), agentInstanceId: "ai_1" };
const LOST = new ControlPlaneError("unreachable", "POST /x: no answer (ECONNRESET)", "unknown");
const REFUSED = new ControlPlaneError("conflict", "POST /x: 409", "no");

/** The ports of a mint, each call of which is written down. */
function ports(plan: Partial<MintPlan> = {}, retake?: (next: Intent) => TakenIntent) {
  const clock = new FrozenClock(START);
  const calls: string[] = [];
  const settled: IntentOutcome[] = [];
  const write = <T>(call: string, answer: () => T) => {
    calls.push(call);
    return answer();
  };
  const run = () =>
    mintAndStore(
      {
        secrets: { putVersion: async ({ versionId }) => write(`put ${versionId}`, () => {}) },
        intents: {
          retake: async (next) =>
            write(`retake ${next.mint}`, () => retake?.(next) ?? { taken: true, intent: next }),
          settle: async ({ mint }, outcome) =>
            write(`settle ${mint} ${outcome.outcome}`, () => void settled.push(outcome)),
        },
        budget: { remainingMs: () => START + 180_000 - clock.now() },
        sleep: async (ms) => clock.advanceBy(ms),
        log: { info: () => {}, warn: () => {}, error: () => {} },
      },
      {
        intent: intent(),
        issue: async (key) => write(`issue ${key}`, () => KEY),
        wasApplied: async () => write("wasApplied", () => true),
        reissue: async (key) => write(`reissue ${key}`, () => KEY),
        toVersion: ({ agentKey }) => ({
          secretId: SECRET_ARN,
          value: agentKey.fingerprint,
          stage: "AWSPENDING",
        }),
        newId: () => "key-2",
        now: () => clock.now(),
        ...plan,
      },
    );
  return { run, calls };
}

const fail = (error: Error) => async () => {
  throw error;
};

test("a key is issued once and stored next", async () => {
  const { run, calls } = ports();
  await expect(run()).resolves.toEqual({ issued: KEY, intent: intent() });
  expect(calls).toEqual(["issue key-1", "put version-2"]);
});

test("a lost answer of a call that was applied is a second, recorded mint with an idempotency key of its own", async () => {
  const { run, calls } = ports({ issue: fail(LOST) });
  await expect(run()).resolves.toMatchObject({
    intent: { mint: 2, idempotencyKey: "key-2", outcome: "open" },
  });
  expect(calls).toEqual(["wasApplied", "retake 2", "reissue key-2", "put version-2"]);
});

test.each<[string, Partial<MintPlan>, string, string[]]>([
  ["refused", { issue: fail(REFUSED) }, "mint-refused", ["settle 1 refused"]],
  [
    "lost, and nobody knows whether it was applied",
    { issue: fail(LOST), wasApplied: async () => false },
    "mint-unanswered",
    [],
  ],
  ["lost, and nobody can be asked", { issue: fail(LOST), wasApplied: fail(LOST) }, "mint-unanswered", []],
  [
    "lost, and refused the second time",
    { issue: fail(LOST), reissue: fail(REFUSED) },
    "mint-refused",
    ["wasApplied", "retake 2", "settle 2 refused"],
  ],
  ["lost twice", { issue: fail(LOST), reissue: fail(LOST) }, "mint-unanswered", ["wasApplied", "retake 2"]],
])("where the call is %s, nothing is stored", async (_, plan, state, made) => {
  const { run, calls } = ports(plan);
  await expect(run()).rejects.toMatchObject({ name: "Stop", state });
  expect(calls).toEqual(made);
});

test("where another attempt has decided to mint meanwhile, this one does not", async () => {
  const { run, calls } = ports({ issue: fail(LOST) }, () => ({
    taken: false,
    intent: intent({ mint: 2, owner: "b" }),
  }));
  await expect(run()).rejects.toMatchObject({ state: "mint-in-flight" });
  expect(calls).toEqual(["wasApplied", "retake 2"]);
});

test("an error that says nothing of the mint is passed on as it is", async () => {
  const { run, calls } = ports({ issue: fail(new RangeError("a defect")) });
  await expect(run()).rejects.toThrow(RangeError);
  expect(calls).toEqual([]);
});
