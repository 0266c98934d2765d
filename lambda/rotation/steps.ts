import type { Budget, Sleep } from "../budget";
import type { AgentInstance, ControlPlane } from "../control-plane/client";
import { isControlPlaneError } from "../control-plane/errors";
import type { AgentKey } from "../domain/credential";
import {
  decideStanding,
  decideStep,
  guardedUntil,
  Stop,
  type StopName,
  type StoredKey,
} from "../domain/decision";
import { locateSecret, ownershipOf } from "../domain/ownership";
import { type AgentKeyRecord, composeRecord, parseRecord, serialiseRecord } from "../domain/secret-value";
import type { Log } from "../log";
import type { Intent, IntentOutcome, IntentStore } from "../mint/intent-store";
import { MINT_RESERVE_MS, mintAndStore, succeed } from "../mint/mint";
import {
  type SecretDescription,
  type SecretStore,
  VersionConflictError,
  versionWith,
} from "../secrets/secret-store";

export const ROTATION_STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];

export interface RotationRequest {
  readonly step: RotationStep;
  readonly secretArn: string;
  /** Secrets Manager's `ClientRequestToken`: the id of the version to come. */
  readonly token: string;
  readonly rotationToken?: string;
}

export interface RotationDeps {
  readonly secrets: SecretStore;
  readonly intents: IntentStore;
  /** Reads the operator's API key and gives a client; throws the `Stop` `operator-key-missing` where it is not there. */
  readonly connect: () => Promise<ControlPlane>;
  readonly gracePeriodMs: number;
  readonly budget: Budget;
  readonly sleep: Sleep;
  readonly newId: () => string;
  readonly log: Log;
}

/** Kept back from every wait, to say what went wrong. */
const LAST_WORDS_MS = 3_000;
const READ_ATTEMPTS = 4;

/**
 * One rotation step. Everything happens in `createSecret`: mint, store, test and promotion in one invocation, since with
 * an unexpected grace period of zero the current key is dead from the refresh on. The later steps find it done.
 * Throws a `Stop` by name where it cannot go on.
 */
export async function runStep(deps: RotationDeps, request: RotationRequest): Promise<void> {
  // Nothing is to be set at the Control Plane: the refresh did it.
  if (request.step === "setSecret") return;
  const description = await deps.secrets.describe(request.secretArn);
  const gate = decideStep(request.token, description);
  if (gate.course === "done") return deps.log.info("already promoted");
  if (gate.course === "stop") throw new Stop(gate.state);
  const rotation: Rotation = { ...request, base: gate.currentVersionId, description };
  switch (request.step) {
    case "createSecret":
      return createSecret(deps, rotation);
    case "testSecret":
      return testSecret(deps, rotation);
    case "finishSecret":
      return finishSecret(deps, rotation);
  }
}

interface Rotation extends RotationRequest {
  /** The version under AWSCURRENT. */
  readonly base: string;
  readonly description: SecretDescription;
}

/** What was seen before anything is changed. */
interface Sight extends Rotation {
  readonly controlPlane: ControlPlane;
  readonly current: AgentKeyRecord;
  readonly currentAccepted: boolean;
  readonly instance: AgentInstance;
}

async function createSecret(deps: RotationDeps, rotation: Rotation): Promise<void> {
  const sight = await lookBeforeMinting(deps, rotation);
  const attempt = newIntent(deps, sight);
  const { taken, intent: standing } = await deps.intents.take(attempt);
  if (taken) return mintAndPromote(deps, sight, standing);

  const stored = await readStored(deps, sight, standing.versionId);
  const fresh = await deps.secrets.describe(rotation.secretArn);
  const course = decideStanding({
    intent: standing,
    stored: stored.key,
    baseIsCurrent: versionWith("AWSCURRENT", fresh.versionStages) === rotation.base,
    versionId: rotation.token,
    now: sight.controlPlane.now(),
  });
  deps.log.info("an intent stands already", { ...course, mint: standing.mint, version: standing.versionId });
  switch (course.course) {
    case "stop":
      throw new Stop(course.state, `until ${new Date(course.until).toISOString()}`);
    case "drop-pending":
      if (fresh.versionStages[rotation.token]?.includes("AWSCURRENT")) return;
      if (course.state === "pending-key-dead") {
        await deps.intents.settle(standing, { outcome: "dead", settledAt: sight.controlPlane.now() });
      }
      return dropPending(deps, rotation, fresh, course.state);
    case "mint-again": {
      const again = await deps.intents.retake(succeed(standing, attempt), standing);
      if (!again.taken) throw new Stop("mint-in-flight", `mint ${again.intent.mint} by another attempt`);
      return mintAndPromote(deps, sight, again.intent);
    }
    case "promote": {
      // `decideStanding` promotes only what `readStored` has read.
      const { record, value } = stored as Required<typeof stored>;
      if (course.copy) await putPending(deps, rotation, value);
      return testAndPromote(deps, sight, record, standing);
    }
  }
}

