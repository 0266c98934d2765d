import { composeRecord } from "../key/stored-value";
import { decideMint, decideStep, type MintCourse } from "../protocol/decision";
import { graceEndsAt } from "../protocol/grace-period";
import { type Intent, type MintPermit, openIntent, succeed, vainUpon } from "../protocol/intent";
import { type Mint, type Minted, mintAndStore } from "../protocol/mint";
import { boundFacts, decideBound, type MintBound } from "../protocol/mint-bound";
import { Stop } from "../protocol/stops";
import { VersionConflictError, versionWith } from "../secrets/secret-store";
import {
  activeInstance,
  isUntestable,
  lookAtAws,
  lookAtControlPlane,
  readStored,
  type Sight,
  type Stored,
  validityOf,
  wasPromoted,
} from "./look";
import { pendingPlace, promoteUntested, putPending, testAndPromote, waitUntilLive } from "./promote";
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
  const ground = await lookAtAws(deps, rotation);
  let sight: Sight;
  try {
    sight = await lookAtControlPlane(deps, ground);
  } catch (error) {
    if (!(error instanceof Stop) || !isUntestable(error)) throw error;
    return promoteUntested(deps, ground, error);
  }
  const attempt: Intent = {
    ...openIntent(
      {
        secretArn: rotation.secretArn,
        baseVersionId: rotation.base,
        versionId: rotation.token,
        agentInstanceId: sight.current.agentInstanceId,
      },
      { now: sight.controlPlane.now(), remainingMs: deps.budget.remainingMs(), newId: deps.newId },
    ),
    ...(sight.proof?.by === "looks" ? { uponLooks: true } : {}),
  };
  if (!sight.standing && !sight.pending) await proveRightToStore(deps, sight);
  const { taken, intent } = await deps.intents.take(attempt, permitOf(sight, undefined));
  if (taken && !sight.pending) return mintAndPromote(deps, sight, intent);

  const found = sight.pending ?? (await readStored(deps, rotation.secretArn, intent.versionId));
  const fresh = await deps.secrets.describe(rotation.secretArn);
  const standing = taken ? undefined : intent;
  const now = sight.controlPlane.now();
  const isBack = await wasPromoted(deps, rotation.secretArn, found, fresh);
  const course = decideMint({
    standing,
    stored: await validityOf(sight, found),
    storedAt: found?.record.issuedAt ?? 0,
    storedHere: found !== undefined && found.versionId === rotation.token,
    wasPromoted: isBack,
    baseIsCurrent: versionWith("AWSCURRENT", fresh.versionStages) === rotation.base,
    bound: await boundOf(deps, sight, standing, now),
    now,
  });
  deps.log.info("not the first attempt", { ...course, mint: intent.mint, version: intent.versionId });
  switch (course.course) {
    case "mint":
      return mintAndPromote(deps, sight, intent);
    case "mint-again": {
      await proveRightToStore(deps, sight);
      // The attempt that died could not say it.
      if (course.because === "timed-out") await deps.intents.noteVain(rotation.secretArn);
      const next = succeed(intent, attempt, { wasPromoted: isBack });
      const again = await deps.intents.retake(next, intent, permitOf(sight, intent));
      if (!again.taken) throw new Stop("mint-in-flight", `mint ${again.intent.mint} by another attempt`);
      return mintAndPromote(deps, sight, again.intent);
    }
    case "promote": {
      // `decideMint` promotes only what was found.
      const { record, value } = found as Stored;
      if (course.copy) await putPending(deps, rotation, value);
      return testAndPromote(deps, sight, record, intent);
    }
    case "prove-write":
      return proveWrite(deps, sight, intent);
    case "drop-pending":
      if (fresh.versionStages[rotation.token]?.includes("AWSCURRENT")) return;
      await settleUnused(deps, sight, intent, taken, course);
      return dropPending(deps, rotation, fresh, course.state);
    case "stop":
      throw new Stop(
        course.state,
        course.until === undefined ? "" : `until ${new Date(course.until).toISOString()}`,
      );
  }
}

/**
 * Tries that a value may be stored: one that would change nothing is refused, because its version exists, only after Secrets
 * Manager has found that it may be stored. Whether a key of KMS encrypts a new version is not shown by it.
 */
async function proveRightToStore(deps: RotationDeps, { secretArn, base }: Rotation): Promise<void> {
  try {
    await deps.secrets.tryToStore(secretArn, base);
  } catch (error) {
    throw new Stop("store-denied", error instanceof Error ? error.name : "");
  }
}

/**
 * After a key could not be stored: stores a copy of the current value in its place, by which nothing is lost. This version can't
 * hold a key then, so that the next rotation mints.
 */
async function proveWrite(deps: RotationDeps, sight: Sight, intent: Intent): Promise<never> {
  try {
    await putPending(deps, sight, sight.currentValue);
  } catch (error) {
    throw new Stop("store-denied", error instanceof Error ? error.name : "");
  }
  await deps.intents.note(intent, { writeProvenAt: sight.controlPlane.now() });
  return dropPending(deps, sight, await deps.secrets.describe(sight.secretArn), "write-proven");
}

/** A key that is refused already, or whose last hours an earlier mint has begun, loses nothing by a mint. */
function permitOf({ currentAccepted }: Sight, standing: Intent | undefined): MintPermit {
  const isOrdered = standing?.outcome === "ordered";
  return { asCanary: !currentAccepted || isOrdered || (standing !== undefined && vainUpon(standing) > 0) };
}

async function boundOf(
  deps: RotationDeps,
  { records, currentAccepted, proof }: Sight,
  standing: Intent | undefined,
  now: number,
): Promise<MintBound> {
  const others = records.filter(({ baseVersionId }) => baseVersionId !== standing?.baseVersionId);
  const halt = standing && vainUpon(standing) > 0 ? await deps.intents.halt() : { vain: [] };
  const facts = { records: standing ? [...others, standing] : others, standing, halt };
  const base = !currentAccepted && proof ? "dead" : "alive";
  return decideBound(boundFacts(facts, { base, gracePeriodMs: deps.gracePeriodMs, now }));
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
  const result = await waitUntilLive(deps, controlPlane, pending.record);
  if (result === "refused") throw new Stop("pending-refused");
  deps.log.info("tested", { fingerprint: pending.record.agentKey.fingerprint });
}
