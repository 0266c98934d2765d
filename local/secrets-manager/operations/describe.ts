import type { RotationSettings, Secret } from "../model";
import { startOfDay } from "../schedule";

/** Times travel as seconds since the epoch, with fractions. */
export const epochSeconds = (time: number) => time / 1_000;

/** Reads are remembered by the day. */
export const dayOf = startOfDay;

const labelled = (secret: Secret): Record<string, string[]> =>
  Object.fromEntries(
    secret.versions.filter(({ labels }) => labels.length > 0).map(({ id, labels }) => [id, [...labels]]),
  );

function describeRotation(rotation: RotationSettings, lastRotatedAt: number | null): object {
  const { enabled, functionArn, rules, nextRotationAt } = rotation;
  return {
    RotationEnabled: enabled,
    RotationLambdaARN: functionArn,
    ...(Object.keys(rules).length === 0 ? {} : { RotationRules: { ...rules } }),
    ...(enabled && lastRotatedAt !== null ? { LastRotatedDate: epochSeconds(lastRotatedAt) } : {}),
    ...(enabled && nextRotationAt !== null ? { NextRotationDate: epochSeconds(nextRotationAt) } : {}),
  };
}

/** A secret without its value. Fields without content are left out, as AWS does. */
export function describe(
  secret: Secret,
  versionsField: "VersionIdsToStages" | "SecretVersionsToStages",
): object {
  return {
    ARN: secret.arn,
    Name: secret.name,
    ...(secret.description === "" ? {} : { Description: secret.description }),
    ...(secret.kmsKeyId === null ? {} : { KmsKeyId: secret.kmsKeyId }),
    ...(secret.rotation === null ? {} : describeRotation(secret.rotation, secret.lastRotatedAt)),
    LastChangedDate: epochSeconds(secret.lastChangedAt),
    ...(secret.lastAccessedDay === null ? {} : { LastAccessedDate: epochSeconds(secret.lastAccessedDay) }),
    ...(secret.deletionAt === null ? {} : { DeletedDate: epochSeconds(secret.deletionAt) }),
    ...(secret.tags === null ? {} : { Tags: secret.tags.map((tag) => ({ ...tag })) }),
    ...(secret.versions.some(({ labels }) => labels.length > 0) ? { [versionsField]: labelled(secret) } : {}),
    CreatedDate: epochSeconds(secret.createdAt),
  };
}
