import type { Command } from "commander";
import { graceEndsAt, type InstanceFacts } from "../../core/audit/facts";
import { moment, span } from "../../core/time";
import type { CommandLine } from "../answer";
import { type Audited, auditInstances } from "../instances/audited";
import { findInstance } from "../instances/instance";
import { exitOf, lastRead, nextRotation, statusJson, statusOf, yesNo } from "../instances/status";
import { json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { factsTable } from "../tables";
import type { Terminal } from "../terminal";

export function registerShow(program: Command, line: CommandLine): void {
  program
    .command("show")
    .description("everything about one instance, without its key")
    .argument("<instance>")
    .addOption(json)
    .addOption(region)
    .action(line.answering(show));
}

async function show(ports: OperatorPorts, name: string) {
  const [audited] = (await auditInstances(ports, [await findInstance(ports, name)])) as [Audited];
  return {
    text: showText(ports.terminal, audited),
    json: { ...statusJson(audited), facts: audited.facts },
    exit: exitOf([audited]),
  };
}

/** Everything of one instance. */
function showText(terminal: Terminal, audited: Audited): string {
  const { facts, listed } = audited;
  const status = statusOf(audited);
  const { deep } = facts;
  const labels = Object.entries(facts.versionStages)
    .map(([versionId, stages]) => `${versionId}  ${stages.join(", ")}`)
    .join("\n");
  const rows: [string, string | undefined][] = [
    ["instance", status.name],
    ["at the Control Plane", atControlPlane(facts)],
    ["secret", facts.secretName],
    ["versions", labels],
    ["key (fingerprint)", status.fingerprint],
    [
      "issued",
      status.issuedAt === undefined
        ? undefined
        : `${moment(status.issuedAt)}, ${span(status.ageMs ?? 0)} ago`,
    ],
    ["accepted", yesNo(status.accepted)],
    ["key before", previousKey(audited)],
    ["next rotation", nextRotation(status)],
    ["pending since", facts.pendingSince === undefined ? undefined : moment(facts.pendingSince)],
    ["read", lastRead(facts)],
    ["rotation function", listed.rotation.functionArn],
    ["finding", status.findings.map(({ name, text }) => `${name}: ${text}`).join("\n")],
  ];
  if (deep?.value !== undefined && deep.value !== "readable") rows.push(["value", deep.value]);
  return factsTable(
    terminal,
    rows.filter((row): row is [string, string] => Boolean(row[1])),
  );
}

function atControlPlane({ deep }: InstanceFacts): string | undefined {
  if (!deep?.key) return undefined;
  const { instance } = deep;
  if (!instance) return `${deep.key.agentInstanceId}, which is not there`;
  return `${deep.key.agentInstanceId}, ${instance.name}, ${instance.isActive ? "active" : "inactive"}`;
}

function previousKey({ facts, now }: Audited): string | undefined {
  const { deep } = facts;
  const end = graceEndsAt(facts);
  if (!deep?.previousKey || end === undefined) return undefined;
  const { fingerprint, accepted } = deep.previousKey;
  const when =
    end > now ? `promised until ${moment(end)}, for ${span(end - now)}` : `ended at ${moment(end)}`;
  return `${fingerprint}, ${accepted ? "accepted" : "refused"}, ${when}`;
}
