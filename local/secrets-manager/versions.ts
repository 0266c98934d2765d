import { invalidParameter, limitExceeded, SecretsManagerError } from "./errors";
import type { Version } from "./model";

/* The rules of staging labels, over the versions of one secret. Nothing here knows of time, names or rotations. */

export const CURRENT = "AWSCURRENT";
export const PENDING = "AWSPENDING";
export const PREVIOUS = "AWSPREVIOUS";

/** Labels on all versions of a secret together (Secrets Manager quotas, user guide, "reference_limits"). */
const MAX_LABELS = 20;
/** Versions without a label go once there are more than this many… */
const KEPT_VERSIONS = 100;
/** …but none that is younger (API reference, PutSecretValue). */
const KEPT_AGE_MS = 24 * 60 * 60 * 1_000;

type Versions = readonly Version[];

export const byId = (versions: Versions, id: string) => versions.find((version) => version.id === id);

export const holderOf = (versions: Versions, label: string) =>
  versions.find((version) => version.labels.includes(label));

/** Whether AWSPENDING sits on a version that isn't AWSCURRENT: to Secrets Manager, a rotation that isn't complete. */
export function unfinished(versions: Versions): Version | undefined {
  const pending = holderOf(versions, PENDING);
  return pending?.labels.includes(CURRENT) ? undefined : pending;
}

const without = (version: Version, label: string): Version => ({
  ...version,
  labels: version.labels.filter((other) => other !== label),
});

const withLabel = (version: Version, label: string): Version => ({
  ...version,
  labels: [...version.labels, label].sort(),
});

/** Takes the label off whatever holds it. */
export function dropLabel(versions: Versions, label: string): Versions {
  return versions.map((version) => (version.labels.includes(label) ? without(version, label) : version));
}

/** A label sits on one version. AWSPREVIOUS follows to where AWSCURRENT was (API reference, UpdateSecretVersionStage). */
export function moveLabel(versions: Versions, label: string, toId: string): Versions {
  const from = holderOf(versions, label);
  if (from?.id === toId) return versions;
  const moved = versions.map((version) => {
    if (version.id === toId) return withLabel(version, label);
    return version === from ? without(version, label) : version;
  });
  return label === CURRENT && from ? moveLabel(moved, PREVIOUS, from.id) : moved;
}

/** What UpdateSecretVersionStage does, with its refusals. `null` stands for a parameter that wasn't given. */
export function updateStage(
  versions: Versions,
  label: string,
  removeFromId: string | null,
  moveToId: string | null,
): Versions {
  for (const id of [removeFromId, moveToId]) {
    if (id !== null && !byId(versions, id)) {
      throw new SecretsManagerError(
        "ResourceNotFoundException",
        `Secrets Manager can't find the specified secret version: ${id}`,
      );
    }
  }
  const holder = holderOf(versions, label);
  if (removeFromId !== null && holder?.id !== removeFromId) {
    throw invalidParameter(
      `When you move staging label ${label}, if you specify RemoveFromVersionId, it must be set to the version that ` +
        `currently has the staging label ${label}.`,
    );
  }
  if (moveToId === null) {
    if (removeFromId === null) {
      throw invalidParameter("You must specify RemoveFromVersionId, MoveToVersionId, or both.");
    }
    if (label === CURRENT) {
      throw invalidParameter(
        "You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.",
      );
    }
    return dropLabel(versions, label);
  }
  if (holder && holder.id !== moveToId && removeFromId === null) {
    throw invalidParameter(
      `The parameter RemoveFromVersionId can't be empty. Staging label ${label} is currently attached to version ` +
        `${holder.id}, so you must explicitly reference that version in RemoveFromVersionId.`,
    );
  }
  return checkLabelCount(moveLabel(versions, label, moveToId));
}

export function checkLabelCount(versions: Versions): Versions {
  const count = versions.reduce((sum, version) => sum + version.labels.length, 0);
  if (count > MAX_LABELS) {
    throw limitExceeded(
      `A secret can have at most ${MAX_LABELS} staging labels over all versions, got ${count}.`,
    );
  }
  return versions;
}

/** Makes room for one more version: the oldest ones without a label go first. */
export function prune(versions: Versions, now: number, quota: number): Versions {
  let surplus = versions.length + 1 - KEPT_VERSIONS;
  if (surplus <= 0) return versions;
  const kept = versions.filter((version) => {
    if (surplus <= 0 || version.labels.length > 0 || now - version.createdAt < KEPT_AGE_MS) return true;
    surplus -= 1;
    return false;
  });
  if (kept.length >= quota) {
    throw limitExceeded(
      `The secret has ${kept.length} versions, and none of them can be removed yet: each has a staging label or is ` +
        "younger than 24 hours.",
    );
  }
  return kept;
}

/** The labels that sit on another version than before, with that version; those that are just gone are left out. */
export function movedLabels(before: Versions, after: Versions): { label: string; versionId: string }[] {
  return after.flatMap((version) =>
    version.labels
      .filter((label) => !byId(before, version.id)?.labels.includes(label))
      .map((label) => ({ label, versionId: version.id })),
  );
}
