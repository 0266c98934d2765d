import { composeRecord } from "../key/stored-value";
import { decideMint, decideStep, type MintCourse } from "../protocol/decision";
import { graceEndsAt } from "../protocol/grace-period";
import { type Intent, openIntent, succeed } from "../protocol/intent";
import { type Mint, type Minted, mintAndStore } from "../protocol/mint";
import { Stop } from "../protocol/stops";
import { VersionConflictError, versionWith } from "../secrets/secret-store";
import {
  activeInstance,
  lookBeforeMinting,
  readStored,
  type Sight,
  type Stored,
  validityOf,
  wasPromoted,
} from "./look";
import { testAndPromote, waitUntilLive } from "./promote";
import { dropPending, type Rotation, type RotationDeps, type RotationRequest } from "./rotation";

/**
 * One rotation step. Everything happens in `createSecret`: mint, store, test and promotion in one invocation, since with
 * an unexpected grace period of zero the current key is dead from the refresh on. The later steps find it done.
 * Throws a `Stop` by name where it cannot go on.
 */
export async function runStep(deps: RotationDeps, request: RotationRequest): Promise<void> {
  // The refresh has set the key at the Control Plane, and createSecret has promoted it or has failed.
  if (request.step === "setSecret" || request.step === "finishSecret") return;
  const description = await deps.secrets.describe(request.secretArn);
  const gate = decideStep(request.token, description);
  if (gate.course === "done") return deps.log.info("already promoted");
  if (gate.course === "stop") throw new Stop(gate.state);
  const rotation: Rotation = { ...request, base: gate.currentVersionId, description };
  return request.step === "createSecret" ? createSecret(deps, rotation) : testSecret(deps, rotation);
}

async function createSecret(deps: RotationDeps, rotation: Rotation): Promise<void> {
  const sight = await lookBeforeMinting(deps, rotation);
  const attempt = openIntent(
    {
      secretArn: rotation.secretArn,
      baseVersionId: rotation.base,
      versionId: rotation.token,
      agentInstanceId: sight.current.agentInstanceId,
    },
    { now: sight.controlPlane.now(), remainingMs: deps.budget.remainingMs(), newId: deps.newId },
  );
  const { taken, intent } = await deps.intents.take(attempt);
  if (taken && !sight.pending) return mintAndPromote(deps, sight, intent);

  const found = sight.pending ?? (await readStored(deps, rotation.secretArn, intent.versionId));
  const fresh = await deps.secrets.describe(rotation.secretArn);
  const course = decideMint({
    standing: taken ? undefined : intent,
    stored: await validityOf(sight, found),
    storedAt: found?.record.issuedAt ?? 0,
    storedHere: found !== undefined && found.versionId === rotation.token,
    wasPromoted: await wasPromoted(deps, rotation.secretArn, found, fresh),
    baseIsCurrent: versionWith("AWSCURRENT", fresh.versionStages) === rotation.base,
    now: sight.controlPlane.now(),
  });
  deps.log.info("not the first attempt", { ...course, mint: intent.mint, version: intent.versionId });
  switch (course.course) {
    case "mint":
      return mintAndPromote(deps, sight, intent);
    case "mint-again": {
      const again = await deps.intents.retake(succeed(intent, attempt), intent);
      if (!again.taken) throw new Stop("mint-in-flight", `mint ${again.intent.mint} by another attempt`);
      return mintAndPromote(deps, sight, again.intent);
    }
    case "promote": {
      // `decideMint` promotes only what was found.
      const { record, value } = found as Stored;
      if (course.copy) await putPending(deps, rotation, value);
      return testAndPromote(deps, sight, record, intent);
    }
    case "drop-pending":
      if (fresh.versionStages[rotation.token]?.includes("AWSCURRENT")) return;
      await settleUnused(deps, sight, intent, taken, course);
      return dropPending(deps, rotation, fresh, course.state);
    case "stop":
      throw new Stop(course.state, `until ${new Date(course.until).toISOString()}`);
  }
}

/** Says in the record what came of it, so that the next attempt need not wait for a mint that never was. */
async function settleUnused(
  deps: RotationDeps,
  { controlPlane }: Sight,
  intent: Intent,
  taken: boolean,
  { state }: Extract<MintCourse, { course: "drop-pending" }>,
): Promise<void> {
  const settledAt = controlPlane.now();
  if (taken) await deps.intents.settle(intent, { outcome: "refused", settledAt });
  else if (state === "pending-key-dead") await deps.intents.settle(intent, { outcome: "dead", settledAt });
}

async function mintAndPromote(deps: RotationDeps, sight: Sight, intent: Intent): Promise<void> {
  const { controlPlane, current, currentAccepted } = sight;
  const refresh: Mint = {
    send: (idempotencyKey) => controlPlane.refreshAgentKey(current.agentInstanceId, idempotencyKey),
    toRecord: ({ agentKey }) =>
      composeRecord(
        {
          agentKey,
          issuedAt: controlPlane.now(),
          previousKeyExpiresAt: graceEndsAt(intent, deps.gracePeriodMs),
        },
        sight.instance,
        sight.description.tags,
      ),
  };
  let minted: Minted;
  try {
    minted = await mintAndStore(deps, {
      intent,
      first: refresh,
      // Accepted just before, refused now: the refresh was applied, and nothing of it is in flight.
      second: async () =>
        currentAccepted && !(await controlPlane.checkAgentKey(current.agentKey)).accepted
          ? refresh
          : undefined,
      place: pendingPlace(sight),
      newId: deps.newId,
      now: () => controlPlane.now(),
    });
  } catch (error) {
    if (!(error instanceof VersionConflictError)) throw error;
    // The key stored under this token is older than the one just minted, so its last hours have begun.
    await deps.secrets.removePending(sight.secretArn, sight.token);
    throw new Stop("version-taken");
  }
  deps.log.info("minted and stored", {
    mint: minted.intent.mint,
    fingerprint: minted.record.agentKey.fingerprint,
  });
  await testAndPromote(deps, sight, minted.record, minted.intent);
}

/** Also the dry run when rotation is switched on: the version then holds a copy of the current value. */
async function testSecret(deps: RotationDeps, rotation: Rotation): Promise<void> {
  const pending = await readStored(deps, rotation.secretArn, rotation.token);
  if (!pending) throw new Stop("pending-empty");
  const controlPlane = await deps.connect();
  await activeInstance(controlPlane, pending.record, rotation.secretArn);
  if (!(await waitUntilLive(deps, controlPlane, pending.record))) throw new Stop("pending-refused");
  deps.log.info("tested", { fingerprint: pending.record.agentKey.fingerprint });
}

function pendingPlace(rotation: Rotation) {
  return {
    secretId: rotation.secretArn,
    stage: "AWSPENDING" as const,
    ...(rotation.rotationToken === undefined ? {} : { rotationToken: rotation.rotationToken }),
  };
}

/** A key stored under an older token is copied to this one, since Secrets Manager waits for this one. */
async function putPending(deps: RotationDeps, rotation: Rotation, value: string): Promise<void> {
  await deps.secrets.putVersion({ ...pendingPlace(rotation), value, versionId: rotation.token });
}
