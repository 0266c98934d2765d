import type { Log } from "../../../core/log";

/** A log that keeps what it is told, as lines such as `error audit failed`. */
export function logged(): Log & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const keep = (level: string) => (message: string) => void lines.push(`${level} ${message}`);
  return { lines, info: keep("info"), warn: keep("warn"), error: keep("error") };
}
