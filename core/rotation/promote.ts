import type { ControlPlane } from "../control-plane/client";
import type { AgentKeyRecord } from "../key/stored-value";
import { graceEndsAt } from "../protocol/grace-period";
import type { Intent, IntentOutcome } from "../protocol/intent";
import { settleOrWarn } from "../protocol/mint";
import { Stop } from "../protocol/stops";
import { ACTIVATION_MS } from "../protocol/timing";
import { versionWith } from "../secrets/secret-store";
import {
  areRefusalsBelieved,
  type Ground,
  isNewer,
  isUntestable,
  keyCheck,
  readStored,
  type Sight,
  wasPromoted,
} from "./look";
import { dropPending, LAST_WORDS_MS, type Rotation, type RotationDeps } from "./rotation";

/**
 * A promotion can be undone, and a mint can't: a stored key that nobody can test is promoted this long before the key under the
 * base ends, rather than left behind.
 */
export const UNTESTED_BEFORE_END_MS = 2 * 60 * 60_000;

/** Tests a stored key and moves AWSCURRENT to it; then tells whether the old key's grace period is honoured. */
export async function testAndPromote(
  deps: RotationDeps,
  sight: Sight,
  record: AgentKeyRecord,
  intent: Intent,
): Promise<void> {
  const { controlPlane } = sight;
  const result = await waitUntilLive(deps, controlPlane, record).catch(unlessUntestable);
  if (result === "refused" && areRefusalsBelieved(sight)) {
    await deps.intents.settle(intent, { outcome: "dead", settledAt: controlPlane.now() });
    return dropPending(deps, sight, await deps.secrets.describe(sight.secretArn), "pending-key-dead");
  }
  if (result !== "accepted" && !isTimeUp(deps, sight, record, controlPlane.now())) {
    throw result instanceof Stop ? result : new Stop("refusals-not-believed");
  }
  await moveCurrent(deps, sight, record);
  const outcome = promotion(sight, record, controlPlane.now());
  tellPromotion(deps, outcome);
  if (result !== "accepted") return settleOrWarn(deps, intent, { ...outcome, untested: true });
  // The rotation has succeeded: what is left is only told, and may fail.
  const honoured = sight.currentAccepted ? await isHonoured(deps, sight) : undefined;
  await settleOrWarn(deps, intent, {
    ...outcome,
    ...(honoured === undefined ? {} : { previousKeyHonoured: honoured }),
  });
}

/**
 * Promotes a stored key although the Control Plane can't be asked about it, if the key under the base is about to end. Throws
 * `trouble` if there is none, or if there is time to ask again.
 */
export async function promoteUntested(deps: RotationDeps, ground: Ground, trouble: Stop): Promise<void> {
  const { standing, current, secretArn, token } = ground;
  const isUndecided = standing?.outcome === "open" || standing?.outcome === "lost";
  if (!standing || !isUndecided) throw trouble;
  const stored = ground.pending ?? (await readStored(deps, secretArn, standing.versionId));
  if (!stored || !isNewer(stored.record, current)) throw trouble;
  if (!isTimeUp(deps, ground, stored.record, deps.clock.now())) throw trouble;
  const fresh = await deps.secrets.describe(secretArn);
  if (await wasPromoted(deps, secretArn, stored, fresh)) throw trouble;
  if (stored.versionId !== token) await putPending(deps, ground, stored.value);
  await moveCurrent(deps, ground, stored.record);
  const outcome = promotion(ground, stored.record, deps.clock.now());
  tellPromotion(deps, outcome);
  await settleOrWarn(deps, standing, { ...outcome, untested: true });
}

function tellPromotion({ log }: RotationDeps, { fingerprint, previousFingerprint }: IntentOutcome): void {
  log.info("promoted", { fingerprint, from: previousFingerprint });
}

/** Whether the key under the base is dead, or so near its end that its successor has to be promoted as it is. */
function isTimeUp(deps: RotationDeps, ground: Ground, record: AgentKeyRecord, now: number): boolean {
  const { standing } = ground;
  const endsAt = record.previousKeyExpiresAt ?? (standing && graceEndsAt(standing, deps.gracePeriodMs));
  const isKnownDead = "proof" in ground && (ground as Sight).proof?.by === "other-key";
  return isKnownDead || (endsAt !== undefined && now >= endsAt - UNTESTED_BEFORE_END_MS);
}

function promotion(ground: Ground, record: AgentKeyRecord, at: number): IntentOutcome {
  const { previousKeyExpiresAt } = record;
  return {
    outcome: "promoted",
    settledAt: at,
    fingerprint: record.agentKey.fingerprint,
    previousFingerprint: ground.current.agentKey.fingerprint,
    ...(previousKeyExpiresAt === undefined
      ? {}
      : { previousKeyExpiresAt, graceLeftMs: previousKeyExpiresAt - at }),
  };
}

function unlessUntestable(error: unknown): Stop {
  if (error instanceof Stop && isUntestable(error)) return error;
  throw error;
}

