import { writeSync } from "node:fs";

/** File descriptor on which an app of the benchmark reports to the process that started it. */
export const REPORT_FD = 3;

/** What an app has used when its synth is done. */
export interface Usage {
  readonly cpuMs: number;
  /** Largest resident set, in KiB. */
  readonly peakMemory: number;
}

/** What the benchmark asks of an app: how many agent instances, and the folder that holds the function bundles. */
export function readArguments(): { size: number; bundles: string } {
  const [size = "", bundles = ""] = process.argv.slice(2);
  return { size: Number(size), bundles };
}

export function reportUsage(): void {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const usage: Usage = { cpuMs: (userCPUTime + systemCPUTime) / 1_000, peakMemory: maxRSS };
  writeSync(REPORT_FD, JSON.stringify(usage));
}
