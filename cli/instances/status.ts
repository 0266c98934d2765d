import { graceEndsAt, type InstanceFacts, keyIssuedAt } from "../../core/audit/facts";
import type { Finding } from "../../core/audit/findings";
import { pauseOf } from "../../core/audit/unfinished";
import { moment } from "../../core/time";
import { iso } from "../json";
import type { Audited } from "./audited";
import { nameOf } from "./instance";

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
  /** Why nothing but the list could be looked at. */
  readonly unseen?: string;
}

/** Pure: the same facts give the same line. */
export function statusOf({ listed, facts, findings, now, unseen }: Audited): InstanceStatus {
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
    ...(unseen !== undefined && { unseen }),
  };
}

/** Whether a script should stop here: notes alone are no reason. */
export function exitOf(audited: readonly Pick<Audited, "findings" | "unseen">[]): "done" | "findings" {
  const isFound = audited.some(
    ({ findings, unseen }) => unseen !== undefined || findings.some(({ severity }) => severity !== "note"),
  );
  return isFound ? "findings" : "done";
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

export function nextRotation({ rotation, nextRotationAt, pausedUntil }: InstanceStatus): string {
  if (rotation === "off") return "off";
  if (rotation === "paused") return `paused until ${moment(pausedUntil ?? 0)}`;
  return nextRotationAt === undefined ? "" : moment(nextRotationAt).slice(0, 10);
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

export function yesNo(answer: boolean | undefined): string {
  return answer === undefined ? "" : answer ? "yes" : "no";
}