/** Whether the key before is still accepted; `undefined` where the Control Plane does not say. */
async function isHonoured(
  deps: RotationDeps,
  { controlPlane, current }: Sight,
): Promise<boolean | undefined> {
  const { fingerprint } = current.agentKey;
  try {
    const { accepted } = await controlPlane.checkAgentKey(current.agentKey);
    if (!accepted && deps.gracePeriodMs > 0) {
      deps.log.warn("grace-not-honoured: the old key is refused although a grace period is configured", {
        fingerprint,
        gracePeriodMs: deps.gracePeriodMs,
      });
    }
    return accepted;
  } catch (error) {
    const reason = error instanceof Error ? error.name : "unknown";
    deps.log.warn("nobody knows whether the old key's grace period is honoured", { fingerprint, reason });
    return undefined;
  }
}

/**
 * Waits, inside this invocation, for the Control Plane to accept a key. `refused`: it is refused although it is old enough to be
 * live, so that somebody must have refreshed since, or refusals mean nothing. If the time is up before, throws the `Stop`
 * `key-not-live-yet`, or the one that says why the Control Plane can't be asked.
 */
export async function waitUntilLive(
  deps: Pick<RotationDeps, "budget" | "sleep">,
  controlPlane: ControlPlane,
  record: AgentKeyRecord,
): Promise<"accepted" | "refused"> {
  for (let delay = 1_000; ; delay = Math.min(delay * 2, 8_000)) {
    const check = await keyCheck(controlPlane, record).catch(unlessUnanswered);
    if (!(check instanceof Stop)) {
      if (check.accepted && check.agentInstanceId === record.agentInstanceId) return "accepted";
      if (check.accepted) throw new Stop("wrong-instance", check.agentInstanceId);
    }
    const isOldEnough = controlPlane.now() > record.issuedAt + ACTIVATION_MS;
    if (isOldEnough && !(check instanceof Stop)) return "refused";
    // Asking again shows nothing new, where it is not the key that is waited for.
    if (isOldEnough && check instanceof Stop && check.state === "key-check-unreadable") throw check;
    if (deps.budget.remainingMs() < delay + LAST_WORDS_MS) {
      throw check instanceof Stop
        ? check
        : new Stop("key-not-live-yet", `key ${record.agentKey.fingerprint}`);
    }
    await deps.sleep(delay);
  }
}

/** What may be answered otherwise in a moment. */
function unlessUnanswered(error: unknown): Stop {
  const isUnanswered =
    error instanceof Stop &&
    (error.state === "control-plane-unavailable" || error.state === "key-check-unreadable");
  if (isUnanswered) return error;
  throw error;
}

/** A key stored under an older token is copied to this one, since Secrets Manager waits for this one. */
export async function putPending(deps: RotationDeps, rotation: Rotation, value: string): Promise<void> {
  await deps.secrets.putVersion({ ...pendingPlace(rotation), value, versionId: rotation.token });
}

export function pendingPlace(rotation: Rotation) {
  return {
    secretId: rotation.secretArn,
    stage: "AWSPENDING" as const,
    ...(rotation.rotationToken === undefined ? {} : { rotationToken: rotation.rotationToken }),
  };
}

/**
 * Moves AWSCURRENT from the base to this attempt's version. Where it is on a third version by now, the key that was
 * issued last wins: somebody may have stored an older one by hand, whose last hours this rotation's refresh has begun.
 */
async function moveCurrent(deps: RotationDeps, rotation: Rotation, record: AgentKeyRecord): Promise<void> {
  let from = rotation.base;
  for (let delay = 200; ; delay = Math.min(delay * 2, 5_000)) {
    try {
      await deps.secrets.moveCurrent(rotation.secretArn, { to: rotation.token, from });
      return;
    } catch (error) {
      // The answer may have been lost: where the label is there, the move is done.
      const reason = error instanceof Error ? error.name : "unknown";
      const fresh = await deps.secrets.describe(rotation.secretArn).catch(() => undefined);
      const current = fresh && versionWith("AWSCURRENT", fresh.versionStages);
      if (current === rotation.token) return;
      if (fresh && current !== undefined && current !== from) {
        if (!(await isNewerThanVersion(deps, rotation, record, current))) {
          return dropPending(deps, rotation, fresh, "promoted-meanwhile");
        }
        from = current;
      }
      if (deps.budget.remainingMs() < delay + LAST_WORDS_MS) throw new Stop("promotion-failed", reason);
      await deps.sleep(delay);
    }
  }
}

async function isNewerThanVersion(
  deps: RotationDeps,
  { secretArn }: Rotation,
  record: AgentKeyRecord,
  versionId: string,
): Promise<boolean> {
  try {
    const stored = await readStored(deps, secretArn, versionId);
    return !stored || isNewer(record, stored.record);
  } catch (error) {
    // A value that nobody can read is no key to keep.
    if (error instanceof Stop) return true;
    throw error;
  }
}
