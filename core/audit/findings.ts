import type { IntentRecord } from "../intent-table/intent-reader";
import { isOrder } from "../protocol/intent";
import { graceEndsAt, type InstanceFacts, keyIssuedAt, promotionOf } from "./facts";
import { HOURLY_MS, WATCHDOG_MS } from "./intervals";

/**
 * What an audit finds, by stable names, from plain facts. Pure: the same facts at the same time give the same findings.
 * `docs/operations.md` has a section for each name.
 */
export const FINDINGS = {
  "promotion-overdue": "A new key was asked for, and is not under AWSCURRENT yet.",
  "mint-refused": "The Control Plane refuses to issue a new key.",
  "pending-left-behind": "A rotation was begun and came to nothing: AWSPENDING stands apart from AWSCURRENT.",
  "rotation-overdue": "The key is older than its interval and one rotation window.",
  "rotation-off": "Secrets Manager doesn't rotate this key, though the environment says so.",
  "wrong-rotation-function": "Another function than this environment's is configured to rotate this key.",
  "current-missing": "The secret has no current value.",
  "current-unreadable": "The current value is not one that this project wrote.",
  "key-refused": "The Control Plane refuses the current key: agents that use it don't work.",
  "key-on-fuse": "AWSCURRENT was moved back to a key whose grace period runs out.",
  "wrong-instance": "The key, or the ownership marker, belongs to another instance than the value names.",
  "instance-gone": "The Control Plane has no instance of the id in the value.",
  "instance-inactive": "The instance is inactive at the Control Plane: its key is refused.",
  "mapping-differs": "Name, account or contact at the Control Plane are not those of the configuration.",
  "grace-cut-short": "The old key is refused before its grace period is over.",
  "old-key-still-accepted": "The old key is accepted after its grace period.",
  "key-unused": "Nobody but the auditor reads this key.",
  "key-used-again": "A key that nobody had read for long was read.",
  paused: "An operator has paused the rotation of this key.",
  "orphan-instance":
    "An instance at the Control Plane carries this environment's marker, and its secret is gone.",
  "operator-key-missing": "The secret of the operator's API key has no usable value.",
  "operator-key-refused": "The Control Plane refuses the operator's API key: nothing can be rotated.",
  "control-plane-unavailable": "The Control Plane doesn't answer as documented.",
  "intents-unreadable":
    "The table of intents can't be read: unfinished rotations are seen by their labels only.",
  "rotation-function-unusable": "The rotation function is gone, or can't be run.",
  "invoke-permission-missing": "Secrets Manager may not invoke the rotation function: no rotation can start.",
  "self-test-failed": "The rotation function can't do what a rotation needs.",
  "alert-route-broken": "Pages of this environment reach nobody.",
  "secrets-unreadable": "The auditor can't read the secret's value.",
  "heal-refused": "Secrets Manager refuses to start a rotation that is due.",
  "audit-behind": "Keys wait longer for their check than they should.",
} as const satisfies Record<string, string>;

export type FindingName = keyof typeof FINDINGS;

