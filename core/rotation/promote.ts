import type { ControlPlane } from "../control-plane/client";
import type { AgentKeyRecord } from "../key/stored-value";
import type { Intent, IntentOutcome } from "../protocol/intent";
import { settleOrWarn } from "../protocol/mint";
import { Stop } from "../protocol/stops";
import { ACTIVATION_MS } from "../protocol/timing";
import { versionWith } from "../secrets/secret-store";
import { answered, isNewer, readStored, type Sight } from "./look";
import { dropPending, LAST_WORDS_MS, type Rotation, type RotationDeps } from "./rotation";

/** Tests a stored key and moves AWSCURRENT to it; then tells whether the old key's grace period is honoured. */
export async function testAndPromote(
  deps: RotationDeps,
  sight: Sight,
  record: AgentKeyRecord,
  intent: Intent,
): Promise<void> {
  const { controlPlane, current } = sight;
  if (!(await waitUntilLive(deps, controlPlane, record))) {
    await deps.intents.settle(intent, { outcome: "dead", settledAt: controlPlane.now() });
    return dropPending(deps, sight, await deps.secrets.describe(sight.secretArn), "pending-key-dead");
  }
  await moveCurrent(deps, sight, record);
  const promotedAt = controlPlane.now();
  deps.log.info("promoted", { fingerprint: record.agentKey.fingerprint, from: current.agentKey.fingerprint });
  const outcome: IntentOutcome = {
    outcome: "promoted",
    settledAt: promotedAt,
    fingerprint: record.agentKey.fingerprint,
    previousFingerprint: current.agentKey.fingerprint,
    ...(record.previousKeyExpiresAt === undefined
      ? {}
      : {
          previousKeyExpiresAt: record.previousKeyExpiresAt,
          graceLeftMs: record.previousKeyExpiresAt - promotedAt,
        }),
  };
  // The rotation has succeeded: what is left is only told, and may fail.
  const honoured = sight.currentAccepted ? await isHonoured(deps, sight) : undefined;
  await settleOrWarn(deps, intent, {
    ...outcome,
    ...(honoured === undefined ? {} : { previousKeyHonoured: honoured }),
  });
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
 * Waits, inside this invocation, for the Control Plane to accept a key. `false`: it is refused although it is old enough
 * to be live, so that somebody must have refreshed since. Throws the `Stop` `key-not-live-yet` where the time is up before.
 */
export async function waitUntilLive(
  deps: Pick<RotationDeps, "budget" | "sleep">,
  controlPlane: ControlPlane,
  record: AgentKeyRecord,
): Promise<boolean> {
  for (let delay = 1_000; ; delay = Math.min(delay * 2, 8_000)) {
    const check = await answered(controlPlane.checkAgentKey(record.agentKey)).catch(unlessUnavailable);
    if (check?.accepted) {
      if (check.agentInstanceId === record.agentInstanceId) return true;
      throw new Stop("wrong-instance", check.agentInstanceId);
    }
    if (check && controlPlane.now() > record.issuedAt + ACTIVATION_MS) return false;
    if (deps.budget.remainingMs() < delay + LAST_WORDS_MS) {
      throw new Stop("key-not-live-yet", `key ${record.agentKey.fingerprint}`);
    }
    await deps.sleep(delay);
  }
}

/** Until it is promoted a key is worth asking for again. */
function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof Stop) || error.state !== "control-plane-unavailable") throw error;
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
