import type { IntentRecord } from "../intent-table/stored-intent";
import { graceEndsAt } from "../protocol/grace-period";
import { vainUpon } from "../protocol/intent";
import { boundFacts, decideBound } from "../protocol/mint-bound";
import { DAY_MS, HOUR_MS, iso, MINUTE_MS } from "../time";
import { type InstanceFacts, keyIssuedAt, promotionOf } from "./facts";
import { byUrgency, type Finding, type FindingName, finding, type Severity } from "./findings";
import { stuckPagedAfter, type Thresholds, unpromotedPagedAfter, unusedNotedAfter } from "./thresholds";
import { firstMintAt, needsValue, pauseOf, unspentIntent } from "./unfinished";

/** How much the clocks of the two services and the auditor's may differ, with the time that a check takes. */
const CLOCKS_MS = 2 * MINUTE_MS;
/** A key that is issued later than now by more than this was dated by a clock that is wrong. */
const FUTURE_MS = 10 * MINUTE_MS;
/** After this the old key should have ended for good. */
const OLD_KEY_LINGERS_MS = 10 * MINUTE_MS;

/** Everything about one instance that somebody should know, the worst first. The same facts at the same time give the same findings. */
export function findingsOf(facts: InstanceFacts, thresholds: Thresholds, now: number): Finding[] {
  const pausedUntil = pauseOf(facts, now);
  const found = [
    ...valueFindings(facts, now),
    ...keyFindings(facts, thresholds),
    ...fuseFindings(facts, thresholds, now),
    ...rotationFindings(facts, thresholds, now),
    ...useFindings(facts, thresholds, now),
  ];
  // A guess is no reason to mint: as long as only the value can tell, nothing is asked for.
  const mayHeal = pausedUntil === undefined && facts.rotation.enabled && !needsValue(facts);
  const findings = found.map((each) => ({
    ...each,
    heals: each.heals && mayHeal,
    // A person has to be told what nobody heals.
    severity: each.severity === "heal" && !facts.rotation.enabled ? ("page" as const) : each.severity,
  }));
  if (pausedUntil !== undefined) findings.push(of(facts, "paused", `paused until ${iso(pausedUntil)}`));
  return byUrgency(findings);
}

function valueFindings(facts: InstanceFacts, now: number): Finding[] {
  const { deep, currentVersionId, createdAt } = facts;
  if (currentVersionId === undefined || deep?.value === "missing") {
    const isYoung = now < createdAt + HOUR_MS;
    const text = `no value since ${iso(createdAt)}: deploy the environment, so that provisioning stores the first key`;
    return [of(facts, "current-missing", text, { severity: isYoung ? "note" : "page" })];
  }
  if (deep?.value === "unreadable") {
    const text = "somebody stored another value; consumers may not find a key in it";
    return [of(facts, "current-unreadable", text)];
  }
  return [];
}