export interface Finding {
  readonly name: FindingName;
  /** The instance's id, or its id at the Control Plane where it has no secret, or the environment's name. */
  readonly instance: string;
  /** `page`: a person has to act. `heal`: the auditor acts, and pages if that doesn't help. `note`: to be known. */
  readonly severity: "page" | "heal" | "note";
  /** Whether another rotation is the one safe course, and the auditor asks for it. */
  readonly heals: boolean;
  /** Until agents stop working, where that is known; 0 where they have. */
  readonly hoursLeft?: number;
  /** One line for people: what is so, since when. */
  readonly text: string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export interface Thresholds {
  /** As configured; 0 where an old key ends at once. */
  readonly gracePeriodMs: number;
  /** Absent where rotation is off for this environment. */
  readonly rotation?: {
    readonly intervalMs: number;
    readonly windowMs: number;
    readonly functionArn: string;
  };
  /** From the mint until a key that is not promoted is paged. @default 1 hour, sooner where less grace would be left */
  readonly unpromotedPagedAfterMs?: number;
  /** From the moment that a rotation is due, or was left behind, until it is paged. @default 2 hours */
  readonly stuckPagedAfterMs?: number;
  /** Without a read by anybody, until it is noted. @default 30 days */
  readonly unusedNotedAfterMs?: number;
}

/** Of the grace period, to be left for people when an unpromoted key is paged. */
export const LEAST_HOURS_LEFT = 12;
/** An invocation's longest life: what is younger may still be under way. */
const UNDER_WAY_MS = 3 * MINUTE_MS;
/** The clocks of the two services and of the auditor, and what a check takes. */
const CLOCKS_MS = 2 * MINUTE_MS;
/** After this the old key should have ended for good. */
const OLD_KEY_LINGERS_MS = 10 * MINUTE_MS;

export function unusedNotedAfter({ unusedNotedAfterMs = 30 * 24 * HOUR_MS }: Thresholds): number {
  return unusedNotedAfterMs;
}

/** From the mint until it is paged that its key is not promoted, in milliseconds. */
export function unpromotedPagedAfter({
  gracePeriodMs,
  unpromotedPagedAfterMs = HOUR_MS,
}: Thresholds): number {
  return Math.max(WATCHDOG_MS, Math.min(unpromotedPagedAfterMs, gracePeriodMs - LEAST_HOURS_LEFT * HOUR_MS));
}

/** Everything about one instance that somebody should know, the worst first. */
export function findingsOf(facts: InstanceFacts, thresholds: Thresholds, now: number): Finding[] {
  const pausedUntil = pauseOf(facts, now);
  const found = [
    ...valueFindings(facts, now),
    ...keyFindings(facts, thresholds),
    ...fuseFindings(facts, thresholds, now),
    ...rotationFindings(facts, thresholds, now),
    ...useFindings(facts, thresholds, now),
  ];
  // A guess is no reason to mint: whoever has not read the value waits for the next look.
  const mayHeal = pausedUntil === undefined && facts.rotation.enabled && !needsValue(facts);
  const findings = found.map((finding) => ({
    ...finding,
    heals: finding.heals && mayHeal,
    // What nobody heals has to be told.
    severity: finding.severity === "heal" && !facts.rotation.enabled ? ("page" as const) : finding.severity,
  }));
  if (pausedUntil !== undefined) {
    findings.push(finding(facts, "paused", "note", `paused until ${iso(pausedUntil)}`));
  }
  const order = { page: 0, heal: 1, note: 2 };
  return findings.sort((a, b) => order[a.severity] - order[b.severity]);
}

/** Until when an operator has paused this key's rotation. */
export function pauseOf({ intents, currentVersionId }: InstanceFacts, now: number): number | undefined {
  const standing = intents.find(({ baseVersionId }) => baseVersionId === currentVersionId);
  return standing?.outcome === "paused" && now < standing.attemptEndsAt ? standing.attemptEndsAt : undefined;
}

/**
 * The intent of a mint that has not come to its end: younger than the current key, and not the one of its promotion. A key
 * may have been minted that nobody has.
 */
export function unspentIntent(facts: InstanceFacts): IntentRecord | undefined {
  return unspentIntents(facts)[0];
}

/** Newest first. More than one where AWSCURRENT was moved by hand meanwhile. */
function unspentIntents(facts: InstanceFacts): IntentRecord[] {
  const issuedAt = keyIssuedAt(facts);
  return facts.intents.filter(
    (intent) =>
      intent.outcome !== "promoted" &&
      !isOrder(intent) &&
      intent.versionId !== facts.currentVersionId &&
      (intent.baseVersionId === facts.currentVersionId || intent.takenAt > issuedAt),
  );
}

/**
 * Whether an intent looks unspent only because the value was not read: AWSCURRENT has left its base, and only the value says
 * how old the key there is.
 */
export function needsValue(facts: InstanceFacts): boolean {
  const unspent = unspentIntent(facts);
  return (
    unspent !== undefined && facts.deep === undefined && unspent.baseVersionId !== facts.currentVersionId
  );
}

/** Whether the auditor asks Secrets Manager for a rotation now: once for each interval, and never beside one that runs. */
export function isAskDue(
  facts: InstanceFacts,
  findings: readonly Finding[],
  { gracePeriodMs, stuckPagedAfterMs = 2 * HOUR_MS }: Thresholds,
  now: number,
): boolean {
  if (!findings.some(({ heals }) => heals) || isUnderWay(facts, now)) return false;
  const unspent = unspentIntents(facts);
  const [newest] = unspent;
  const isRefused = newest?.outcome === "refused";
  const isFresh = (facts.pendingSince ?? 0) > now - stuckPagedAfterMs;
  const isUnfinished = unspent.length > 0 || (facts.pendingVersionId !== undefined && isFresh);
  const isKeyRefused = findings.some(({ name }) => name === "key-refused");
  const lastTried = Math.max(facts.askedAt ?? 0, isRefused ? newest.takenAt : 0);
  // Where agents can't work there is nothing to spare; but a Control Plane that refuses what it issues is not asked for ever more.
  const isSoon = isRefused
    ? isKeyRefused || unspent.some((intent) => mayHaveEnded(intent, gracePeriodMs, now))
    : isUnfinished ||
      (isKeyRefused && !facts.intents.some((intent) => !isOrder(intent) && intent.takenAt > lastTried));
  // Runs are a watchdog's interval apart, less what a run's start may vary.
  return now - lastTried > (isSoon ? WATCHDOG_MS : HOURLY_MS) - MINUTE_MS;
}

/** Whether the grace period is over that this mint, or one before it upon the same version, has begun: its refusal may end too. */
function mayHaveEnded(
  { outcome, graceFrom, takenAt }: IntentRecord,
  gracePeriodMs: number,
  now: number,
): boolean {
  return (outcome !== "refused" || graceFrom < takenAt) && now >= graceFrom + gracePeriodMs;
}

function isUnderWay(facts: InstanceFacts, now: number): boolean {
  const unspent = unspentIntent(facts);
  if (unspent?.outcome === "open") return now < unspent.attemptEndsAt;
  return facts.pendingSince !== undefined && now < facts.pendingSince + UNDER_WAY_MS;
}

function valueFindings(facts: InstanceFacts, now: number): Finding[] {
  const { deep, currentVersionId, createdAt } = facts;
  if (currentVersionId === undefined || deep?.value === "missing") {
    const isYoung = now < createdAt + HOUR_MS;
    const text = `no value since ${iso(createdAt)}: deploy the environment, so that provisioning stores the first key`;
    return [finding(facts, "current-missing", isYoung ? "note" : "page", text)];
  }
  if (deep?.value === "unreadable") {
    const text = "somebody stored another value; consumers may not find a key in it";
    return [finding(facts, "current-unreadable", "page", text)];
  }
  return [];
}

function keyFindings(facts: InstanceFacts, { gracePeriodMs }: Thresholds): Finding[] {
  const { deep } = facts;
  const key = deep?.key;
  if (!deep || !key) return [];
  const { instance } = deep;
  if (!instance) {
    return [finding(facts, "instance-gone", "page", `the value names ${key.agentInstanceId}`, 0)];
  }
  const found: Finding[] = [];
  if (!instance.isActive) {
    found.push(finding(facts, "instance-inactive", "page", `${key.agentInstanceId} is inactive`, 0));
  } else if (!key.accepted) {
    const text = `key ${key.fingerprint} of ${iso(key.issuedAt)} is refused`;
    found.push({ ...finding(facts, "key-refused", "page", text, 0), heals: true });
  }
  if ((key.belongsTo ?? key.agentInstanceId) !== key.agentInstanceId || instance.ownership === "theirs") {
    const owner =
      key.belongsTo === undefined || key.belongsTo === key.agentInstanceId
        ? "the marker names another secret"
        : `the key is that of ${key.belongsTo}`;
    found.push(finding(facts, "wrong-instance", "page", `the value names ${key.agentInstanceId}, ${owner}`));
  }
  if (instance.differs.length > 0) {
    const text = `${key.agentInstanceId} differs in ${instance.differs.join(", ")}`;
    found.push(finding(facts, "mapping-differs", "page", text));
  }
  const { previousKey } = deep;
  const graceEnd = key.previousKeyExpiresAt;
  // Of a key that was refused before it was replaced nothing is promised.
  const wasAccepted =
    promotionOf(facts)?.previousKeyHonoured !== undefined || promotionOf(facts) === undefined;
  if (previousKey && graceEnd !== undefined) {
    if (!previousKey.accepted && wasAccepted && gracePeriodMs > 0 && deep.lookedAt < graceEnd - CLOCKS_MS) {
      const text = `key ${previousKey.fingerprint} is refused, and was promised until ${iso(graceEnd)}`;
      found.push(finding(facts, "grace-cut-short", "page", text, 0));
    }
    if (previousKey.accepted && deep.lookedAt > graceEnd + OLD_KEY_LINGERS_MS) {
      const text = `key ${previousKey.fingerprint} is accepted, and should have ended at ${iso(graceEnd)}`;
      found.push(finding(facts, "old-key-still-accepted", "note", text));
    }
  }
  return found;
}

/** The newest promotion was away from the key that is current now: somebody has put it back, and it still is to end. */
function fuseFindings(facts: InstanceFacts, { gracePeriodMs }: Thresholds, now: number): Finding[] {
  const key = facts.deep?.key;
  const newest = facts.intents.find(({ outcome }) => outcome === "promoted");
  // One that has ended already is refused, which is told by that name.
  if (!newest || !isBack(facts, newest) || key?.accepted === false) return [];
  const endsAt = newest.previousKeyExpiresAt ?? newest.graceFrom + gracePeriodMs;
  const text = `key ${newest.previousFingerprint ?? ""} was replaced at ${iso(newest.takenAt)}, is current again, and ends at ${iso(endsAt)}`;
  // Whoever has rolled back gets half of the grace period to say what comes next.
  const heals = now > endsAt - gracePeriodMs / 2;
  return [{ ...finding(facts, "key-on-fuse", "page", text, hoursUntil(endsAt, now)), heals }];
}

function isBack({ deep, currentVersionId }: InstanceFacts, promotion: IntentRecord): boolean {
  if (promotion.baseVersionId === currentVersionId) return true;
  return deep?.key !== undefined && promotion.previousFingerprint === deep.key.fingerprint;
}

function rotationFindings(facts: InstanceFacts, thresholds: Thresholds, now: number): Finding[] {
  const { rotation } = thresholds;
  const { stuckPagedAfterMs = 2 * HOUR_MS, gracePeriodMs } = thresholds;
  // Before the first key there is no rotation to look at.
  if (facts.currentVersionId === undefined || !rotation) return [];
  const found: Finding[] = [];
  const since = (from: number, pagedAfter: number) =>
    (now - from > pagedAfter ? "page" : "heal") as Finding["severity"];
  if (!facts.rotation.enabled || !facts.rotation.scheduled) {
    const text = facts.rotation.enabled ? "there is no schedule" : "rotation is switched off";
    found.push(finding(facts, "rotation-off", "page", text));
  } else if (facts.rotation.functionArn !== rotation.functionArn) {
    const text = `configured is ${facts.rotation.functionArn ?? "none"}`;
    found.push(finding(facts, "wrong-rotation-function", "page", text));
  }
  const unspent = unspentIntent(facts);
  if (unspent?.outcome === "refused") {
    const begun = firstMintAt(unspent);
    const text = `since ${iso(begun)}, ${unspent.mint} times`;
    const pagedAfter = Math.min(gracePeriodMs, 24 * HOUR_MS) + HOUR_MS;
    found.push({ ...finding(facts, "mint-refused", since(begun, pagedAfter), text), heals: true });
  } else if (unspent) {
    const endsAt = unspent.graceFrom + gracePeriodMs;
    const text = `minted at ${iso(unspent.takenAt)} (${unspent.outcome}, mint ${unspent.mint}); the current key may end at ${iso(endsAt)}`;
    const severity = since(unspent.graceFrom, unpromotedPagedAfter(thresholds));
    found.push({
      ...finding(facts, "promotion-overdue", severity, text, hoursUntil(endsAt, now)),
      heals: true,
    });
  } else if (facts.pendingVersionId !== undefined && facts.pendingSince !== undefined) {
    const text = `since ${iso(facts.pendingSince)}, version ${facts.pendingVersionId}`;
    found.push({
      ...finding(facts, "pending-left-behind", since(facts.pendingSince, stuckPagedAfterMs), text),
      heals: true,
    });
  }
  const issuedAt = keyIssuedAt(facts);
  const overdueFrom = issuedAt + rotation.intervalMs + rotation.windowMs;
  if (now > overdueFrom) {
    const days = Math.floor((now - issuedAt) / (24 * HOUR_MS));
    const text = `${days} days old, due every ${rotation.intervalMs / (24 * HOUR_MS)}`;
    found.push({
      ...finding(facts, "rotation-overdue", since(overdueFrom, stuckPagedAfterMs), text),
      heals: true,
    });
  }
  return found;
}

function useFindings(facts: InstanceFacts, thresholds: Thresholds, now: number): Finding[] {
  const { unused } = facts;
  if (!unused) return [];
  const { since, readAgainAt } = unused;
  if (readAgainAt !== undefined) {
    const text = `read on ${day(readAgainAt)}, and nobody was seen to read it since ${day(since)}`;
    return [finding(facts, "key-used-again", "note", text)];
  }
  if (now - since < unusedNotedAfter(thresholds)) return [];
  return [finding(facts, "key-unused", "note", `nobody was seen to read it since ${day(since)}`)];
}

/** Of the mints upon the same version. */
function firstMintAt({ earlierMints, takenAt }: IntentRecord): number {
  const times = earlierMints.map((mint) => Number(mint.split(":").at(-1))).filter(Number.isFinite);
  return Math.min(takenAt, ...times);
}

/** Of the environment itself. */
export interface EnvironmentFacts {
  readonly environment: string;
  /** Who can't be reached, or accepts nothing, and since when. */
  readonly controlPlane?: {
    readonly trouble: "operator-key-missing" | "operator-key-refused" | "control-plane-unavailable";
    readonly since: number;
    readonly detail: string;
  };
  readonly intentsUnreadable?: string;
  /** Names of what the rotation function could not do, or of what kept it from being asked. Empty: it can rotate. */
  readonly selfTest?: { readonly at: number; readonly failures: readonly string[] };
  readonly rotationFunctionUnusable?: string;
  /** Whether the function's policy lets Secrets Manager invoke it; absent where nobody looked. */
  readonly mayBeInvoked?: boolean;
  readonly alertRouteBroken?: string;
  readonly orphans: readonly { readonly agentInstanceId: string; readonly secretName: string }[];
  /** How much later than it should a key is looked at. */
  readonly behindMs: number;
}

/** How long a Control Plane may be away before a person is told. */
const UNAVAILABLE_PAGED_AFTER_MS = HOUR_MS;
const BEHIND_PAGED_AFTER_MS = 2 * HOUR_MS;

export function environmentFindings(facts: EnvironmentFacts, now: number): Finding[] {
  const { environment } = facts;
  const page = (
    name: FindingName,
    text: string,
    severity: Finding["severity"] = "page",
    instance = environment,
  ) => ({
    name,
    instance,
    severity,
    heals: false,
    text,
  });
  const found: Finding[] = [];
  const { controlPlane, selfTest } = facts;
  if (controlPlane) {
    const isPassing =
      controlPlane.trouble === "control-plane-unavailable" &&
      now - controlPlane.since < UNAVAILABLE_PAGED_AFTER_MS;
    const text = `since ${iso(controlPlane.since)}: ${controlPlane.detail}`;
    found.push(page(controlPlane.trouble, text, isPassing ? "note" : "page"));
  }
  if (facts.rotationFunctionUnusable !== undefined) {
    found.push(page("rotation-function-unusable", facts.rotationFunctionUnusable));
  }
  if (facts.mayBeInvoked === false) {
    found.push(
      page("invoke-permission-missing", "the function's policy names no secretsmanager.amazonaws.com"),
    );
  }
  if (selfTest && selfTest.failures.length > 0) {
    found.push(page("self-test-failed", `at ${iso(selfTest.at)}: ${selfTest.failures.join(", ")}`));
  }
  if (facts.intentsUnreadable !== undefined) found.push(page("intents-unreadable", facts.intentsUnreadable));
  if (facts.alertRouteBroken !== undefined) found.push(page("alert-route-broken", facts.alertRouteBroken));
  for (const { agentInstanceId, secretName } of facts.orphans) {
    found.push(page("orphan-instance", `its secret would be ${secretName}`, "page", agentInstanceId));
  }
  if (facts.behindMs > BEHIND_PAGED_AFTER_MS) {
    found.push(page("audit-behind", `by ${Math.round(facts.behindMs / HOUR_MS)} hours`));
  }
  return found;
}

function finding(
  { id }: InstanceFacts,
  name: FindingName,
  severity: Finding["severity"],
  text: string,
  hoursLeft?: number,
): Finding {
  return {
    name,
    instance: id,
    severity,
    heals: false,
    text,
    ...(hoursLeft === undefined ? {} : { hoursLeft }),
  };
}

function hoursUntil(time: number, now: number): number {
  return Math.max(0, Math.round((time - now) / (HOUR_MS / 10)) / 10);
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function day(time: number): string {
  return iso(time).slice(0, 10);
}

/**
 * Whether a key is looked at every hour: a grace period runs or has just ended, something was found, or no rotation has promoted
 * what is current: a label was moved, or a value stored, by hand.
 */
export function isWatchedHourly(facts: InstanceFacts, hadFinding: boolean, now: number): boolean {
  const graceEnd = graceEndsAt(facts);
  const newest = facts.intents.find(({ outcome }) => outcome === "promoted");
  if (newest && newest.versionId !== facts.currentVersionId) return true;
  return hadFinding || (graceEnd !== undefined && now < graceEnd + 2 * HOURLY_MS);
}
