import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { UsageError } from "../../core/command-line";
import type { CommandLine } from "../answer";
import { auditInstances } from "../instances/audited";
import { unseenLines } from "../instances/each";
import { listSome } from "../instances/instance";
import { type EnvironmentOption, environment, json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { reportPage } from "../report/page";

export function registerReport(program: Command, line: CommandLine): void {
  program
    .command("report")
    .description("write status and history as one HTML page that needs nothing else")
    .requiredOption("--out <file>", "where to, such as agent-keys.html; - is standard output")
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(line.answering(report));
}

async function report(
  ports: OperatorPorts,
  options: EnvironmentOption & { readonly out: string; readonly json?: boolean },
) {
  const isPrinted = options.out === "-";
  if (isPrinted && options.json)
    throw new UsageError("--out -, --json: choose one; both go to standard output");
  const audited = await auditInstances(ports, await listSome(ports, options.environment));
  const page = reportPage(audited, Math.max(...audited.map(({ now }) => now)));
  if (!isPrinted) await writeFile(options.out, page);
  for (const line of unseenLines(audited)) ports.terminal.tell(line);
  return {
    text: isPrinted ? page.trimEnd() : `${options.out}: ${audited.length} instances`,
    json: { file: options.out, instances: audited.length },
    exit: audited.some(({ unseen }) => unseen !== undefined) ? ("findings" as const) : ("done" as const),
  };
}
