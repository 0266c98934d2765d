import { createHash } from "node:crypto";

/**
 * How often the auditor looks and acts. `docs/rotation-protocol.md` promises by these numbers, and the explorer's watchdog
 * is held to them. Milliseconds.
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** From one run of the auditor to the next, and from one request for an unfinished rotation to the next. */
export const WATCHDOG_MS = 5 * MINUTE_MS;
/** The same after the Control Plane has refused to mint, as long as the current key may live; and after a key was minted in vain. */
export const HOURLY_MS = HOUR_MS;
/** How often the Control Plane is asked about a key with which nothing is the matter. */
export const KEY_CHECK_MS = 24 * HOUR_MS;

const SLOTS = KEY_CHECK_MS / WATCHDOG_MS;
const SLOTS_IN_AN_HOUR = HOURLY_MS / WATCHDOG_MS;

/** The number of the run of the auditor that a moment belongs to, counted from the epoch. */
export function slotOf(time: number): number {
  return Math.floor(time / WATCHDOG_MS);
}

/** The first slot that the audit must make up for where `checkedThrough` was the last one done; never more than a day's. */
export function firstSlotDue(checkedThrough: number | undefined, now: number): number {
  const slot = slotOf(now);
  if (checkedThrough === undefined || checkedThrough > slot) return slot;
  return Math.max(checkedThrough + 1, slot - SLOTS + 1);
}

/**
 * How many slots after `from` a key is due: at one of the 288 of a day, or, where it is looked at every hour, at one of the 12 of
 * an hour. The name decides which, so that a fleet is spread evenly and nobody keeps a list.
 */
export function dueIn(name: string, often: "daily" | "hourly", from: number): number {
  const slots = often === "daily" ? SLOTS : SLOTS_IN_AN_HOUR;
  const own = createHash("sha256").update(name).digest().readUInt32BE() % slots;
  return (((own - from) % slots) + slots) % slots;
}

/** Whether a key's own slot lies between two, both included. */
export function isDue(name: string, often: "daily" | "hourly", from: number, to: number): boolean {
  return dueIn(name, often, from) <= to - from;
}
