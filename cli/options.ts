import { InvalidArgumentError, Option } from "commander";
import type { ControlPlaneAuth } from "../core/contract";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "../core/time";

/** A timer that is to wait for longer than about 24 days rings at once. */
export const MOST_SECONDS = DAY_MS / SECOND_MS;
/** The end of a grace period has to be a date. */
export const MOST_HOURS = (365 * DAY_MS) / HOUR_MS;

/** Options that several commands have, and what commander makes of them. */
export interface RegionOption {
  readonly region?: string;
}
export interface EnvironmentOption {
  readonly environment?: string;
}
export interface YesOption {
  readonly yes: boolean;
}
export interface WaitOption {
  /** Seconds. */
  readonly wait: number;
}
export interface AuthOption {
  readonly auth: ControlPlaneAuth;
}

export const region = new Option("--region <region>", "AWS region (default: the AWS configuration's)");
export const json = new Option("--json", "print JSON");
export const environment = new Option("--environment <name>", "only this environment");
export const yes = new Option("--yes", "agree to everything that would be asked").default(false);
export const wait = new Option("--wait <seconds>", "how long to wait for the new key")
  .argParser(amount(1, MOST_SECONDS))
  .default(300);
export const auth = new Option("--auth <dialect>", "how the operator's API key is sent to the Control Plane")
  .choices(["api-key", "bearer"] satisfies ControlPlaneAuth[])
  .default("api-key");

/** Reads a number of an option. Throws an `InvalidArgumentError` that names the range. */
export function amount(least: number, most: number) {
  return (text: string): number => {
    const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
  };
}

const UNITS = { m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

/** Reads a span of time such as `90m`, `36h` or `5d`, in milliseconds. Throws an `InvalidArgumentError` that says so. */
export function spanOfTime(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([mhd])$/.exec(text.trim()) ?? [];
  const ms = Number(number) * UNITS[unit as keyof typeof UNITS];
  if (ms > 0 && ms <= MOST_HOURS * HOUR_MS) return ms;
  throw new InvalidArgumentError("It must be a time up to 365d, such as 90m, 12h or 5d.");
}