/** Everything that can be checked is, before the refresh starts the current key's last hours. */
async function lookBeforeMinting(deps: RotationDeps, rotation: Rotation): Promise<Sight> {
  const value = await deps.secrets.readVersion(rotation.secretArn, rotation.base);
  if (value === undefined) throw new Stop("current-missing");
  const current = parseOr("current-unreadable", value);
  const controlPlane = await deps.connect();
  const instance = await activeInstance(controlPlane, current, rotation.secretArn);
  const check = await answered(controlPlane.checkAgentKey(current.agentKey));
  // Stored ids are compared, not the live key's: a dead current key has to be healed by this very rotation.
  if (check.accepted && check.agentInstanceId !== current.agentInstanceId) throw new Stop("wrong-instance");
  const guard = check.accepted ? guardedUntil(current) : undefined;
  const isGuarded = guard !== undefined && controlPlane.now() < guard;
  if (isGuarded && !isNewer(await issuedAt(deps, rotation, rotation.token), current.issuedAt)) {
    // Left there, AWSPENDING on a version with nothing new would refuse every later rotation.
    return dropPending(deps, rotation, rotation.description, "grace-running", new Date(guard).toISOString());
  }
  if (deps.budget.remainingMs() < MINT_RESERVE_MS) throw new Stop("out-of-time");
  return { ...rotation, controlPlane, current, currentAccepted: check.accepted, instance };
}

async function activeInstance(
  controlPlane: ControlPlane,
  record: AgentKeyRecord,
  secretArn: string,
): Promise<AgentInstance> {
  const instance = await answered(controlPlane.getInstance(record.agentInstanceId));
  if (!instance) throw new Stop("instance-gone", record.agentInstanceId);
  if (!instance.isActive) throw new Stop("instance-inactive", record.agentInstanceId);
  if (ownershipOf(instance.description, locateSecret(secretArn)) === "theirs") {
    throw new Stop("wrong-instance", record.agentInstanceId);
  }
  return instance;
}

function newIntent(deps: RotationDeps, sight: Sight): Intent {
  const now = sight.controlPlane.now();
  return {
    secretArn: sight.secretArn,
    baseVersionId: sight.base,
    versionId: sight.token,
    owner: deps.newId(),
    agentInstanceId: sight.current.agentInstanceId,
    takenAt: now,
    attemptEndsAt: now + deps.budget.remainingMs(),
    mint: 1,
    idempotencyKey: deps.newId(),
    outcome: "open",
    earlierMints: [],
  };
}

async function mintAndPromote(deps: RotationDeps, sight: Sight, intent: Intent): Promise<void> {
  const { controlPlane, current, currentAccepted } = sight;
  const refresh = (idempotencyKey: string) =>
    controlPlane.refreshAgentKey(current.agentInstanceId, idempotencyKey);
  const toRecord = (agentKey: AgentKey): AgentKeyRecord =>
    composeRecord(
      {
        agentKey,
        issuedAt: controlPlane.now(),
        // Counted from before the refresh, so that it is never later than the truth.
        ...(currentAccepted ? { previousKeyExpiresAt: intent.takenAt + deps.gracePeriodMs } : {}),
      },
      sight.instance,
      sight.description.tags,
    );
  let record: AgentKeyRecord | undefined;
  let minted: Awaited<ReturnType<typeof mintAndStore>>;
  try {
    minted = await mintAndStore(deps, {
      intent,
      issue: refresh,
      // Accepted just before, refused now: the refresh was applied, and nothing of it is in flight.
      wasApplied: async () =>
        currentAccepted && !(await controlPlane.checkAgentKey(current.agentKey)).accepted,
      reissue: refresh,
      toVersion: ({ agentKey }) => {
        record = toRecord(agentKey);
        return pendingVersion(sight, serialiseRecord(record));
      },
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
    fingerprint: minted.issued.agentKey.fingerprint,
  });
  await testAndPromote(deps, sight, record ?? toRecord(minted.issued.agentKey), minted.intent);
}

async function testAndPromote(
  deps: RotationDeps,
  sight: Sight,
  record: AgentKeyRecord,
  intent: Intent,
): Promise<void> {
  const { controlPlane, current } = sight;
  await waitUntilLive(deps, controlPlane, record);
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
  try {
    const honoured = sight.currentAccepted
      ? (await controlPlane.checkAgentKey(current.agentKey)).accepted
      : undefined;
    if (honoured === false && deps.gracePeriodMs > 0) {
      deps.log.warn("grace-not-honoured: the old key is refused although a grace period is configured", {
        fingerprint: current.agentKey.fingerprint,
        gracePeriodMs: deps.gracePeriodMs,
      });
    }
    await deps.intents.settle(intent, {
      ...outcome,
      ...(honoured === undefined ? {} : { previousKeyHonoured: honoured }),
    });
  } catch (error) {
    deps.log.warn("the rotation's record could not be completed", {
      reason: error instanceof Error ? error.name : "unknown",
    });
  }
}

/** Waits, inside this invocation, for the Control Plane to accept a key that it has just issued. */
async function waitUntilLive(
  deps: Pick<RotationDeps, "budget" | "sleep">,
  controlPlane: ControlPlane,
  record: AgentKeyRecord,
): Promise<void> {
  for (let delay = 1_000; ; delay = Math.min(delay * 2, 8_000)) {
    const check = await answered(controlPlane.checkAgentKey(record.agentKey));
    if (check.accepted) {
      if (check.agentInstanceId !== record.agentInstanceId)
        throw new Stop("wrong-instance", check.agentInstanceId);
      return;
    }
    if (deps.budget.remainingMs() < delay + LAST_WORDS_MS) {
      throw new Stop("key-not-live-yet", `key ${record.agentKey.fingerprint}`);
    }
    await deps.sleep(delay);
  }
}

/** Takes AWSPENDING off this attempt's version, where it is, and stops by name. */
async function dropPending(
  deps: RotationDeps,
  rotation: Rotation,
  { versionStages }: SecretDescription,
  state: StopName,
  detail = "",
): Promise<never> {
  if (versionStages[rotation.token]?.includes("AWSPENDING")) {
    await deps.secrets.removePending(rotation.secretArn, rotation.token);
  }
  throw new Stop(state, detail);
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
        if (!isNewer(record.issuedAt, (await issuedAt(deps, rotation, current)) ?? 0)) {
          return dropPending(deps, rotation, fresh, "promoted-meanwhile");
        }
        from = current;
        continue;
      }
      if (deps.budget.remainingMs() < delay + LAST_WORDS_MS) throw new Stop("promotion-failed", reason);
      await deps.sleep(delay);
    }
  }
}

