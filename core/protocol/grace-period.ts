import { HOUR_MS } from "../time";
import type { Intent } from "./intent";

/**
 * The grace period is how long a key still works after the refresh that replaced it. Its length is the environment's setting
 * `gracePeriodHours`. This file says when one ends, and until when it forbids a refresh.
 */

/** No refresh sooner than this after the last one, however short the grace period is. */
export const LEAST_KEY_AGE_MS = HOUR_MS;

/**
 * Until when no refresh may be made, or `undefined`. A refresh inside a running grace period may end at once the key before
 * the current one, whose users have been promised the whole of it, or the current key itself. The grace period that counts
 * is the last one that began: with the refresh that minted the current key, whatever that replaced. A key that was created
 * with its instance replaced none and needs no guard.
 */
export function guardedUntil(
  current: { readonly issuedAt: number; readonly previousKeyExpiresAt?: number },
  gracePeriodMs: number,
): number | undefined {
  if (current.previousKeyExpiresAt === undefined) return undefined;
  return Math.max(current.previousKeyExpiresAt, current.issuedAt + Math.max(gracePeriodMs, LEAST_KEY_AGE_MS));
}

/**
 * When the grace period of the key that a mint replaces ends. It is counted from before the first refresh that may have been
 * applied, so that it is never later than the truth.
 */
export function graceEndsAt({ graceFrom }: Pick<Intent, "graceFrom">, gracePeriodMs: number): number {
  return graceFrom + gracePeriodMs;
}
