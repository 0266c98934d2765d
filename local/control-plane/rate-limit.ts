import type { Clock } from "../../core/clock";
import { MINUTE, SECOND } from "../clock";

/** Where a caller stands in the running minute. */
export interface RateLimitStanding {
  readonly allowed: boolean;
  readonly limit: number;
  readonly remaining: number;
  /** Seconds since the epoch at which the count starts anew. */
  readonly resetAt: number;
  /** Whole seconds until then, at least 1. */
  readonly retryAfter: number;
}

/** Counts requests per caller in fixed windows of a minute. */
export class RateLimit {
  private window = 0;
  private readonly used = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  count(caller: string, perMinute: number): RateLimitStanding {
    const now = this.clock.now();
    const window = Math.floor(now / MINUTE);
    if (window !== this.window) {
      this.window = window;
      this.used.clear();
    }
    const used = (this.used.get(caller) ?? 0) + 1;
    this.used.set(caller, used);
    const resetAt = (window + 1) * MINUTE;
    return {
      allowed: used <= perMinute,
      limit: perMinute,
      remaining: Math.max(0, perMinute - used),
      resetAt: resetAt / SECOND,
      retryAfter: Math.ceil((resetAt - now) / SECOND),
    };
  }
}
