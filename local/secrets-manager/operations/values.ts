import { invalidRequest, noValue, tokenInUse } from "../errors";
import {
  clientRequestToken,
  type Input,
  requiredText,
  secretId,
  secretValue,
  text,
  versionStages,
} from "../input";
import type { Secret, SecretValue, Version } from "../model";
import { abandon, scheduleFrom } from "../rotation";
import type { Store } from "../store";
import {
  byId,
  CURRENT,
  checkLabelCount,
  dropLabel,
  holderOf,
  moveLabel,
  PENDING,
  prune,
  unfinished,
  updateStage,
} from "../versions";
import { dayOf, epochSeconds } from "./describe";

export const sameValue = (one: SecretValue | null, other: SecretValue | null): boolean =>
  one?.kind === other?.kind && one?.data === other?.data;

/**
 * Stores a value under a token, and moves labels to it: those given, or else AWSCURRENT.
 * The same value under the same token is no change, another value is refused.
 */
export function writeVersion(
  store: Store,
  secret: Secret,
  token: string,
  value: SecretValue,
  labels: readonly string[] | null,
): Secret {
  const present = byId(secret.versions, token);
  if (present && present.value !== null) {
    if (sameValue(present.value, value)) return store.save(secret);
    throw tokenInUse(token, secret.arn);
  }
  const first = secret.versions.length === 0 ? [CURRENT] : [];
  const given = [...(labels ?? [CURRENT]), ...first];
  const versions = given.reduce(
    (moved, label) => moveLabel(moved, label, token),
    endedByNewVersion(secret, token, given, withValue(store, secret, token, value)),
  );
  const saved = store.saveVersions(secret, {
    ...secret,
    versions: checkLabelCount(versions),
    lastChangedAt: store.clock.now(),
    rotation: countedAsRotation(store, secret, token, given),
  });
  abandonInterrupted(store, secret, saved, token);
  return saved;
}

/** The versions with the value: in the version that a rotation registered, or in a new one. */
function withValue(store: Store, secret: Secret, token: string, value: SecretValue): readonly Version[] {
  const now = store.clock.now();
  if (byId(secret.versions, token)) {
    return secret.versions.map((version) => (version.id === token ? { ...version, value } : version));
  }
  return [
    ...prune(secret.versions, now, store.undocumented.versionQuota),
    { id: token, createdAt: now, labels: [], value, kmsKeyId: secret.kmsKeyId, lastAccessedDay: null },
  ];
}

/**
 * A new version made while a rotation runs takes AWSPENDING off the rotation's version. A new AWSCURRENT also takes it
 * off the version that a finished rotation left it on.
 */
function endedByNewVersion(
  secret: Secret,
  token: string,
  given: readonly string[],
  versions: readonly Version[],
): readonly Version[] {
  const pending = holderOf(secret.versions, PENDING);
  if (!pending || pending.id === token) return versions;
  const finished = pending.labels.includes(CURRENT);
  return finished && !given.includes(CURRENT) ? versions : dropLabel(versions, PENDING);
}

/** Whose version lost AWSPENDING to the new one, has lost its rotation, if one runs or was left unfinished. */
function abandonInterrupted(store: Store, before: Secret, after: Secret, token: string): void {
  const pending = holderOf(before.versions, PENDING);
  if (!pending || pending.id === token || byId(after.versions, pending.id)?.labels.includes(PENDING)) return;
  const runs = store.rotations.get(after.name)?.token === pending.id;
  if (runs || unfinished(before.versions)) abandon(store, after, pending.id);
}

/** A value changed by hand counts as a rotation where the rules count days (API reference, RotationRulesType). */
function countedAsRotation(
  store: Store,
  { rotation, versions }: Secret,
  token: string,
  given: readonly string[],
) {
  const byHand = given.includes(CURRENT) && unfinished(versions)?.id !== token;
  const countsDays = rotation?.rules.ScheduleExpression === undefined;
  return rotation && byHand && countsDays ? scheduleFrom(rotation, store.clock.now()) : rotation;
}

export function putSecretValue(store: Store, input: Input): object {
  const token = clientRequestToken(input);
  const value = secretValue(input);
  if (value === null) throw invalidRequest("You must provide either SecretString or SecretBinary.");
  const labels = versionStages(input);
  text(input, "RotationToken", 36, 256);
  const secret = writeVersion(store, store.getUsable(secretId(input)), token, value, labels);
  return {
    ARN: secret.arn,
    Name: secret.name,
    VersionId: token,
    VersionStages: [...(byId(secret.versions, token)?.labels ?? [])],
  };
}

/** The version that a read asks for; throws where it doesn't exist or holds no value. */
function readable(
  secret: Secret,
  versionId: string | null,
  label: string | null,
): Version & { value: SecretValue } {
  const version =
    versionId === null ? holderOf(secret.versions, label ?? CURRENT) : byId(secret.versions, versionId);
  if (version && label !== null && !version.labels.includes(label)) {
    throw invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.");
  }
  if (!version || version.value === null) {
    const byLabel = versionId === null || (version && label !== null);
    throw noValue(byLabel ? `staging label: ${label ?? CURRENT}` : `VersionId: ${versionId}`);
  }
  return { ...version, value: version.value };
}

/** Reads a value, and remembers the day. */
export function readValue(
  store: Store,
  secret: Secret,
  versionId: string | null,
  label: string | null,
): object {
  const version = readable(secret, versionId, label);
  const day = dayOf(store.clock.now());
  if (version.lastAccessedDay !== day || secret.lastAccessedDay !== day) {
    const versions = secret.versions.map((each) =>
      each.id === version.id ? { ...each, lastAccessedDay: day } : each,
    );
    store.save({ ...secret, versions, lastAccessedDay: day });
  }
  const { kind, data } = version.value;
  return {
    ARN: secret.arn,
    Name: secret.name,
    VersionId: version.id,
    [kind === "string" ? "SecretString" : "SecretBinary"]: data,
    // A version without a label answers to its id, and has no such list.
    ...(version.labels.length === 0 ? {} : { VersionStages: [...version.labels] }),
    CreatedDate: epochSeconds(version.createdAt),
  };
}

export function getSecretValue(store: Store, input: Input): object {
  const versionId = text(input, "VersionId", 32, 64);
  const label = text(input, "VersionStage", 1, 256);
  return readValue(store, store.getUsable(secretId(input)), versionId, label);
}

export function updateSecretVersionStage(store: Store, input: Input): object {
  const label = requiredText(input, "VersionStage", 1, 256);
  const removeFrom = text(input, "RemoveFromVersionId", 32, 64);
  const moveTo = text(input, "MoveToVersionId", 32, 64);
  const secret = store.getUsable(secretId(input));
  const versions = updateStage(secret.versions, label, removeFrom, moveTo);
  store.saveVersions(secret, { ...secret, versions, lastChangedAt: store.clock.now() });
  return { ARN: secret.arn, Name: secret.name };
}
