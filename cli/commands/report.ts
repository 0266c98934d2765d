import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import type { CommandLine } from "../answer";
import { auditInstances } from "../instances/audited";
import { listSome } from "../instances/instance";
import { type EnvironmentOption, environment, json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { reportPage } from "../report/page";

export function registerReport(program: Command, line: CommandLine): void {
  program
    .command("report")
    .description("write status and history as one HTML page that needs nothing else")
    .requiredOption("--out <file>", "where to, such as agent-keys.html")
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(line.answering(report));
}

async function report(ports: OperatorPorts, options: EnvironmentOption & { readonly out: string }) {
  const audited = await auditInstances(ports, await listSome(ports, options.environment));
  const madeAt = Math.max(...audited.map(({ now }) => now));
  await writeFile(options.out, reportPage(audited, madeAt));
  return {
    text: `${options.out}: ${audited.length} instances`,
    json: { file: options.out, instances: audited.length },
  };
}
