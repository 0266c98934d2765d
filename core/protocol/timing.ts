/** How late the remotes may be. These bounds are declared, not measured: the protocol's waits rest on them. */

/** The longest that the Control Plane may take to apply a request whose answer was lost. */
export const LATE_APPLICATION_MS = 60_000;
/** The longest that a read of Secrets Manager may lag behind a write. */
export const READ_LAG_MS = 10_000;
/** The longest until the Control Plane accepts a key that it has just minted. */
export const ACTIVATION_MS = 60_000;

/** From when nothing of an attempt can be on its way any more: what it minted is stored and can be seen, or is lost. */
export function settledFrom(attemptEndsAt: number): number {
  return attemptEndsAt + LATE_APPLICATION_MS + READ_LAG_MS;
}
