import type { CallKind } from "./ports";

/** What may happen instead of a call's plain success. `wake` is no fault: a paused attempt goes on. */
export const FAULTS = [
  "refused",
  "failed",
  "lost",
  "repeated",
  "late-5",
  "late-59",
  "crash-before",
  "crash-after",
  "stale",
  "pause",
  "wake",
  "click",
  "outside-put",
  "deploy",
  "grace-ends",
  "rotate-again",
  "operator-pauses",
] as const;
export type Fault = (typeof FAULTS)[number];

/** Fault by the number of the call before which, or upon which, it strikes. */
export type Schedule = ReadonlyMap<number, Fault>;

export const FAULTS_OF: Record<CallKind, readonly Fault[]> = {
  "secret-read": ["refused", "stale", "crash-before", "pause"],
  "secret-write": ["refused", "lost", "late-5", "late-59", "crash-before", "crash-after", "pause"],
  "intent-read": ["refused", "crash-before", "pause"],
  "intent-write": ["refused", "lost", "repeated", "late-5", "crash-before", "crash-after", "pause"],
  "control-read": ["refused", "crash-before", "pause"],
  "control-write": ["refused", "failed", "lost", "late-5", "late-59", "crash-before", "crash-after", "pause"],
  time: [],
};
/** Done by others, at any moment. */
export const OUTSIDE: readonly Fault[] = ["click", "outside-put", "deploy", "grace-ends", "rotate-again"];
export const OUTSIDE_WITH_PAUSES: readonly Fault[] = [...OUTSIDE, "operator-pauses"];