function keyFindings(facts: InstanceFacts, { gracePeriodMs }: Thresholds): Finding[] {
  const { deep } = facts;
  const key = deep?.key;
  if (!deep || !key) return [];
  const { instance } = deep;
  if (!instance && key.accepted) {
    return [
      of(
        facts,
        "other-workspace",
        `key ${key.fingerprint} is that of ${key.agentInstanceId}, which is not seen`,
      ),
    ];
  }
  if (!instance) {
    return [of(facts, "instance-gone", `the value names ${key.agentInstanceId}`, { hoursLeft: 0 })];
  }
  const found: Finding[] = [];
  if (!instance.isActive) {
    found.push(of(facts, "instance-inactive", `${key.agentInstanceId} is inactive`, { hoursLeft: 0 }));
  } else if (!key.accepted) {
    const text = `key ${key.fingerprint} of ${iso(key.issuedAt)} is refused`;
    found.push(of(facts, "key-refused", text, { hoursLeft: 0 }));
  }
  if ((key.belongsTo ?? key.agentInstanceId) !== key.agentInstanceId || instance.ownership === "theirs") {
    const owner =
      key.belongsTo === undefined || key.belongsTo === key.agentInstanceId
        ? "the marker names another secret"
        : `the key is that of ${key.belongsTo}`;
    found.push(of(facts, "wrong-instance", `the value names ${key.agentInstanceId}, ${owner}`));
  }
  if (key.issuedAt > deep.lookedAt + FUTURE_MS) {
    found.push(of(facts, "issued-in-the-future", `key ${key.fingerprint} of ${iso(key.issuedAt)}`));
  }
  if (instance.differs.length > 0) {
    const text = `${key.agentInstanceId} differs in ${instance.differs.join(", ")}`;
    found.push(of(facts, "mapping-differs", text));
  }
  const { previousKey } = deep;
  const graceEnd = key.previousKeyExpiresAt;
  // Nothing is promised about a key that was refused before it was replaced.
  const wasAccepted =
    promotionOf(facts)?.previousKeyHonoured !== undefined || promotionOf(facts) === undefined;
  if (previousKey && graceEnd !== undefined) {
    if (!previousKey.accepted && wasAccepted && gracePeriodMs > 0 && deep.lookedAt < graceEnd - CLOCKS_MS) {
      const text = `key ${previousKey.fingerprint} is refused, and was promised until ${iso(graceEnd)}`;
      found.push(of(facts, "grace-cut-short", text, { hoursLeft: 0 }));
    }
    if (previousKey.accepted && deep.lookedAt > graceEnd + OLD_KEY_LINGERS_MS) {
      const text = `key ${previousKey.fingerprint} is accepted, and should have ended at ${iso(graceEnd)}`;
      found.push(of(facts, "old-key-still-accepted", text));
    }
  }
  return found;
}

/** The newest promotion was away from the key that is current now: somebody has put it back, and it still is to end. */
function fuseFindings(facts: InstanceFacts, { gracePeriodMs }: Thresholds, now: number): Finding[] {
  const key = facts.deep?.key;
  const newest = facts.intents.find(({ outcome }) => outcome === "promoted");
  // One that has ended already is refused, and told by that name.
  if (!newest || !isBack(facts, newest) || key?.accepted === false) return [];
  const endsAt = newest.previousKeyExpiresAt ?? graceEndsAt(newest, gracePeriodMs);
  const text = `key ${newest.previousFingerprint ?? ""} was replaced at ${iso(newest.takenAt)}, is current again, and ends at ${iso(endsAt)}`;
  // Whoever has rolled back gets half of the grace period to say what comes next.
  const heals = now > endsAt - gracePeriodMs / 2;
  return [of(facts, "key-on-fuse", text, { hoursLeft: hoursUntil(endsAt, now), heals })];
}

function isBack({ deep, currentVersionId }: InstanceFacts, promotion: IntentRecord): boolean {
  if (promotion.baseVersionId === currentVersionId) return true;
  return deep?.key !== undefined && promotion.previousFingerprint === deep.key.fingerprint;
}

/** That no other key is minted, or that nothing is believed, until somebody has looked. */
function boundFindings(facts: InstanceFacts, gracePeriodMs: number, now: number): Finding[] {
  const { intents: records, currentVersionId, deep } = facts;
  const standing = records.find(({ baseVersionId }) => baseVersionId === currentVersionId);
  if (!standing || vainUpon(standing) === 0) return [];
  const found: Finding[] = [];
  const view = { base: "alive", gracePeriodMs, now } as const;
  const bound = decideBound(boundFacts({ records, standing, halt: { vain: [] } }, view));
  if (bound.may === "wait") {
    const endsAt = standing.graceFrom + gracePeriodMs;
    const text = `${vainUpon(standing)} mints since ${iso(firstMintAt(standing))}; the current key may end at ${iso(endsAt)}`;
    found.push(of(facts, bound.state, text, { hoursLeft: hoursUntil(endsAt, now) }));
  }
  if (standing.uponLooks && deep?.key?.accepted === false) {
    found.push(
      of(facts, "refusals-not-believed", `key ${deep.key.fingerprint} and its successor are refused`),
    );
  }
  return found;
}

