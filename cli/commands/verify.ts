import Table from "cli-table3";
import type { Command } from "commander";
import type { CommandLine } from "../answer";
import { openEnvironment } from "../instances/environment";
import { chosenInstances, type ListedInstance, nameOf } from "../instances/instance";
import { readCurrent } from "../instances/keys";
import { type EnvironmentOption, environment, json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { TABLE_STYLE } from "../tables";

export function registerVerify(program: Command, line: CommandLine): void {
  program
    .command("verify")
    .description("ask the Control Plane now: format, existence and status of the current key")
    .argument("[instance]")
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(line.answering(verify));
}

async function verify(ports: OperatorPorts, name: string | undefined, options: EnvironmentOption) {
  const verified: Verified[] = [];
  for (const instance of await chosenInstances(ports, name, options.environment)) {
    verified.push(await verifyInstance(ports, instance));
  }
  return {
    text: verifyTable(verified),
    json: verified.map((one) => ({ ...one, isValid: isValid(one) })),
    exit: verified.every(isValid) ? ("done" as const) : ("findings" as const),
  };
}

/** Valmi's three checks of a key. */
export interface Verified {
  readonly name: string;
  readonly fingerprint: string;
  /** Whether it has the shape that Valmi documents. Only told: a key of another shape may be accepted all the same. */
  readonly hasKnownFormat: boolean;
  /** Whether the Control Plane knows it, and for this instance. */
  readonly existence: "this instance's" | "another instance's" | "refused";
  readonly status: "active" | "inactive" | "no such instance";
}

/** Asks the Control Plane now. Throws where the value can't be read or the Control Plane doesn't answer. */
async function verifyInstance(ports: OperatorPorts, listed: ListedInstance): Promise<Verified> {
  const instance = { ...listed, ...(await openEnvironment(ports, listed)) };
  const { agentKey, agentInstanceId } = await readCurrent(instance);
  const controlPlane = await instance.connect();
  const check = await controlPlane.checkAgentKey(agentKey);
  const known = await controlPlane.getInstance(agentInstanceId);
  const isOwn = check.accepted && check.agentInstanceId === agentInstanceId;
  return {
    name: nameOf(listed),
    fingerprint: agentKey.fingerprint,
    hasKnownFormat: agentKey.hasKnownFormat,
    existence: isOwn ? "this instance's" : check.accepted ? "another instance's" : "refused",
    status: known ? (known.isActive ? "active" : "inactive") : "no such instance",
  };
}

export function isValid({ existence, status }: Verified): boolean {
  return existence === "this instance's" && status === "active";
}

function verifyTable(verified: readonly Verified[]): string {
  const table = new Table({
    head: ["instance", "key", "1 format", "2 existence", "3 status", "valid"],
    ...TABLE_STYLE,
  });
  for (const one of verified) {
    const { name, fingerprint, hasKnownFormat, existence, status } = one;
    const format = hasKnownFormat ? "as documented" : "another one";
    table.push([name, fingerprint, format, existence, status, isValid(one) ? "yes" : "NO"]);
  }
  return table.toString();
}
