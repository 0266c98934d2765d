import { writeSync } from "node:fs";
import type { FunctionBundles } from "../../constructs";

/** File descriptor on which an app of the benchmark reports to the process that started it. */
export const REPORT_FD = 3;

/** What the benchmark asks of an app. */
export interface Task {
  /** How many agent instances, or the template: one, with a placeholder for its number. */
  readonly size: number | "template";
  readonly bundles: FunctionBundles;
  /** File with the template, as our constructs have synthesised it. The bare app repeats it. */
  readonly templateFile: string;
}

/** What an app has used when its synth is done. */
export interface Usage {
  readonly cpuMs: number;
  /** Largest resident set, in KiB. */
  readonly peakMemory: number;
}

export function readTask(): Task {
  return JSON.parse(process.argv[2] ?? "");
}

export function reportUsage(): void {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const usage: Usage = { cpuMs: (userCPUTime + systemCPUTime) / 1_000, peakMemory: maxRSS };
  writeSync(REPORT_FD, JSON.stringify(usage));
}