function rotationFindings(facts: InstanceFacts, thresholds: Thresholds, now: number): Finding[] {
  const { rotation, gracePeriodMs } = thresholds;
  // Before the first key there is no rotation to look at.
  if (facts.currentVersionId === undefined || !rotation) return [];
  const found: Finding[] = [];
  const since = (from: number, pagedAfter: number): { severity: Severity } => ({
    severity: now - from > pagedAfter ? "page" : "heal",
  });
  if (!facts.rotation.enabled || !facts.rotation.scheduled) {
    const text = facts.rotation.enabled ? "there is no schedule" : "rotation is switched off";
    found.push(of(facts, "rotation-off", text));
  } else if (facts.rotation.functionArn !== rotation.functionArn) {
    const text = `configured is ${facts.rotation.functionArn ?? "none"}`;
    found.push(of(facts, "wrong-rotation-function", text));
  }
  found.push(...boundFindings(facts, gracePeriodMs, now));
  const unspent = unspentIntent(facts);
  if (unspent?.outcome === "refused") {
    const begun = firstMintAt(unspent);
    const text = `since ${iso(begun)}, ${unspent.mint} times`;
    const pagedAfter = Math.min(gracePeriodMs, DAY_MS) + HOUR_MS;
    found.push(of(facts, "mint-refused", text, since(begun, pagedAfter)));
  } else if (unspent) {
    const endsAt = graceEndsAt(unspent, gracePeriodMs);
    const text = `minted at ${iso(unspent.takenAt)} (${unspent.outcome}, mint ${unspent.mint}); the current key may end at ${iso(endsAt)}`;
    const severity = since(unspent.graceFrom, unpromotedPagedAfter(thresholds));
    found.push(of(facts, "promotion-overdue", text, { ...severity, hoursLeft: hoursUntil(endsAt, now) }));
  } else if (facts.pendingVersionId !== undefined && facts.pendingSince !== undefined) {
    const text = `since ${iso(facts.pendingSince)}, version ${facts.pendingVersionId}`;
    const severity = since(facts.pendingSince, stuckPagedAfter(thresholds));
    found.push(of(facts, "pending-left-behind", text, severity));
  }
  // A date that has not come yet would put the next rotation off.
  const dated = keyIssuedAt(facts);
  const issuedAt = dated > now + FUTURE_MS ? (facts.rotation.lastAt ?? facts.createdAt) : dated;
  const overdueFrom = issuedAt + rotation.intervalMs + rotation.windowMs;
  if (now > overdueFrom) {
    const days = Math.floor((now - issuedAt) / DAY_MS);
    const text = `${days} days old, due every ${rotation.intervalMs / DAY_MS}`;
    found.push(of(facts, "rotation-overdue", text, since(overdueFrom, stuckPagedAfter(thresholds))));
  }
  return found;
}

function useFindings(facts: InstanceFacts, thresholds: Thresholds, now: number): Finding[] {
  const { unused } = facts;
  if (!unused) return [];
  const { since, readAgainAt } = unused;
  if (readAgainAt !== undefined) {
    const text = `read on ${day(readAgainAt)}, and nobody was seen to read it since ${day(since)}`;
    return [of(facts, "key-used-again", text)];
  }
  if (now - since < unusedNotedAfter(thresholds)) return [];
  return [of(facts, "key-unused", `nobody was seen to read it since ${day(since)}`)];
}

function of(
  { id }: InstanceFacts,
  name: FindingName,
  text: string,
  changes?: Parameters<typeof finding>[3],
): Finding {
  return finding(name, id, text, changes);
}

/** To a tenth of an hour, and never less than 0. */
function hoursUntil(time: number, now: number): number {
  return Math.max(0, Math.round((time - now) / (HOUR_MS / 10)) / 10);
}

function day(time: number): string {
  return iso(time).slice(0, 10);
}