/** When the key under a version was issued; `undefined` where there is no value that this project wrote. */
async function issuedAt(
  deps: RotationDeps,
  { secretArn }: Rotation,
  versionId: string,
): Promise<number | undefined> {
  const value = await readLagging(deps, secretArn, versionId);
  try {
    return value === undefined ? undefined : parseRecord(value).issuedAt;
  } catch {
    return undefined;
  }
}

function isNewer(time: number | undefined, than: number): boolean {
  return time !== undefined && time > than;
}

/** Also the dry run when rotation is switched on: the version then holds a copy of the current value. */
async function testSecret(deps: RotationDeps, rotation: Rotation): Promise<void> {
  const record = await readPending(deps, rotation);
  const controlPlane = await deps.connect();
  await activeInstance(controlPlane, record, rotation.secretArn);
  await waitUntilLive(deps, controlPlane, record);
  deps.log.info("tested", { fingerprint: record.agentKey.fingerprint });
}

/** Reached with something left to do only where an earlier attempt stored the key and could not promote it. */
async function finishSecret(deps: RotationDeps, rotation: Rotation): Promise<void> {
  const record = await readPending(deps, rotation);
  const controlPlane = await deps.connect();
  await activeInstance(controlPlane, record, rotation.secretArn);
  await waitUntilLive(deps, controlPlane, record);
  await moveCurrent(deps, rotation, record);
  deps.log.info("promoted", { fingerprint: record.agentKey.fingerprint });
}

async function readPending(deps: RotationDeps, rotation: Rotation): Promise<AgentKeyRecord> {
  const value = await readLagging(deps, rotation.secretArn, rotation.token);
  if (value === undefined) throw new Stop("pending-empty");
  return parseOr("pending-unreadable", value);
}

async function readStored(
  deps: RotationDeps,
  sight: Sight,
  versionId: string,
): Promise<{ key: StoredKey; record?: AgentKeyRecord; value?: string }> {
  const value = await readLagging(deps, sight.secretArn, versionId);
  if (value === undefined) return { key: "empty" };
  const record = parseOr("pending-unreadable", value);
  const check = await answered(sight.controlPlane.checkAgentKey(record.agentKey));
  return { key: check.accepted ? "accepted" : "refused", record, value };
}

/** A read right after a write may not see it: https://github.com/aws/aws-sdk-js-v3/issues/7701. */
async function readLagging(
  deps: Pick<RotationDeps, "secrets" | "sleep">,
  secretArn: string,
  versionId: string,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    const value = await deps.secrets.readVersion(secretArn, versionId);
    if (value !== undefined || attempt === READ_ATTEMPTS) return value;
    await deps.sleep(250 * 2 ** attempt);
  }
}

function pendingVersion(rotation: Rotation, value: string) {
  return {
    secretId: rotation.secretArn,
    value,
    stage: "AWSPENDING" as const,
    ...(rotation.rotationToken === undefined ? {} : { rotationToken: rotation.rotationToken }),
  };
}

/** A key stored under an older token is copied to this one, since Secrets Manager waits for this one. */
async function putPending(deps: RotationDeps, rotation: Rotation, value: string): Promise<void> {
  await deps.secrets.putVersion({ ...pendingVersion(rotation, value), versionId: rotation.token });
}

function parseOr(state: "current-unreadable" | "pending-unreadable", value: string): AgentKeyRecord {
  try {
    return parseRecord(value);
  } catch (error) {
    throw new Stop(state, error instanceof Error ? error.message : "");
  }
}

/** Names what a failed call means before anything was changed. */
async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!isControlPlaneError(error)) throw error;
    throw error.kind === "unauthorized" || error.kind === "forbidden"
      ? new Stop("operator-key-refused", error.message)
      : new Stop("control-plane-unavailable", error.message);
  }
}
