import type { Clock } from "../core/clock";

export { DAY_MS as DAY, HOUR_MS as HOUR, MINUTE_MS as MINUTE, SECOND_MS as SECOND } from "../core/time";

/** A clock that the local services share and that moves on demand. */
export interface AdjustableClock extends Clock {
  /** Moves it by a length that `checkMove` lets pass. */
  advanceBy(milliseconds: number): void;
}

/** Dates later than this have five digits for a year, which nobody reads. */
const LAST_MOMENT = Date.UTC(9999, 11, 31);

/** Throws a `RangeError` unless the clock can be moved so: forward, since time never runs back, and to a date. */
export function checkMove(clock: Clock, milliseconds: unknown): asserts milliseconds is number {
  const isLength = typeof milliseconds === "number" && milliseconds >= 0;
  if (isLength && clock.now() + milliseconds <= LAST_MOMENT) return;
  throw new RangeError(
    "`advanceMs` must be a number of milliseconds, 0 or more, and lead to a date before the year 10000, " +
      `got: ${JSON.stringify(milliseconds)}`,
  );
}

/** The machine's clock, moved forward by whoever plays a story; the local services share one. */
export class SettableClock implements AdjustableClock {
  private offset = 0;

  now(): number {
    return Date.now() + this.offset;
  }

  advanceBy(milliseconds: number): void {
    checkMove(this, milliseconds);
    this.offset += milliseconds;
  }
}

/** Stands still until it is moved, and can be set back too: for tests. */
export class FrozenClock implements AdjustableClock {
  constructor(private time: number = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.time;
  }

  advanceBy(milliseconds: number): void {
    this.time += milliseconds;
  }
}
