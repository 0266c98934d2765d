import { FrozenClock } from "../../../local/clock";
import { RotationDriver } from "../../../local/secrets-manager/rotation-driver";
import { SecretsManagerState } from "../../../local/secrets-manager/state";
import { FUNCTION, token } from "./rotation-story";

/** A state with secrets that each want one rotation. */
function rotating(names: readonly string[]): SecretsManagerState {
  const state = new SecretsManagerState({ clock: new FrozenClock() });
  for (const Name of names) {
    state.call("CreateSecret", { Name, ClientRequestToken: token("first"), SecretString: "one" });
    state.call("RotateSecret", {
      SecretId: Name,
      ClientRequestToken: token("new"),
      RotationLambdaARN: FUNCTION,
    });
  }
  return state;
}

const names = ["a", "b", "c", "d", "e", "f"];

/** Counts how many invocations run at once, over all secrets and per secret. */
function watched() {
  const now = new Map<string, number>();
  const most = { secrets: 0, perSecret: 0, steps: 0 };
  const invoke = async (_functionArn: string, { SecretId }: { SecretId: string }) => {
    now.set(SecretId, (now.get(SecretId) ?? 0) + 1);
    most.secrets = Math.max(most.secrets, [...now.values()].filter((count) => count > 0).length);
    most.perSecret = Math.max(most.perSecret, now.get(SecretId) ?? 0);
    most.steps += 1;
    await new Promise((resolve) => setImmediate(resolve));
    now.set(SecretId, (now.get(SecretId) ?? 0) - 1);
  };
  return { most, invoke };
}

test("rotates four secrets at once, each one step at a time", async () => {
  const { most, invoke } = watched();
  const driver = new RotationDriver({ state: rotating(names), functions: { invoke } });
  await driver.settle();
  expect(most).toEqual({ secrets: 4, perSecret: 1, steps: 6 * 4 });
});

test("a function that fails fails the attempt, and is reported in one line", async () => {
  const state = rotating(["a"]);
  const lines: string[] = [];
  const invoke = async () => {
    throw new Error("Unhandled: TypeError: no such thing");
  };
  await new RotationDriver({ state, functions: { invoke }, report: (line) => lines.push(line) }).settle();
  expect(state.events.map(({ detail }) => detail.eventName)).toContain("RotationFailed");
  expect(lines).toEqual([
    expect.stringMatching(
      /^createSecret of arn:.*:secret:a-\w+ failed: Unhandled: TypeError: no such thing$/,
    ),
  ]);
});

test("closing gives up what runs and starts nothing more", async () => {
  const state = rotating(["a"]);
  let aborted = false;
  const invoke = (_functionArn: string, _event: unknown, abortSignal: AbortSignal) =>
    new Promise<void>((_resolve, reject) => {
      abortSignal.addEventListener("abort", () => {
        aborted = true;
        reject(new Error("aborted"));
      });
    });
  const driver = new RotationDriver({ state, functions: { invoke } });
  driver.start();
  driver.turn();
  await driver.close();
  expect(aborted).toBe(true);
  driver.turn();
  expect(state.snapshot().pendingRotations).toEqual([]);
});
