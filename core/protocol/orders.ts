import { DAY_MS, HOUR_MS } from "../time";
import { type Intent, isOrder, type OrderKind, takenOver } from "./intent";
import { settledFrom } from "./timing";

/** One rotation window: the days of a schedule count to the day in whose window the rotation is. */
const WINDOW_MS = DAY_MS;
/** Kept back from the oldest that a key may become, so that a rotation comes in between. */
const ROTATION_ROOM_MS = 2 * HOUR_MS;

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
 * that the next rotation has to replace first. Where that next rotation waits for a person, an order to mint can be placed.
 */
export function orderUpon(standing: Intent | undefined, order: Order): Intent | undefined {
  const { kind, now, until, ...names } = order;
  const record = { ...names, takenAt: now, attemptEndsAt: until, idempotencyKey: "none", outcome: kind };
  if (standing === undefined) {
    const nothing = { graceFrom: now, mint: 0, earlierMints: [], mintedAt: [], inVain: 0, ordered: false };
    return { ...record, ...nothing, versionId: order.baseVersionId };
  }
  const isSettled = isOrder(standing) || standing.outcome === "refused" || standing.outcome === "promoted";
  // Nothing of it is on its way any more, and a person decides what the bound of mints does not let a rotation decide.
  const isOver = now >= settledFrom(standing.attemptEndsAt);
  if (!isSettled && !(kind === "ordered" && isOver)) return undefined;
  const kept = { versionId: standing.versionId, mint: standing.mint, ordered: false };
  return { ...record, ...takenOver(standing, now), ...kept };
}

/** Until when a standing record holds rotations up; `undefined` if it does not. */
export function pausedUntil(
  standing: Pick<Intent, "outcome" | "attemptEndsAt"> | undefined,
  now: number,
): number | undefined {
  return standing?.outcome === "paused" && now < standing.attemptEndsAt ? standing.attemptEndsAt : undefined;
}

export type PauseCourse =
  | { readonly course: "pause"; readonly until: number; readonly isCut: boolean }
  | { readonly course: "refuse"; readonly because: "no-schedule" | "too-old" };

/** A pause ends in time for a rotation before the key is older than its interval and one window. */
export function decidePause(facts: {
  readonly issuedAt: number;
  /** `undefined` if nothing rotates the key by itself. */
  readonly automaticallyAfterDays: number | undefined;
  readonly now: number;
  readonly until: number;
}): PauseCourse {
  const { issuedAt, automaticallyAfterDays, now, until } = facts;
  if (automaticallyAfterDays === undefined) return { course: "refuse", because: "no-schedule" };
  const latest = issuedAt + automaticallyAfterDays * DAY_MS + WINDOW_MS - ROTATION_ROOM_MS;
  if (latest <= now) return { course: "refuse", because: "too-old" };
  return { course: "pause", until: Math.min(until, latest), isCut: until > latest };
}
