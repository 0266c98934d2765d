/** Spans of time in milliseconds, and how people are told of times. */
export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** A moment as logs and findings give it, such as `2026-01-31T09:05:00.000Z`. */
export function iso(time: number): string {
  return new Date(time).toISOString();
}

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/**
 * A moment that a person may have written: ISO 8601 with a date, a time and a zone. `undefined` for anything else: what `Date`
 * guesses beyond that, the Python library does not.
 */
export function parseIso(text: string): number | undefined {
  const [year = 0, month = 0, day = 0] = (ISO.exec(text) ?? []).slice(1, 4).map(Number);
  // `Date` takes the 30th of February for the 2nd of March.
  const date = new Date(Date.UTC(2000 + (year % 400), month - 1, day));
  const isDay = year > 0 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return isDay ? Date.parse(text) : undefined;
}

/** A moment to the minute, such as `2026-01-31 09:05 UTC`. */
export function moment(time: number): string {
  return `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** A length in the two units that a person would use, such as `3 d 4 h`; rounded down, without a sign. */
export function span(milliseconds: number): string {
  const ms = Math.abs(milliseconds);
  if (ms > 0 && ms < SECOND_MS) return "under 1 s";
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`;
  if (ms < DAY_MS) return two(ms, HOUR_MS, "h", MINUTE_MS, "min");
  return two(ms, DAY_MS, "d", HOUR_MS, "h");
}

function two(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest === 0 ? "" : ` ${rest} ${smallName}`}`;
}
