import type { Log } from "../log";
import { type InstanceFacts, isPutByHand } from "./facts";
import { byUrgency, type Finding } from "./findings";
import { type AuditMemory, type Memory, NOTHING, type Remembered } from "./memory";
import { nameOf, type Run, TEXT_LENGTH } from "./run";

/** A record of DynamoDB has 400 kB. If more are found, only the number is told, and not which are new. */
export const MOST_REMEMBERED = 1_000;
const MOST_DATED = 200;

export interface Recalled {
  readonly before: Memory;
  /** Why nobody can tell what was before; absent if it can be told. */
  readonly unreadable?: string;
}

export async function recall(memory: Pick<AuditMemory, "read">): Promise<Recalled> {
  try {
    return { before: await memory.read() };
  } catch (error) {
    return { before: NOTHING, unreadable: nameOf(error) };
  }
}

/** What is found, the most urgent first, with what the last audit knew about it. What is new is logged. */
export function remember(findings: readonly Finding[], { before, now }: Run, log: Log): Remembered[] {
  const last = new Map(before.found.map((each) => [keyOf(each), each]));
  return byUrgency(findings).map((each) => {
    const known = last.get(keyOf(each));
    if (known?.severity !== each.severity) log.warn("found", { ...each });
    const isPaged = known?.pagedAt !== undefined && each.severity === "page";
    return {
      ...each,
      text: each.text.slice(0, TEXT_LENGTH),
      since: known?.since ?? now,
      ...(isPaged ? { pagedAt: known.pagedAt } : {}),
    };
  });
}

/** The dates in the values of keys that were put by hand: nothing but a look at the value tells them. */
export function issuedByHand(facts: readonly InstanceFacts[]): Memory["issued"] {
  const dated = facts.filter(isPutByHand).flatMap(({ secretArn, currentVersionId, deep, issuedAt }) => {
    const at = deep ? deep.key?.issuedAt : issuedAt;
    if (currentVersionId === undefined || at === undefined) return [];
    return [[secretArn, { versionId: currentVersionId, at }] as const];
  });
  return Object.fromEntries(dated.slice(0, MOST_DATED));
}

/** What makes a finding of one audit the same as that of another. */
export function keyOf({ name, instance }: Finding): string {
  return `${name} ${instance}`;
}

/** Leaves to the next audit what it needs. If that can't be written, the log says so. */
export async function writeDown(
  { memory, log }: { readonly memory: Pick<AuditMemory, "write">; readonly log: Log },
  left: Memory,
): Promise<void> {
  try {
    const found = left.found.slice(0, MOST_REMEMBERED);
    await memory.write({ ...left, found, untold: left.untold.slice(0, MOST_REMEMBERED - found.length) });
  } catch (error) {
    log.error("the audit could not be written down", { reason: nameOf(error) });
  }
}
