import { DAY_MS } from "../../../core/time";
import { invalidParameter, invalidRequest, notSupported, resourceExists, tokenInUse } from "../errors";
import {
  clientRequestToken,
  flag,
  type Input,
  integer,
  list,
  secretId,
  secretName,
  secretValue,
  tags,
  text,
} from "../input";
import type { Secret } from "../model";
import type { Store } from "../store";
import { byId } from "../versions";
import { describe, epochSeconds } from "./describe";
import { sameValue, writeVersion } from "./values";

const MIN_RECOVERY_DAYS = 7;
const MAX_RECOVERY_DAYS = 30;

function refuseUnsupported(input: Input): void {
  if ((list(input, "AddReplicaRegions") ?? []).length > 0) throw notSupported("Replication");
  if (text(input, "Type", 0, 256)) throw notSupported("A managed external secret (Type)");
}

export function createSecret(store: Store, input: Input, region: string): object {
  const token = clientRequestToken(input);
  const name = secretName(input);
  refuseUnsupported(input);
  const value = secretValue(input);
  const present = store.find(name);
  if (present?.deletionAt != null) {
    throw invalidRequest(
      "You can't create this secret because a secret with this name is already scheduled for deletion.",
    );
  }
  if (present) {
    const version = byId(present.versions, token);
    if (!version) throw resourceExists(`The operation failed because the secret ${name} already exists.`);
    if (!sameValue(version.value, value)) throw tokenInUse(token, present.arn);
    return { ARN: present.arn, Name: name, VersionId: token };
  }
  const given = list(input, "Tags");
  const now = store.clock.now();
  const secret: Secret = {
    arn: store.newArn(name, region),
    name,
    description: text(input, "Description", 0, 2_048) ?? "",
    kmsKeyId: text(input, "KmsKeyId", 0, 2_048) || null,
    tags: given === null || given.length === 0 ? null : tags(given, []),
    policy: null,
    createdAt: now,
    lastChangedAt: now,
    lastAccessedDay: null,
    lastRotatedAt: null,
    deletionAt: null,
    rotation: null,
    versions: [],
  };
  if (value === null) store.save(secret);
  else writeVersion(store, secret, token, value, null);
  return { ARN: secret.arn, Name: name, ...(value === null ? {} : { VersionId: token }) };
}

export function describeSecret(store: Store, input: Input): object {
  return describe(store.get(secretId(input)), "VersionIdsToStages");
}

export function updateSecret(store: Store, input: Input): object {
  const token = clientRequestToken(input);
  refuseUnsupported(input);
  const value = secretValue(input);
  const description = text(input, "Description", 0, 2_048);
  const kmsKeyId = text(input, "KmsKeyId", 0, 2_048);
  let secret = store.getUsable(secretId(input));
  secret = {
    ...secret,
    lastChangedAt: store.clock.now(),
    description: description ?? secret.description,
    ...(kmsKeyId === null ? {} : reencrypted(secret, kmsKeyId || null)),
  };
  if (value === null) store.save(secret);
  else writeVersion(store, secret, token, value, null);
  return { ARN: secret.arn, Name: secret.name, ...(value === null ? {} : { VersionId: token }) };
}

/** A new key applies to the versions that have a label (API reference, UpdateSecret, KmsKeyId). */
function reencrypted(secret: Secret, kmsKeyId: string | null): Pick<Secret, "kmsKeyId" | "versions"> {
  const versions = secret.versions.map((version) =>
    version.labels.length > 0 ? { ...version, kmsKeyId } : version,
  );
  return { kmsKeyId, versions };
}

export function deleteSecret(store: Store, input: Input, region: string): object {
  const id = secretId(input);
  const days = integer(input, "RecoveryWindowInDays");
  const force = flag(input, "ForceDeleteWithoutRecovery") ?? false;
  if (days !== null && (days < MIN_RECOVERY_DAYS || days > MAX_RECOVERY_DAYS)) {
    throw invalidParameter(
      `The RecoveryWindowInDays value must be between ${MIN_RECOVERY_DAYS} and ${MAX_RECOVERY_DAYS} days (inclusive).`,
    );
  }
  if (force && days !== null) {
    throw invalidParameter(
      "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
    );
  }
  if (force) return deleteNow(store, id, region);
  const secret = store.getUsable(id);
  const deletionAt = store.clock.now() + (days ?? MAX_RECOVERY_DAYS) * DAY_MS;
  store.save({ ...secret, deletionAt, lastChangedAt: store.clock.now() });
  store.rotations.delete(secret.name);
  return { ARN: secret.arn, Name: secret.name, DeletionDate: epochSeconds(deletionAt) };
}

/** Deleting by force succeeds for a secret that doesn't exist, too (API reference, DeleteSecret). */
function deleteNow(store: Store, id: string, region: string): object {
  const secret = store.find(id);
  if (secret) store.remove(secret);
  return {
    ARN: secret?.arn ?? store.newArn(id, region),
    Name: secret?.name ?? id,
    DeletionDate: epochSeconds(store.clock.now()),
  };
}

export function restoreSecret(store: Store, input: Input): object {
  const secret = store.get(secretId(input));
  store.save({ ...secret, deletionAt: null, lastChangedAt: store.clock.now() });
  return { ARN: secret.arn, Name: secret.name };
}
