/** A moment in JSON; `null` if there is none. */
export function iso(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
