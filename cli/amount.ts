import { InvalidArgumentError } from "commander";

/** A timer that is to wait for longer than about 24 days rings at once, and the end of a grace period has to be a date. */
export const MOST_SECONDS = 86_400;
export const MOST_HOURS = 8_760;

/** Reads a number of an option. Throws an `InvalidArgumentError` that names the range. */
export function amount(least: number, most: number) {
  return (text: string): number => {
    const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
  };
}
