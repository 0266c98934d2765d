import Table from "cli-table3";
import type { Command } from "commander";
import { span } from "../../core/time";
import type { CommandLine } from "../answer";
import { type Audited, auditInstances } from "../instances/audited";
import { listSome, nameOf } from "../instances/instance";
import { exitOf, nextRotation, statusJson, statusOf, yesNo } from "../instances/status";
import { type EnvironmentOption, environment, json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { TABLE_STYLE } from "../tables";

export function registerStatus(program: Command, line: CommandLine): void {
  program
    .command("status")
    .description("every instance: key, age, next rotation, pending, grace left, whether accepted, finding")
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(line.answering(status));
}

async function status(ports: OperatorPorts, options: EnvironmentOption) {
  const audited = await auditInstances(ports, await listSome(ports, options.environment));
  return {
    text: [statusTable(audited), ...findingLines(audited)].join("\n"),
    json: audited.map(statusJson),
    exit: exitOf(audited),
  };
}

function statusTable(audited: readonly Audited[]): string {
  const table = new Table({
    head: ["instance", "key", "age", "next rotation", "pending", "grace left", "accepted", "finding"],
    ...TABLE_STYLE,
  });
  for (const status of audited.map(statusOf)) {
    table.push([
      status.name,
      status.fingerprint ?? "none",
      status.ageMs === undefined ? "" : span(status.ageMs),
      nextRotation(status),
      status.pendingMs === undefined ? "" : span(status.pendingMs),
      status.graceLeftMs === undefined ? "" : span(status.graceLeftMs),
      yesNo(status.accepted),
      status.findings.map(({ name }) => name).join("\n"),
    ]);
  }
  return table.toString();
}

/** What the findings of a table say, one a line. */
function findingLines(audited: readonly Audited[]): string[] {
  return audited.flatMap(({ listed, findings }) =>
    findings.map(({ name, text, hoursLeft }) => {
      const left = hoursLeft === undefined ? "" : ` (${hoursLeft} h left)`;
      return `${nameOf(listed)}: ${name}: ${text}${left}; docs/operations.md#${name}`;
    }),
  );
}
