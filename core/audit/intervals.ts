import { createHash } from "node:crypto";
import { AUDIT_INTERVAL_MINUTES } from "../contract";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../time";

/** How often the auditor looks and acts. `docs/rotation-protocol.md` promises by these numbers, and the explorer's auditor keeps to them. */

/** From one audit to the next, and from one ask for an unfinished rotation to the next. */
export const AUDIT_INTERVAL_MS = AUDIT_INTERVAL_MINUTES * MINUTE_MS;
/** From one ask to the next if the Control Plane has refused to mint and the current key may live, or if a key was minted in vain. */
export const HOURLY_MS = HOUR_MS;
/** How often the Control Plane is asked about a key with which nothing is the matter. */
export const KEY_CHECK_MS = DAY_MS;

const SLOTS = KEY_CHECK_MS / AUDIT_INTERVAL_MS;
const SLOTS_IN_AN_HOUR = HOURLY_MS / AUDIT_INTERVAL_MS;
/** From 21:00 UTC on, so that most of the day's reads by others show (`use.ts`). */
const EVENING = SLOTS - 3 * SLOTS_IN_AN_HOUR;
/** From 23:45 UTC on, for the self-test, and for what is late. */
const NIGHT = SLOTS - 3;

/** How often a turn comes, from which slot on, and in how many slots. The epoch begins at midnight. */
const TURNS = {
  hourly: { every: SLOTS_IN_AN_HOUR, first: 0, slots: SLOTS_IN_AN_HOUR },
  daily: { every: SLOTS, first: 0, slots: SLOTS },
  evening: { every: SLOTS, first: EVENING, slots: NIGHT - EVENING },
};
export type Turn = keyof typeof TURNS;

/** The number of the audit that a moment belongs to, counted from the epoch. */
export function slotOf(time: number): number {
  return Math.floor(time / AUDIT_INTERVAL_MS);
}

/** The first slot that has to be looked at if `checkedThrough` was the last one done; never more than a day ago. */
export function firstSlotDue(checkedThrough: number | undefined, now: number): number {
  const slot = slotOf(now);
  if (checkedThrough === undefined || checkedThrough > slot) return slot;
  return Math.max(checkedThrough + 1, slot - SLOTS + 1);
}

/**
 * How many slots after `from` a key is due: in one of the 288 of a day, the 33 of an evening, or the 12 of an hour. The name
 * decides in which one, so that a fleet is spread evenly and nobody keeps a list.
 */
export function dueIn(name: string, turn: Turn, from: number): number {
  const { every, first, slots } = TURNS[turn];
  const own = first + (createHash("sha256").update(name).digest().readUInt32BE() % slots);
  return (((own - from) % every) + every) % every;
}

/** Whether a key's own slot lies between two slots, both included. */
export function isDue(name: string, turn: Turn, from: number, to: number): boolean {
  return dueIn(name, turn, from) <= to - from;
}

/** Whether most of a day of UTC is over, and every key's turn of the day has come or comes now. */
export function isEvening(time: number): boolean {
  return slotOf(time) % SLOTS >= EVENING;
}

/** Whether the last minutes of a day of UTC run, when every key's turn of the day is over. */
export function isNight(time: number): boolean {
  return slotOf(time) % SLOTS >= NIGHT;
}
