import Table from "cli-table3";
import { graceEndsAt, type InstanceFacts, keyIssuedAt } from "../../core/audit/facts";
import { type Finding, pauseOf } from "../../core/audit/findings";
import type { Audited } from "../audit";
import { nameOf } from "../instances";
import { factsTable, TABLE_STYLE } from "../tables";
import { iso, moment, span } from "../times";

/** One instance in a line. Times in milliseconds since the epoch. */
export interface InstanceStatus {
  readonly name: string;
  readonly environment: string;
  readonly id: string;
  /** At the Control Plane; absent where no readable value names it. */
  readonly agentInstanceId?: string;
  readonly fingerprint?: string;
  readonly issuedAt?: number;
  readonly ageMs?: number;
  readonly rotation: "on" | "off" | "paused";
  readonly pausedUntil?: number;
  /** The latest that Secrets Manager rotates it, not a prediction. */
  readonly nextRotationAt?: number;
  /** How long AWSPENDING has stood apart from AWSCURRENT. */
  readonly pendingMs?: number;
  /** Of the key before, while its grace period runs. */
  readonly graceLeftMs?: number;
  /** Absent where there was no key to ask about. */
  readonly accepted?: boolean;
  readonly isActive?: boolean;
  /** Since when nobody but the auditor was seen to read it; absent where somebody does. */
  readonly unusedSince?: number;
  readonly findings: readonly Finding[];
}

/** Pure: the same facts give the same line. */
export function statusOf({ listed, facts, findings, now }: Audited): InstanceStatus {
  const key = facts.deep?.key;
  const pausedUntil = pauseOf(facts, now);
  const graceEnd = graceEndsAt(facts);
  const issuedAt = facts.currentVersionId === undefined ? undefined : keyIssuedAt(facts);
  const { nextAt, enabled } = facts.rotation;
  return {
    name: nameOf(listed),
    environment: listed.environment,
    id: listed.id,
    ...(key && {
      agentInstanceId: key.agentInstanceId,
      fingerprint: key.fingerprint,
      accepted: key.accepted,
    }),
    ...(issuedAt !== undefined && { issuedAt, ageMs: Math.max(0, now - issuedAt) }),
    rotation: pausedUntil === undefined ? (enabled ? "on" : "off") : "paused",
    ...(pausedUntil !== undefined && { pausedUntil }),
    ...(nextAt !== undefined && { nextRotationAt: nextAt }),
    ...(facts.pendingSince !== undefined && { pendingMs: Math.max(0, now - facts.pendingSince) }),
    ...(graceEnd !== undefined && graceEnd > now && { graceLeftMs: graceEnd - now }),
    ...(facts.deep?.instance && { isActive: facts.deep.instance.isActive }),
    ...(facts.unused && { unusedSince: facts.unused.since }),
    findings,
  };
}

/** Whether a script should stop here: notes alone are no reason. */
export function hasFindings(audited: readonly Pick<Audited, "findings">[]): boolean {
  return audited.some(({ findings }) => findings.some(({ severity }) => severity !== "note"));
}

export function statusTable(audited: readonly Audited[]): string {
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
export function findingLines(audited: readonly Audited[]): string[] {
  return audited.flatMap(({ listed, findings }) =>
    findings.map(({ name, text, hoursLeft }) => {
      const left = hoursLeft === undefined ? "" : ` (${hoursLeft} h left)`;
      return `${nameOf(listed)}: ${name}: ${text}${left}; docs/operations.md#${name}`;
    }),
  );
}

export function nextRotation({ rotation, nextRotationAt, pausedUntil }: InstanceStatus): string {
  if (rotation === "off") return "off";
  if (rotation === "paused") return `paused until ${moment(pausedUntil ?? 0)}`;
  return nextRotationAt === undefined ? "" : moment(nextRotationAt).slice(0, 10);
}

function yesNo(answer: boolean | undefined): string {
  return answer === undefined ? "" : answer ? "yes" : "no";
}

export function statusJson(audited: Audited): object {
  const { issuedAt, nextRotationAt, pausedUntil, unusedSince, ...status } = statusOf(audited);
  return {
    ...status,
    issuedAt: iso(issuedAt),
    nextRotationAt: iso(nextRotationAt),
    pausedUntil: iso(pausedUntil),
    unusedSince: iso(unusedSince),
  };
}

/** Everything of one instance. */
export function showText(audited: Audited): string {
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
  return factsTable(rows.filter((row): row is [string, string] => Boolean(row[1])));
}

/** The date of the last read counts the auditor's own. */
export function lastRead({ lastAccessedDay, unused }: InstanceFacts): string | undefined {
  const day = (time: number) => moment(time).slice(0, 10);
  if (unused?.readAgainAt !== undefined) {
    return `on ${day(unused.readAgainAt)}, for the first time since ${day(unused.since)}`;
  }
  if (unused) return `by nobody but the auditor since ${day(unused.since)}`;
  return lastAccessedDay === undefined
    ? undefined
    : `last on ${day(lastAccessedDay)}, perhaps by the auditor`;
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
