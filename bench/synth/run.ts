import { writeSync } from "node:fs";
import type { FunctionBundles } from "../../constructs";

/** File descriptor on which an app of the benchmark reports to the process that started it. */
export const REPORT_FD = 3;

/** What an app has used when its synth is done. */
export interface Usage {
  readonly cpuMs: number;
  /** Largest resident set, in KiB. */
  readonly peakMemory: number;
}

/** What the benchmark asks of an app: how many agent instances, and the code of which functions. */
export function readArguments(): { size: number; bundles: FunctionBundles } {
  const [size = "", rotation = "", provisioning = "", audit = ""] = process.argv.slice(2);
  return { size: Number(size), bundles: { rotation, provisioning, audit } };
}

export function reportUsage(): void {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const usage: Usage = { cpuMs: (userCPUTime + systemCPUTime) / 1_000, peakMemory: maxRSS };
  writeSync(REPORT_FD, JSON.stringify(usage));
}
