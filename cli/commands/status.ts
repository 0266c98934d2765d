import type { Command } from "commander";
import { span } from "../../core/time";
import type { CommandLine } from "../answer";
import { type Audited, auditInstances } from "../instances/audited";
import { unseenLines } from "../instances/each";
import { listSome, nameOf } from "../instances/instance";
import { exitOf, type InstanceStatus, nextRotation, statusJson, statusOf, yesNo } from "../instances/status";
import { type EnvironmentOption, environment, json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { coloured, table } from "../tables";
import type { Terminal } from "../terminal";

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
    text: [statusTable(ports.terminal, audited), ...findingLines(audited), ...unseenLines(audited)].join(
      "\n",
    ),
    json: audited.map(statusJson),
    exit: exitOf(audited),
  };
}

function statusTable(terminal: Terminal, audited: readonly Audited[]): string {
  return table(
    terminal,
    ["instance", "key", "age", "next rotation", "pending", "grace left", "accepted", "finding"],
    audited
      .map(statusOf)
      .map((status) => [
        status.name,
        status.fingerprint ?? (status.unseen === undefined ? "none" : ""),
        status.ageMs === undefined ? "" : span(status.ageMs),
        nextRotation(status),
        status.pendingMs === undefined ? "" : span(status.pendingMs),
        status.graceLeftMs === undefined ? "" : span(status.graceLeftMs),
        status.accepted === false ? coloured(terminal, "red", "no") : yesNo(status.accepted),
        findingNames(terminal, status),
      ]),
  );
}

function findingNames(terminal: Terminal, { findings, unseen }: InstanceStatus): string {
  const names = findings.map(({ name, severity }) =>
    coloured(terminal, severity === "note" ? "yellow" : "red", name),
  );
  return [...names, ...(unseen === undefined ? [] : [coloured(terminal, "red", "unseen")])].join("\n");
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
