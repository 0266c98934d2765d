import type { Command } from "commander";
import type { JournalEntries } from "../../core/audit/journal";
import type { IntentRecord } from "../../core/intent-table/stored-intent";
import { moment, span } from "../../core/time";
import type { CommandLine } from "../answer";
import { lookAtEach, type Seen, unseenLines } from "../instances/each";
import { askedBecause, oldKeyLife, outcomeOf } from "../instances/history";
import { chosenInstances, nameOf } from "../instances/instance";
import { iso } from "../json";
import { type EnvironmentOption, environment, json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { table } from "../tables";
import type { Terminal } from "../terminal";

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
  readonly records: readonly IntentRecord[];
  readonly journal: JournalEntries;
}

async function history(ports: OperatorPorts, name: string | undefined, options: EnvironmentOption) {
  const seen = await lookAtEach(
    ports,
    await chosenInstances(ports, name, options.environment),
    async () => {},
    async (instance): Promise<History> => ({
      records: await instance.history.ofSecret(instance.secretArn),
      journal: await instance.journal.ofSecret(instance.secretArn),
    }),
  );
  const unseen = unseenLines(seen);
  return {
    text: [historyTable(ports.terminal, seen), ...unseen].join("\n"),
    json: seen.map(historyJson),
    exit: unseen.length === 0 ? ("done" as const) : ("findings" as const),
  };
}

/** One table for all, newest last. */
function historyTable(terminal: Terminal, seen: readonly Seen<History>[]): string {
  const rows: string[][] = [];
  for (const { listed, value } of seen) {
    if (!value) continue;
    const { records, journal } = value;
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
    for (const { at, cells } of inOrder) rows.push([nameOf(listed), moment(at), ...cells]);
  }
  if (rows.length === 0) return "No rotation is on record.";
  const head = ["instance", "begun", "outcome", "key", "replaced", "took", "grace left", "old key then"];
  return table(terminal, head, rows);
}

function historyJson({ listed, value, unseen }: Seen<History>): object {
  if (!value) return { instance: nameOf(listed), unseen };
  const { records, journal } = value;
  return {
    instance: nameOf(listed),
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
