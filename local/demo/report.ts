import Table from "cli-table3";
import { type Calls, type KeyHistory, type ServiceCalls, type StoryFigures, total } from "./figures";

const STYLE = { style: { head: [], border: [] } };

export function instanceTable(
  rows: readonly { id: string; agentInstanceId: string; secretName: string; fingerprint: string }[],
): string {
  const table = new Table({
    head: ["instance", "Control Plane id", "secret", "key (fingerprint)"],
    ...STYLE,
  });
  for (const { id, agentInstanceId, secretName, fingerprint } of rows)
    table.push([id, agentInstanceId, secretName, fingerprint]);
  return table.toString();
}

/** Which key each instance's secret held, from left to right. */
export function keyTable(keys: KeyHistory): string {
  const moments = Object.keys(Object.values(keys)[0] ?? {});
  const table = new Table({ head: ["key under AWSCURRENT", ...moments], ...STYLE });
  for (const [id, fingerprints] of Object.entries(keys))
    table.push([id, ...moments.map((moment) => fingerprints[moment] ?? "")]);
  return table.toString();
}

export function figuresTable({ resources, calls }: Pick<StoryFigures, "resources" | "calls">): string {
  const table = new Table({
    head: ["calls of the functions for", "Secrets Manager", "DynamoDB", "Control Plane"],
    colWidths: [28, 30, 18, 48],
    wordWrap: true,
    ...STYLE,
  });
  const row = (name: string, counted: ServiceCalls | undefined) => {
    if (counted === undefined) return;
    const { secretsManager, dynamoDb, controlPlane } = counted;
    table.push([name, cell(secretsManager), dynamoDb ? cell(dynamoDb) : "not counted", cell(controlPlane)]);
  };
  row("provisioning, per instance", calls.provisioning);
  row("switching rotation on", calls.dryRun);
  row("a rotation", calls.rotation);
  return [
    `resources: ${resources.perInstance} per instance, ${resources.perEnvironment} per environment`,
    ...(table.length > 0 ? [table.toString()] : []),
  ].join("\n");
}

/** The sum, and what it is made of, such as `3: 2 GetSecretValue, 1 PutSecretValue`. */
function cell(calls: Calls): string {
  const sum = total(calls);
  const parts = Object.entries(calls).map(([name, count]) => `${rounded(count)} ${name}`);
  return sum === 0 ? "0" : `${rounded(sum)}: ${parts.join(", ")}`;
}

/** An average over instances needn't be whole: one that names its agent type by name asks once more. */
function rounded(count: number): string {
  return Number.isInteger(count) ? String(count) : count.toFixed(1);
}
