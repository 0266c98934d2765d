/** Spans of time in milliseconds, and how people are told of times. */
export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** A moment as logs and findings give it, such as `2026-01-31T09:05:00.000Z`. */
export function iso(time: number): string {
  return new Date(time).toISOString();
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
  if (ms < HOUR_MS) return two(ms, MINUTE_MS, "min", SECOND_MS, "s");
  if (ms < DAY_MS) return two(ms, HOUR_MS, "h", MINUTE_MS, "min");
  return two(ms, DAY_MS, "d", HOUR_MS, "h");
}

function two(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest === 0 ? "" : ` ${rest} ${smallName}`}`;
}
