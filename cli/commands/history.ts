import Table from "cli-table3";
import type { Command } from "commander";
import type { JournalEntries } from "../../core/audit/journal";
import type { IntentRecord } from "../../core/intent-table/stored-intent";
import { moment, span } from "../../core/time";
import type { CommandLine } from "../answer";
import { openEnvironment } from "../instances/environment";
import { askedBecause, oldKeyLife, outcomeOf } from "../instances/history";
import { chosenInstances, type ListedInstance, nameOf } from "../instances/instance";
import { iso } from "../json";
import { type EnvironmentOption, environment, json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { TABLE_STYLE } from "../tables";

export function registerHistory(program: Command, line: CommandLine): void {
  program
    .command("history")
    .description("what became of each rotation and old key, and what the auditor asked for, for 400 days")
    .argument("[instance]")
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(line.answering(history));
}

/** What became of one instance's keys: the records of its rotations, and what the auditor did and saw. */
interface History {
  readonly instance: ListedInstance;
  readonly records: readonly IntentRecord[];
  readonly journal: JournalEntries;
}

async function history(ports: OperatorPorts, name: string | undefined, options: EnvironmentOption) {
  const histories: History[] = [];
  for (const instance of await chosenInstances(ports, name, options.environment)) {
    const access = await openEnvironment(ports, instance);
    const records = await access.history.ofSecret(instance.secretArn);
    histories.push({ instance, records, journal: await access.journal.ofSecret(instance.secretArn) });
  }
  return { text: historyTable(histories), json: histories.map(historyJson) };
}

/** One table for all, newest last. */
function historyTable(histories: readonly History[]): string {
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

function historyJson({ instance, records, journal }: History): object {
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
