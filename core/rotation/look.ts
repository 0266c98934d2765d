import type { AgentInstance, ControlPlane } from "../control-plane/client";
import { isControlPlaneError } from "../control-plane/errors";
import { locateSecret, ownershipOf } from "../key/ownership";
import { type AgentKeyRecord, parseRecord } from "../key/stored-value";
import type { StoredKey } from "../protocol/decision";
import { graceEndsAt, guardedUntil } from "../protocol/grace-period";
import { type Intent, vainUpon } from "../protocol/intent";
import { MINT_RESERVE_MS } from "../protocol/mint";
import { isProven, type RefusalProof } from "../protocol/refusal-proof";
import { Stop } from "../protocol/stops";
import { type SecretDescription, versionWith } from "../secrets/secret-store";
import { dropPending, type Rotation, type RotationDeps } from "./rotation";

/** What AWS holds of this key, before anything is changed. */
export interface Ground extends Rotation {
  readonly current: AgentKeyRecord;
  readonly currentValue: string;
  /** What this attempt's version holds already. */
  readonly pending: Stored | undefined;
  /** All intents of the secret that are kept. */
  readonly records: readonly Intent[];
  /** That upon the base. */
  readonly standing: Intent | undefined;
}

/** And what the Control Plane says of it. */
export interface Sight extends Ground {
  readonly controlPlane: ControlPlane;
  readonly currentAccepted: boolean;
  /** Why the current key's refusal is believed; `undefined` if it is not, or if the key is accepted. */
  readonly proof: RefusalProof | undefined;
  readonly instance: AgentInstance;
}

export interface Stored {
  readonly versionId: string;
  readonly value: string;
  readonly record: AgentKeyRecord;
}

const READ_ATTEMPTS = 4;

export async function lookAtAws(deps: RotationDeps, rotation: Rotation): Promise<Ground> {
  const { secretArn, base, token } = rotation;
  const currentValue = await deps.secrets.readVersion(secretArn, base);
  if (currentValue === undefined) throw new Stop("current-missing");
  const current = parseOr("current-unreadable", currentValue);
  const pendingValue = await deps.secrets.readVersion(secretArn, token);
  const pending = pendingValue === undefined ? undefined : toStored(token, pendingValue);
  const records = await deps.intents.ofSecret(secretArn);
  const standing = records.find(({ baseVersionId }) => baseVersionId === base);
  return { ...rotation, current, currentValue, pending, records, standing };
}

/** Everything that can be checked is, before the refresh starts the current key's last hours. Throws a `Stop`. */
export async function lookAtControlPlane(deps: RotationDeps, ground: Ground): Promise<Sight> {
  const { current, pending, standing, secretArn, base } = ground;
  const controlPlane = await deps.connect();
  const check = await keyCheck(controlPlane, current);
  const instance = await activeInstance(controlPlane, current, secretArn, check.accepted);
  if (controlPlane.clockDiffers()) throw new Stop("clock-differs");
  // Stored ids are compared, not the live key's: a dead current key has to be healed by this very rotation.
  if (check.accepted && check.agentInstanceId !== current.agentInstanceId) throw new Stop("wrong-instance");
  const now = controlPlane.now();
  const hasNewKey = pending !== undefined && isNewer(pending.record, current);
  const guard = check.accepted ? guardedUntil(current, deps.gracePeriodMs) : undefined;
  if (guard !== undefined && now < guard && !hasNewKey && !isDue(standing, now)) {
    // Left there, AWSPENDING on a version with nothing new would refuse every later rotation.
    return dropPending(deps, ground, ground.description, "grace-running", new Date(guard).toISOString());
  }
  const found = check.accepted ? undefined : await deps.proofs.read(secretArn, base);
  const proof = isProven(found, current.agentKey.fingerprint, now) ? found : undefined;
  if (!check.accepted && !hasNewKey && !isExplained(standing, deps.gracePeriodMs, now)) {
    if (!proof) throw new Stop("refusal-unproven");
    // One mint was made upon such a proof, and its key was refused like the one before.
    if (proof.by === "looks" && standing?.uponLooks) throw new Stop("refusals-not-believed");
  }
  if (deps.budget.remainingMs() < MINT_RESERVE_MS) throw new Stop("out-of-time");
  return { ...ground, controlPlane, currentAccepted: check.accepted, proof, instance };
}

/**
 * Whether a mint upon this very version is due although the guard is up: an operator has ordered it, whatever it ends, or one
 * was begun already, and has ended what it ends.
 */
function isDue(standing: Intent | undefined, now: number): boolean {
  if (standing === undefined) return false;
  if (standing.outcome === "ordered") return now < standing.attemptEndsAt;
  return standing.outcome === "open" || standing.outcome === "lost" || standing.outcome === "dead";
}

/** Whether the current key is refused because of what was done here: a mint upon it, or an operator's order. */
function isExplained(standing: Intent | undefined, gracePeriodMs: number, now: number): boolean {
  if (standing === undefined) return false;
  if (standing.outcome === "ordered") return true;
  if (standing.outcome === "promoted") return now >= graceEndsAt(standing, gracePeriodMs);
  return standing.outcome !== "dead" && vainUpon(standing) > 0;
}

export async function keyCheck(controlPlane: ControlPlane, { agentKey }: AgentKeyRecord) {
  try {
    return await controlPlane.checkAgentKey(agentKey);
  } catch (error) {
    if (isControlPlaneError(error, "unreadable")) throw new Stop("key-check-unreadable", error.message);
    return answered(Promise.reject(error));
  }
}

/** The instance that a record names, which has to be there, active and this secret's. Throws a `Stop`. */
export async function activeInstance(
  controlPlane: ControlPlane,
  record: AgentKeyRecord,
  secretArn: string,
  isKeyAccepted = false,
): Promise<AgentInstance> {
  const instance = await answered(controlPlane.getInstance(record.agentInstanceId));
  if (!instance) throw new Stop(isKeyAccepted ? "other-workspace" : "instance-gone", record.agentInstanceId);
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
  try {
    const { accepted } = await keyCheck(sight.controlPlane, stored.record);
    if (accepted) return "accepted";
    return areRefusalsBelieved(sight) ? "refused" : "unknown";
  } catch (error) {
    if (error instanceof Stop && isUntestable(error)) return "unknown";
    throw error;
  }
}

/** Whether the Control Plane accepts some key in this run, so that what it refuses is refused by itself. */
export function areRefusalsBelieved({ currentAccepted, proof }: Sight): boolean {
  return currentAccepted || proof?.by === "other-key";
}

/** Whether it is only the asking that fails, and says nothing about a key. */
export function isUntestable({ state }: Stop): boolean {
  return UNTESTABLE.has(state);
}

const UNTESTABLE: ReadonlySet<string> = new Set([
  "control-plane-unavailable",
  "key-check-unreadable",
  "clock-differs",
  "operator-key-missing",
  "operator-key-refused",
  "other-workspace",
]);

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
