/** Milliseconds since the epoch. Time is a dependency: nothing outside this file asks the machine for it. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
