import type { Budget } from "../budget";
import { isControlPlaneError } from "../control-plane/errors";
import type { Log } from "../log";
import { isFaultOfInstance } from "../rotation/self-test";
import type { SecretStore } from "../secrets/secret-store";
import { DAY_MS } from "../time";
import type { Directory } from "./connect";
import type { InstanceFacts } from "./facts";
import type { Failure } from "./failures";
import { find } from "./find";
import { FINDINGS, type Finding } from "./findings";
import { AUDIT_INTERVAL_MS, HOURLY_MS, isNight, KEY_CHECK_MS } from "./intervals";
import { lookDeeply } from "./look-at-instance";
import type { Memory } from "./memory";
import type { RotationFunction } from "./ports";
import { nameOf, RESERVE_MS, type Run, TEXT_LENGTH } from "./run";
import type { Use } from "./use";

export interface SelfTesting {
  readonly rotationFunction: Pick<RotationFunction, "selfTest">;
  readonly secrets: Pick<SecretStore, "readVersion">;
  readonly budget: Budget;
  readonly use: Use;
  readonly log: Log;
}

export interface SelfTestLook {
  /** All that were given; the one that was tested is looked at anew if the instance is at fault. */
  readonly facts: readonly InstanceFacts[];
  /** This audit's test, or else the last one. */
  readonly selfTest?: Memory["selfTest"];
  /** Why the function could not be asked. */
  readonly unusable?: string;
  readonly failures: readonly Failure[];
}

/**
 * Has the rotation function test itself: once a day with another secret each day, at night after that secret's turn; by the hour
 * while it fails.
 */
export async function lookBySelfTest(
  deps: SelfTesting,
  run: Run,
  facts: readonly InstanceFacts[],
  failed: readonly Finding[],
  controlPlane: Directory | undefined,
): Promise<SelfTestLook> {
  const { before, now } = run;
  const last = before.selfTest ? { selfTest: before.selfTest } : {};
  const hasTime = deps.budget.remainingMs() >= RESERVE_MS;
  const chosen = isSelfTestDue(run) && hasTime ? ableToRotate(facts, failed, run) : undefined;
  if (!chosen) {
    const unusable = before.found.find(({ name }) => name === "rotation-function-unusable")?.text;
    return { facts, ...last, ...(unusable === undefined ? {} : { unusable }), failures: [] };
  }
  try {
    deps.use.beforeAnotherRead(chosen.id, now);
    const failures = await deps.rotationFunction.selfTest(chosen.secretArn);
    deps.log.info("self-test", { secret: chosen.secretArn, failures });
    const ofFunction = failures.filter((name) => !isFaultOfInstance(name));
    const selfTest = { at: now, failures: ofFunction };
    if (ofFunction.length === failures.length || !controlPlane) return { facts, selfTest, failures: [] };
    // The function is able; what has to be looked at is the instance.
    const { secrets } = deps;
    const look = await lookDeeply({ secrets, controlPlane, clock: controlPlane }, chosen);
    return { facts: facts.map((each) => (each === chosen ? look : each)), selfTest, failures: [] };
  } catch (error) {
    if (isControlPlaneError(error)) return { facts, ...last, failures: [{ error }] };
    const unusable = `${nameOf(error)}: ${error instanceof Error ? error.message.slice(0, TEXT_LENGTH) : ""}`;
    // It is asked again in an hour.
    return {
      facts,
      selfTest: { at: now - KEY_CHECK_MS + HOURLY_MS, failures: [] },
      unusable,
      failures: [],
    };
  }
}

export function isSelfTestDue({ before, now }: Pick<Run, "before" | "now">): boolean {
  const { at = 0, failures = [] } = before.selfTest ?? {};
  const interval = failures.length > 0 ? HOURLY_MS : KEY_CHECK_MS;
  const since = now - at;
  return since >= interval - AUDIT_INTERVAL_MS / 2 || (isNight(now) && since > HOURLY_MS);
}

/** One of the instances that can rotate, and another one each day. */
function ableToRotate(
  facts: readonly InstanceFacts[],
  failed: readonly Finding[],
  run: Run,
): InstanceFacts | undefined {
  const able = facts.filter(
    (each) =>
      each.currentVersionId !== undefined &&
      each.pendingVersionId === undefined &&
      each.rotation.enabled &&
      find(each, failed, run).every(({ name }) => FINDINGS[name].isAboutUse),
  );
  return able[Math.floor(run.now / DAY_MS) % Math.max(1, able.length)];
}
