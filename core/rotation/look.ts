import type { AgentInstance, ControlPlane } from "../control-plane/client";
import { isControlPlaneError } from "../control-plane/errors";
import { locateSecret, ownershipOf } from "../key/ownership";
import { type AgentKeyRecord, parseRecord } from "../key/stored-value";
import type { StoredKey } from "../protocol/decision";
import { guardedUntil } from "../protocol/grace-period";
import { MINT_RESERVE_MS } from "../protocol/mint";
import { Stop } from "../protocol/stops";
import { type SecretDescription, versionWith } from "../secrets/secret-store";
import { dropPending, type Rotation, type RotationDeps } from "./rotation";

/** What was seen before anything is changed. */
export interface Sight extends Rotation {
  readonly controlPlane: ControlPlane;
  readonly current: AgentKeyRecord;
  readonly currentAccepted: boolean;
  readonly instance: AgentInstance;
  /** What this attempt's version holds already. */
  readonly pending: Stored | undefined;
}

export interface Stored {
  readonly versionId: string;
  readonly value: string;
  readonly record: AgentKeyRecord;
}

const READ_ATTEMPTS = 4;

/** Everything that can be checked is, before the refresh starts the current key's last hours. */
export async function lookBeforeMinting(deps: RotationDeps, rotation: Rotation): Promise<Sight> {
  const { secretArn, base, token, description } = rotation;
  const value = await deps.secrets.readVersion(secretArn, base);
  if (value === undefined) throw new Stop("current-missing");
  const current = parseOr("current-unreadable", value);
  const pendingValue = await deps.secrets.readVersion(secretArn, token);
  const pending = pendingValue === undefined ? undefined : toStored(token, pendingValue);
  const controlPlane = await deps.connect();
  const instance = await activeInstance(controlPlane, current, secretArn);
  const check = await answered(controlPlane.checkAgentKey(current.agentKey));
  // Stored ids are compared, not the live key's: a dead current key has to be healed by this very rotation.
  if (check.accepted && check.agentInstanceId !== current.agentInstanceId) throw new Stop("wrong-instance");
  const guard = check.accepted ? guardedUntil(current, deps.gracePeriodMs) : undefined;
  const isGuarded = guard !== undefined && controlPlane.now() < guard;
  if (
    isGuarded &&
    !(pending && isNewer(pending.record, current)) &&
    !(await isDue(deps, rotation, controlPlane))
  ) {
    // Left there, AWSPENDING on a version with nothing new would refuse every later rotation.
    return dropPending(deps, rotation, description, "grace-running", new Date(guard).toISOString());
  }
  if (deps.budget.remainingMs() < MINT_RESERVE_MS) throw new Stop("out-of-time");
  return { ...rotation, controlPlane, current, currentAccepted: check.accepted, instance, pending };
}

/**
 * Whether a mint upon this very version is due although the guard is up: an operator has ordered it, whatever it ends, or one
 * was begun already, and has ended what it ends.
 */
async function isDue(
  deps: RotationDeps,
  { secretArn, base }: Rotation,
  controlPlane: ControlPlane,
): Promise<boolean> {
  const standing = await deps.intents.read(secretArn, base);
  if (standing === undefined) return false;
  if (standing.outcome === "ordered") return controlPlane.now() < standing.attemptEndsAt;
  return standing.outcome === "open" || standing.outcome === "lost" || standing.outcome === "dead";
}

/** The instance that a record names, which has to be there, active and this secret's. Throws a `Stop`. */
export async function activeInstance(
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

/** What a version holds; `undefined` where it has no value, also after a while. */
export async function readStored(
  deps: Pick<RotationDeps, "secrets" | "sleep">,
  secretArn: string,
  versionId: string,
): Promise<Stored | undefined> {
  // A read right after a write may not see it: https://github.com/aws/aws-sdk-js-v3/issues/7701.
  for (let attempt = 1; ; attempt++) {
    const value = await deps.secrets.readVersion(secretArn, versionId);
    if (value !== undefined) return toStored(versionId, value);
    if (attempt === READ_ATTEMPTS) return undefined;
    await deps.sleep(250 * 2 ** attempt);
  }
}

export async function validityOf(sight: Sight, stored: Stored | undefined): Promise<StoredKey> {
  if (!stored) return "empty";
  if (!isNewer(stored.record, sight.current)) return "leftover";
  const check = await answered(sight.controlPlane.checkAgentKey(stored.record.agentKey));
  return check.accepted ? "accepted" : "refused";
}

/**
 * Whether a stored key has been under AWSCURRENT, as far as AWSPREVIOUS shows it: an attempt that dies after the promotion
 * leaves no other trace. Values are compared, since a key may be promoted by way of a copy under a newer token.
 */
export async function wasPromoted(
  deps: Pick<RotationDeps, "secrets">,
  secretArn: string,
  stored: Stored | undefined,
  { versionStages }: SecretDescription,
): Promise<boolean> {
  const previous = versionWith("AWSPREVIOUS", versionStages);
  if (!stored || previous === undefined) return false;
  return (await deps.secrets.readVersion(secretArn, previous)) === stored.value;
}

export function isNewer(record: AgentKeyRecord, than: AgentKeyRecord): boolean {
  return record.issuedAt > than.issuedAt;
}

function toStored(versionId: string, value: string): Stored {
  return { versionId, value, record: parseOr("pending-unreadable", value) };
}

function parseOr(state: "current-unreadable" | "pending-unreadable", value: string): AgentKeyRecord {
  try {
    return parseRecord(value);
  } catch (error) {
    throw new Stop(state, error instanceof Error ? error.message : "");
  }
}

/** Names what a failed call means where nothing depends on its having been applied. */
export async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!isControlPlaneError(error)) throw error;
    throw error.kind === "unauthorized" || error.kind === "forbidden"
      ? new Stop("operator-key-refused", error.message)
      : new Stop("control-plane-unavailable", error.message);
  }
}
