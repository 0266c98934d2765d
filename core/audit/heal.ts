import type { Log } from "../log";
import type { Fleet } from "../secrets/fleet";
import { MINUTE_MS } from "../time";
import type { InstanceFacts } from "./facts";
import { type Finding, type FindingName, finding } from "./findings";
import { AUDIT_INTERVAL_MS, HOURLY_MS } from "./intervals";
import type { AuditJournal } from "./journal";
import type { Memory } from "./memory";
import type { Refusals } from "./refusals";
import { nameOf, type Run } from "./run";
import { stuckPagedAfter, type Thresholds } from "./thresholds";
import { isUnderWay, unspentIntents } from "./unfinished";

/** What is done about one instance that another rotation would heal. */
export interface Healing {
  readonly instance: string;
  readonly secretArn: string;
  /** `ask`: for a rotation, now. `wait`: one was asked for or runs, or too many others are asked for in this run. */
  readonly course: "ask" | "wait";
  readonly because: readonly FindingName[];
  /** When a rotation was last asked for, if it is not done. */
  readonly askedAt?: number;
  /** How Secrets Manager has refused it then. */
  readonly refused?: string;
}

/** In one run: each ask costs Secrets Manager two of its 50 writes a second, and the Control Plane five calls. */
const MOST_ASKS = 50;

/** What to ask for in this run. The same facts and findings at the same time give the same. */
export function decideHealing(
  facts: readonly InstanceFacts[],
  findings: readonly Finding[],
  { settings, before, now }: Run,
  /** ARNs of the secrets whose key is refused by an answer that is believed. */
  proven: ReadonlySet<string>,
): Healing[] {
  const byInstance = new Map<string, Finding[]>();
  for (const each of findings) {
    byInstance.set(each.instance, [...(byInstance.get(each.instance) ?? []), each]);
  }
  const due = (each: InstanceFacts, own: readonly Finding[]) => isAskDue(each, own, settings.thresholds, now);
  const canaries = mostCanaries(before) - refusedUnderWay(facts, before, now);
  let asks = 0;
  let asksForRefused = 0;
  return inTurn(facts).flatMap((each): Healing[] => {
    const own = byInstance.get(each.id) ?? [];
    const because = own.filter(({ heals }) => heals).map(({ name }) => name);
    if (because.length === 0) return [];
    const { id: instance, secretArn, askedAt } = each;
    const healing = { instance, secretArn, because, ...(askedAt === undefined ? {} : { askedAt }) };
    // A refusal that nothing has proven yet is looked at again, and not acted upon; a mint that was begun is brought to its end.
    const isRefusal = because.every((name) => name === "key-refused");
    const mayAsk = !isRefusal || (proven.has(secretArn) && asksForRefused < canaries);
    if (asks < MOST_ASKS && mayAsk && due(each, own)) {
      asks++;
      if (isRefusal) asksForRefused++;
      return [{ ...healing, course: "ask" }];
    }
    const refused = before.found.find((last) => last.name === "heal-refused" && last.instance === instance);
    return [{ ...healing, course: "wait", ...(refused ? { refused: refused.text } : {}) }];
  });
}

/** Whoever has waited longest first, so that nobody is passed over for ever. */
function inTurn(facts: readonly InstanceFacts[]): InstanceFacts[] {
  return [...facts].sort((a, b) => (a.askedAt ?? 0) - (b.askedAt ?? 0));
}

/**
 * How many refused keys may be healed at once. One mint shows that a mint heals; only then are there two, and twice as many with
 * each round, so that what ends every new key ends few.
 */
function mostCanaries({ healedKeys = 0 }: Memory): number {
  return healedKeys + 1;
}

/** Refused keys for which a rotation was asked for, and has not ended well yet. */
function refusedUnderWay(facts: readonly InstanceFacts[], { refusals = {} }: Memory, now: number): number {
  return facts.filter(
    ({ secretArn, askedAt = 0 }) => refusals[secretArn] !== undefined && now - askedAt < CANARY_MS,
  ).length;
}

/** How many refused keys were healed since the first was found, this run's included; `undefined` if none is refused any more. */
export function healedKeys(
  facts: readonly InstanceFacts[],
  { refusals: before = {}, healedKeys: healed = 0 }: Memory,
  refusals: Refusals,
): number | undefined {
  if (Object.keys(refusals).length === 0) return undefined;
  const now = facts.filter(({ secretArn, deep }) => before[secretArn] && deep?.key?.accepted).length;
  return healed + now;
}

/** For so long the key of one canary has to prove itself before another is minted. */
const CANARY_MS = 2 * AUDIT_INTERVAL_MS;

/** Whether the auditor asks Secrets Manager for a rotation now: once for each interval, and never beside one that runs. */
export function isAskDue(
  facts: InstanceFacts,
  findings: readonly Finding[],
  thresholds: Thresholds,
  now: number,
): boolean {
  if (!findings.some(({ heals }) => heals) || isUnderWay(facts, now)) return false;
  const isFresh = (facts.pendingSince ?? 0) > now - stuckPagedAfter(thresholds);
  const isUnfinished = unspentIntents(facts).length > 0 || (facts.pendingVersionId !== undefined && isFresh);
  const isKeyRefused = findings.some(({ name }) => name === "key-refused");
  // A run may start a little earlier or later than the one before it.
  const interval = isUnfinished || isKeyRefused ? AUDIT_INTERVAL_MS : HOURLY_MS;
  return now - (facts.askedAt ?? 0) > interval - MINUTE_MS;
}

export interface Asking {
  readonly fleet: Pick<Fleet, "rotate">;
  readonly journal: Pick<AuditJournal, "asked">;
  readonly log: Log;
}

export interface Healed {
  /** When a rotation was last asked for, by the secret's ARN. */
  readonly askedAt: Readonly<Record<string, number>>;
  /** What Secrets Manager has refused, now or last time. */
  readonly refused: readonly Finding[];
}

/** Asks Secrets Manager, which has the rotation function decide: one writer, one decision. */
export async function heal(deps: Asking, healings: readonly Healing[], run: Run): Promise<Healed> {
  const askedAt: Record<string, number> = {};
  const refused: Finding[] = [];
  for (const healing of healings) {
    const { instance, secretArn, because, course } = healing;
    if (healing.askedAt !== undefined) askedAt[secretArn] = healing.askedAt;
    if (healing.refused !== undefined) refused.push(finding("heal-refused", instance, healing.refused));
    if (course === "wait") continue;
    if (!run.settings.heals) {
      deps.log.info("would ask for a rotation", { instance, secret: secretArn, because });
      continue;
    }
    const { answer, isRefusal } = await ask(deps, healing);
    if (isRefusal) refused.push(finding("heal-refused", instance, answer));
    await deps.journal.asked(secretArn, { at: run.now, because, answer });
    askedAt[secretArn] = run.now;
  }
  return { askedAt, refused };
}

async function ask(
  { fleet, log }: Asking,
  { instance, secretArn, because }: Healing,
): Promise<{ readonly answer: string; readonly isRefusal: boolean }> {
  try {
    const answer = await fleet.rotate(secretArn);
    log.info("asked for a rotation", { instance, secret: secretArn, because, answer });
    return { answer, isRefusal: false };
  } catch (error) {
    const answer = nameOf(error);
    log.error("Secrets Manager refuses the rotation", { instance, because, reason: answer });
    return { answer, isRefusal: true };
  }
}
