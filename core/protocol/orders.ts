import { type Intent, isOrder, type OrderKind, takenOver } from "./intent";

/** An operator's order to the rotations of one key: to pause, or to mint although a grace period is running. */
export interface Order {
  readonly kind: OrderKind;
  readonly secretArn: string;
  /** The version under AWSCURRENT. */
  readonly baseVersionId: string;
  readonly agentInstanceId: string;
  readonly owner: string;
  /** On the Control Plane's clock, as everything here. */
  readonly now: number;
  /** Until when the order holds. A pause that is to end has `now` here. */
  readonly until: number;
}

/**
 * The record of an order upon the current version. It is taken if none stands there; else it replaces the standing one
 * (`IntentStore.retake`), whose mints it keeps account of. `undefined` if a mint may be on its way, or has left a key behind
 * that the next rotation has to replace first.
 */
export function orderUpon(standing: Intent | undefined, order: Order): Intent | undefined {
  const { kind, now, until, ...names } = order;
  const record = { ...names, takenAt: now, attemptEndsAt: until, idempotencyKey: "none", outcome: kind };
  if (standing === undefined) {
    return { ...record, versionId: order.baseVersionId, graceFrom: now, mint: 0, earlierMints: [] };
  }
  if (!isOrder(standing) && standing.outcome !== "refused" && standing.outcome !== "promoted")
    return undefined;
  return { ...record, ...takenOver(standing, now), versionId: standing.versionId, mint: standing.mint };
}
