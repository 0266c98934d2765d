/** Milliseconds since the epoch. Time is a dependency: nothing outside this file asks the machine for it. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** A moment as texts and logs give it, such as `2026-01-31T09:05:00.000Z`. */
export function iso(time: number): string {
  return new Date(time).toISOString();
}
