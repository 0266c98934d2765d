import type { IntentRecord } from "../intent-table/stored-intent";
import type { Log } from "../log";
import { graceEndsAt } from "../protocol/grace-period";
import { isOrder } from "../protocol/intent";
import type { Fleet } from "../secrets/fleet";
import { MINUTE_MS } from "../time";
import type { InstanceFacts } from "./facts";
import { type Finding, type FindingName, finding } from "./findings";
import { AUDIT_INTERVAL_MS, HOURLY_MS } from "./intervals";
import type { AuditJournal } from "./journal";
import { nameOf, type Run } from "./run";
import { stuckPagedAfter, type Thresholds } from "./thresholds";
import { isUnderWay, unspentIntents } from "./unfinished";

/** What is done about one instance that another rotation would heal. */
export interface Healing {
  readonly instance: string;
  readonly secretArn: string;
  /** `ask`: for a rotation, now. `wait`: one was asked for or runs, or too many others are asked for in this audit. */
  readonly course: "ask" | "wait";
  readonly because: readonly FindingName[];
  /** When a rotation was last asked for, if it is not done. */
  readonly askedAt?: number;
  /** How Secrets Manager has refused it then. */
  readonly refused?: string;
}

/** In one audit: each ask costs Secrets Manager two of its 50 writes a second, and the Control Plane five calls. */
const MOST_ASKS = 50;

/** What to ask for in this audit. The same facts and findings at the same time give the same. */
export function decideHealing(
  facts: readonly InstanceFacts[],
  findings: readonly Finding[],
  { settings, before, now }: Run,
): Healing[] {
  const byInstance = new Map<string, Finding[]>();
  for (const each of findings) {
    byInstance.set(each.instance, [...(byInstance.get(each.instance) ?? []), each]);
  }
  let asks = 0;
  return facts.flatMap((each): Healing[] => {
    const own = byInstance.get(each.id) ?? [];
    const because = own.filter(({ heals }) => heals).map(({ name }) => name);
    if (because.length === 0) return [];
    const { id: instance, secretArn, askedAt } = each;
    const healing = { instance, secretArn, because, ...(askedAt === undefined ? {} : { askedAt }) };
    if (asks < MOST_ASKS && isAskDue(each, own, settings.thresholds, now)) {
      asks++;
      return [{ ...healing, course: "ask" }];
    }
    const refused = before.found.find((last) => last.name === "heal-refused" && last.instance === instance);
    return [{ ...healing, course: "wait", ...(refused ? { refused: refused.text } : {}) }];
  });
}

/** Whether the auditor asks Secrets Manager for a rotation now: once for each interval, and never beside one that runs. */
export function isAskDue(
  facts: InstanceFacts,
  findings: readonly Finding[],
  thresholds: Thresholds,
  now: number,
): boolean {
  if (!findings.some(({ heals }) => heals) || isUnderWay(facts, now)) return false;
  const unspent = unspentIntents(facts);
  const [newest] = unspent;
  const isRefused = newest?.outcome === "refused";
  const isFresh = (facts.pendingSince ?? 0) > now - stuckPagedAfter(thresholds);
  const isUnfinished = unspent.length > 0 || (facts.pendingVersionId !== undefined && isFresh);
  const isKeyRefused = findings.some(({ name }) => name === "key-refused");
  const lastTried = Math.max(facts.askedAt ?? 0, isRefused ? newest.takenAt : 0);
  // If agents can't work there is nothing to spare; but a Control Plane that refuses what it issues is not asked for ever more.
  const isSoon = isRefused
    ? isKeyRefused || unspent.some((intent) => mayHaveEnded(intent, thresholds, now))
    : isUnfinished ||
      (isKeyRefused && !facts.intents.some((intent) => !isOrder(intent) && intent.takenAt > lastTried));
  // An audit may start a little earlier or later than the one before it.
  return now - lastTried > (isSoon ? AUDIT_INTERVAL_MS : HOURLY_MS) - MINUTE_MS;
}

/** Whether the grace period that this mint, or an earlier one upon the same version, has begun is over. A refusal may end with it. */
function mayHaveEnded(
  { outcome, graceFrom, takenAt }: IntentRecord,
  { gracePeriodMs }: Thresholds,
  now: number,
): boolean {
  return (outcome !== "refused" || graceFrom < takenAt) && now >= graceEndsAt({ graceFrom }, gracePeriodMs);
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
