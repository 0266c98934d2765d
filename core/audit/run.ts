import { slotOf } from "./intervals";
import type { Memory } from "./memory";
import type { AuditSettings } from "./settings";

/** What every part of one audit goes by. Nothing of it changes while the audit runs. */
export interface Run {
  readonly settings: AuditSettings;
  /** What the last audit left; `NOTHING` if nobody can tell. */
  readonly before: Memory;
  /** By the Control Plane's clock, as everything in intents and values is; by the machine's if it doesn't answer. */
  readonly now: number;
}

/** The slot that the audit belongs to. */
export function slotOfRun({ now }: Pick<Run, "now">): number {
  return slotOf(now);
}

/** Kept back from the looks: to heal, to page and to write down how far they came. */
export const RESERVE_MS = 45_000;
/** Longer texts are cut: a record of DynamoDB has 400 kB. */
export const TEXT_LENGTH = 200;

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown";
}
