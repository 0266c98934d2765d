import type { Clock } from "../core/clock";

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A clock that the local services share and that moves on demand. */
export interface AdjustableClock extends Clock {
  advanceBy(milliseconds: number): void;
}

/** The machine's clock, moved forward by whoever plays a story; the local services share one. */
export class SettableClock implements AdjustableClock {
  private offset = 0;

  now(): number {
    return Date.now() + this.offset;
  }

  /** Moves the clock forward. Throws a `RangeError` on a negative number: the services' time never runs backwards. */
  advanceBy(milliseconds: number): void {
    if (!(milliseconds >= 0)) throw new RangeError(`the clock only moves forward, got ${milliseconds} ms`);
    this.offset += milliseconds;
  }
}

/** Stands still until it is moved: for tests. */
export class FrozenClock implements AdjustableClock {
  constructor(private time: number = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.time;
  }

  advanceBy(milliseconds: number): void {
    this.time += milliseconds;
  }
}
