import type { AskedRotation, JournalEntries } from "../../core/audit/journal";
import type { IntentRecord } from "../../core/intent-table/stored-intent";
import { HOUR_MS, moment } from "../../core/time";

/** What a record says happened, for a person. */
export function outcomeOf(record: IntentRecord): string {
  const { outcome, mint, baseVersionId, attemptEndsAt } = record;
  if (outcome === "paused") return `paused until ${moment(attemptEndsAt)}`;
  if (outcome === "ordered") return "rotation ordered";
  const again = mint > 1 ? ` (mint ${mint})` : "";
  if (outcome === "promoted") return `${baseVersionId === "none" ? "first key" : "promoted"}${again}`;
  return `${outcome}${again}`;
}

/** A rotation that the auditor asked for, and why, for a person. */
export function askedBecause({ askedAt, because, answer }: AskedRotation): [asked: string, because: string] {
  const times = askedAt.length > 1 ? `${askedAt.length} times` : "";
  const refusal = answer === "asked" || answer === "reattempted" ? "" : `refused: ${answer}`;
  return [["auditor asked", times, refusal].filter(Boolean).join(", "), because.join(", ")];
}

/** How long the replaced key lived, from the earliest moment that its grace period may have begun; empty where nobody looked. */
export function oldKeyLife(record: IntentRecord, { previousKeys }: JournalEntries): string[] {
  const { previousFingerprint, previousKeyExpiresAt, previousKeyHonoured: honoured, graceFrom } = record;
  // A key may be replaced twice, after a roll-back; and the version may be another than the one that it was minted for.
  const life = previousKeys.find(
    (each) => each.fingerprint === previousFingerprint && each.promisedUntil === previousKeyExpiresAt,
  );
  if (!life) return honoured === undefined ? [] : [honoured ? "accepted" : "refused at once"];
  const hours = (at: number) => `${((at - graceFrom) / HOUR_MS).toFixed(1)} h`;
  const { lastAcceptedAt, firstRefusedAt, promisedUntil } = life;
  const seen = [
    ...(lastAcceptedAt === undefined ? [] : [`accepted until ${hours(lastAcceptedAt)}`]),
    ...(firstRefusedAt === undefined ? [] : [`refused from ${hours(firstRefusedAt)}`]),
  ];
  return [...seen.slice(0, -1), `${seen.at(-1)} of ${hours(promisedUntil).replace(".0", "")} promised`];
}
