/** Milliseconds since the epoch. Time is a dependency: nothing outside this file asks the machine for it. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Where a `Stopwatch` begins to measure. */
export interface Mark {
  readonly time: number;
  readonly steady: number;
}

/** Measures lengths. The clock may be set back by hours; that neither ends nor prolongs a wait here. */
export interface Stopwatch {
  mark(): Mark;
  /** Milliseconds since the mark, 0 or more. */
  since(mark: Mark): number;
}

/**
 * Of two answers, the longer one counts: that of a counter which is never set, and that of the clock. The counter stands still
 * in a machine that sleeps and in a function that is frozen between two invocations; the clock tells of that time.
 *
 * @param steady milliseconds since some moment; never goes back
 */
export function stopwatch(clock: Clock, steady: () => number = () => performance.now()): Stopwatch {
  return {
    mark: () => ({ time: clock.now(), steady: steady() }),
    since: ({ time, steady: begun }) => Math.max(0, clock.now() - time, steady() - begun),
  };
}
