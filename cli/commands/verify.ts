import Table from "cli-table3";
import { type ListedInstance, nameOf, openInstance, readCurrent } from "../instances";
import type { OperatorPorts } from "../ports";
import { TABLE_STYLE } from "../tables";

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
export async function verifyInstance(ports: OperatorPorts, listed: ListedInstance): Promise<Verified> {
  const instance = await openInstance(ports, listed);
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

export function verifyTable(verified: readonly Verified[]): string {
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
