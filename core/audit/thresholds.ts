import { DAY_MS, HOUR_MS } from "../time";
import { AUDIT_INTERVAL_MS } from "./intervals";

/** When something becomes a finding, and a finding a page. Milliseconds. */
export interface Thresholds {
  /** As configured; 0 if an old key ends at once. */
  readonly gracePeriodMs: number;
  /** Absent if rotation is off for this environment. */
  readonly rotation?: {
    readonly intervalMs: number;
    readonly windowMs: number;
    readonly functionArn: string;
  };
  /** From the mint until a key that is not promoted is paged. @default 1 hour, sooner if less grace would be left */
  readonly unpromotedPagedAfterMs?: number;
  /** From the moment that a rotation is due, or was left behind, until it is paged. @default 2 hours */
  readonly stuckPagedAfterMs?: number;
  /** Without a read by anybody, until it is noted. @default 30 days */
  readonly unusedNotedAfterMs?: number;
}

/** How much of the grace period is left for people when an unpromoted key is paged. */
export const LEAST_HOURS_LEFT = 12;

export function unusedNotedAfter({ unusedNotedAfterMs = 30 * DAY_MS }: Thresholds): number {
  return unusedNotedAfterMs;
}

export function stuckPagedAfter({ stuckPagedAfterMs = 2 * HOUR_MS }: Thresholds): number {
  return stuckPagedAfterMs;
}

/** From the mint until it is paged that its key is not promoted. */
export function unpromotedPagedAfter({
  gracePeriodMs,
  unpromotedPagedAfterMs = HOUR_MS,
}: Thresholds): number {
  const leavingEnough = gracePeriodMs - LEAST_HOURS_LEFT * HOUR_MS;
  return Math.max(AUDIT_INTERVAL_MS, Math.min(unpromotedPagedAfterMs, leavingEnough));
}
