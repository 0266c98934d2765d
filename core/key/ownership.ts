import { KEY_SHAPE, OWNERSHIP_MARK } from "../contract";
import { arnParts } from "../rules";

/**
 * The ownership marker: a line in the instance's description at the Control Plane that says which secret holds its key.
 * A create is repeated after a lost answer or a failed apply. An instance of the right name may then be ours and half-made,
 * or it is somebody else's, whose users would lose their key by our refresh. Only the marker tells which.
 */
export interface SecretLocation {
  readonly accountId: string;
  readonly region: string;
  readonly secretName: string;
}

const MARKER = new RegExp(`\\[${OWNERSHIP_MARK} ([0-9]{12})/([a-z0-9-]+)/([^\\]\\s]+)\\]`);

/** Throws a `TypeError` on anything but the ARN of a secret, with its six-character suffix. */
export function locateSecret(secretArn: string): SecretLocation {
  const { accountId, region, name: secretName } = arnParts("secret", secretArn) ?? {};
  if (accountId && region && secretName) return { accountId, region, secretName };
  const got = secretArn.replace(KEY_SHAPE, "[masked]");
  throw new TypeError(`secretArn: must be the ARN of a Secrets Manager secret, got ${got}`);
}

export function markDescription(description: string, owner: SecretLocation): string {
  const marker = `[${OWNERSHIP_MARK} ${owner.accountId}/${owner.region}/${owner.secretName}]`;
  return description === "" ? marker : `${description}\n${marker}`;
}

/** `ours`: marked for exactly this secret. `theirs`: marked for another one. `unmarked`: not made by this project. */
export function ownershipOf(
  description: string | undefined,
  secret: SecretLocation,
): "ours" | "theirs" | "unmarked" {
  const owner = ownerOf(description);
  if (!owner) return "unmarked";
  return owner.accountId === secret.accountId &&
    owner.region === secret.region &&
    owner.secretName === secret.secretName
    ? "ours"
    : "theirs";
}

/** The secret that the marker names; `undefined` if there is no marker. */
export function ownerOf(description: string | undefined): SecretLocation | undefined {
  const match = MARKER.exec(description ?? "");
  if (!match) return undefined;
  const [, accountId, region, secretName] = match as unknown as [string, string, string, string];
  return { accountId, region, secretName };
}
