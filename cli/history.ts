import Table from "cli-table3";
import type { IntentRecord } from "../lambda/audit/intent-reader";
import { type ListedInstance, nameOf } from "./instances";
import { TABLE_STYLE } from "./tables";
import { iso, moment, span } from "./times";

/** What a record says happened, for a person. */
export function outcomeOf(record: IntentRecord): string {
  const { outcome, mint, baseVersionId, attemptEndsAt } = record;
  if (outcome === "paused") return `paused until ${moment(attemptEndsAt)}`;
  if (outcome === "ordered") return "rotation ordered";
  const again = mint > 1 ? ` (mint ${mint})` : "";
  if (outcome === "promoted") return `${baseVersionId === "none" ? "first key" : "promoted"}${again}`;
  return `${outcome}${again}`;
}

/** One table for all, newest last. */
export function historyTable(
  histories: readonly { readonly instance: ListedInstance; readonly records: readonly IntentRecord[] }[],
): string {
  const table = new Table({
    head: ["instance", "begun", "outcome", "key", "replaced", "took", "grace left", "old key then"],
    ...TABLE_STYLE,
  });
  for (const { instance, records } of histories) {
    for (const record of records) {
      const { takenAt, settledAt, graceLeftMs, previousKeyHonoured: honoured } = record;
      table.push([
        nameOf(instance),
        moment(takenAt),
        outcomeOf(record),
        record.fingerprint ?? "",
        record.previousFingerprint ?? "",
        settledAt === undefined ? "" : span(settledAt - takenAt),
        graceLeftMs === undefined ? "" : span(Math.max(0, graceLeftMs)),
        honoured === undefined ? "" : honoured ? "accepted" : "refused",
      ]);
    }
  }
  return table.length === 0 ? "No rotation is on record." : table.toString();
}

export function historyJson(instance: ListedInstance, records: readonly IntentRecord[]): object {
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
  };
}
