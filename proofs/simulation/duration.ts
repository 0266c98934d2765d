import { DAY, HOUR, MINUTE, SECOND } from "../../local/clock";

/** In the unit that a person would use. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 2 * MINUTE) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < 2 * HOUR) return `${(ms / MINUTE).toFixed(1)} min`;
  if (ms < 4 * DAY) return `${(ms / HOUR).toFixed(2)} h`;
  return `${(ms / DAY).toFixed(1)} d`;
}
