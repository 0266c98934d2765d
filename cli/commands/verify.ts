import type { Command } from "commander";
import type { ControlPlane } from "../../core/control-plane/client";
import type { CommandLine } from "../answer";
import { lookAtEach, unseenLines } from "../instances/each";
import type { Instance } from "../instances/environment";
import { chosenInstances, nameOf } from "../instances/instance";
import { readCurrent } from "../instances/keys";
import { type EnvironmentOption, environment, json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { coloured, table } from "../tables";
import type { Terminal } from "../terminal";

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
  const seen = await lookAtEach(
    ports,
    await chosenInstances(ports, name, options.environment),
    (_, access) => access.connect(),
    verifyInstance,
  );
  const verified = seen.flatMap(({ value }) => value ?? []);
  const isAllValid = verified.length === seen.length && verified.every(isValid);
  return {
    text: [verifyTable(ports.terminal, verified), ...unseenLines(seen)].join("\n"),
    json: seen.map(({ listed, value, unseen }) =>
      value ? { ...value, isValid: isValid(value) } : { name: nameOf(listed), unseen },
    ),
    exit: isAllValid ? ("done" as const) : ("findings" as const),
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

/** Asks the Control Plane now. Throws if the value can't be read or the Control Plane doesn't answer. */
async function verifyInstance(instance: Instance, controlPlane: ControlPlane): Promise<Verified> {
  const { agentKey, agentInstanceId } = await readCurrent(instance);
  const check = await controlPlane.checkAgentKey(agentKey);
  const known = await controlPlane.getInstance(agentInstanceId);
  const isOwn = check.accepted && check.agentInstanceId === agentInstanceId;
  return {
    name: nameOf(instance),
    fingerprint: agentKey.fingerprint,
    hasKnownFormat: agentKey.hasKnownFormat,
    existence: isOwn ? "this instance's" : check.accepted ? "another instance's" : "refused",
    status: known ? (known.isActive ? "active" : "inactive") : "no such instance",
  };
}

export function isValid({ existence, status }: Verified): boolean {
  return existence === "this instance's" && status === "active";
}

function verifyTable(terminal: Terminal, verified: readonly Verified[]): string {
  return table(
    terminal,
    ["instance", "key", "1 format", "2 existence", "3 status", "valid"],
    verified.map((one) => [
      one.name,
      one.fingerprint,
      one.hasKnownFormat ? "as documented" : "another one",
      one.existence,
      one.status,
      isValid(one) ? "yes" : coloured(terminal, "red", "NO"),
    ]),
  );
}
