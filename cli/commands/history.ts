import Table from "cli-table3";
import type { AskedRotation, JournalEntries } from "../../core/audit/journal";
import type { IntentRecord } from "../../core/intent-table/intent-reader";
import { type ListedInstance, nameOf } from "../instances";
import { TABLE_STYLE } from "../tables";
import { HOUR, iso, moment, span } from "../times";

/** What became of one instance's keys: the records of its rotations, and what the auditor did and saw. */
export interface History {
  readonly instance: ListedInstance;
  readonly records: readonly IntentRecord[];
  readonly journal: JournalEntries;
}

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
  const hours = (at: number) => `${((at - graceFrom) / HOUR).toFixed(1)} h`;
  const { lastAcceptedAt, firstRefusedAt, promisedUntil } = life;
  const seen = [
    ...(lastAcceptedAt === undefined ? [] : [`accepted until ${hours(lastAcceptedAt)}`]),
    ...(firstRefusedAt === undefined ? [] : [`refused from ${hours(firstRefusedAt)}`]),
  ];
  return [...seen.slice(0, -1), `${seen.at(-1)} of ${hours(promisedUntil).replace(".0", "")} promised`];
}

/** One table for all, newest last. */
export function historyTable(histories: readonly History[]): string {
  const table = new Table({
    head: ["instance", "begun", "outcome", "key", "replaced", "took", "grace left", "old key then"],
    ...TABLE_STYLE,
  });
  for (const { instance, records, journal } of histories) {
    const ofRecords = records.map((record) => {
      const { takenAt, settledAt, graceLeftMs } = record;
      const cells = [
        outcomeOf(record),
        record.fingerprint ?? "",
        record.previousFingerprint ?? "",
        settledAt === undefined ? "" : span(settledAt - takenAt),
        graceLeftMs === undefined ? "" : span(Math.max(0, graceLeftMs)),
        oldKeyLife(record, journal).join("\n"),
      ];
      return { at: takenAt, cells };
    });
    const ofAuditor = journal.asked.map((act) => {
      const { 0: at = 0, length, [length - 1]: last = at } = act.askedAt;
      const took = length > 1 ? span(last - at) : "";
      return { at, cells: [askedBecause(act).join("\n"), "", "", took, "", ""] };
    });
    const inOrder = [...ofRecords, ...ofAuditor].sort((a, b) => a.at - b.at);
    for (const { at, cells } of inOrder) table.push([nameOf(instance), moment(at), ...cells]);
  }
  return table.length === 0 ? "No rotation is on record." : table.toString();
}

export function historyJson({ instance, records, journal }: History): object {
  return {
    instance: nameOf(instance),
    records: records.map(
      ({ takenAt, graceFrom, settledAt, attemptEndsAt, previousKeyExpiresAt, ...record }) => ({
        ...record,
        graceFrom: iso(graceFrom),
        takenAt: iso(takenAt),
        attemptEndsAt: iso(attemptEndsAt),
        settledAt: iso(settledAt),
        previousKeyExpiresAt: iso(previousKeyExpiresAt),
      }),
    ),
    asked: journal.asked.map(({ askedAt, ...act }) => ({ ...act, askedAt: askedAt.map(iso) })),
    previousKeys: journal.previousKeys.map(({ promisedUntil, lastAcceptedAt, firstRefusedAt, ...key }) => ({
      ...key,
      promisedUntil: iso(promisedUntil),
      lastAcceptedAt: iso(lastAcceptedAt),
      firstRefusedAt: iso(firstRefusedAt),
    })),
  };
}
