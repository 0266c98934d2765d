import type { IntentRecord } from "../intent-table/stored-intent";
import { isOrder } from "../protocol/intent";
import { pausedUntil } from "../protocol/orders";
import { MINUTE_MS } from "../time";
import { type InstanceFacts, keyIssuedAt } from "./facts";

/** What the records of intents say about a rotation that is not at its end. */

/** An invocation's longest life: what is younger may still be under way. */
const UNDER_WAY_MS = 3 * MINUTE_MS;

/** Until when an operator has paused this key's rotation. */
export function pauseOf({ intents, currentVersionId }: InstanceFacts, now: number): number | undefined {
  const standing = intents.find(({ baseVersionId }) => baseVersionId === currentVersionId);
  return pausedUntil(standing, now);
}

/**
 * The intent of a mint that has not come to its end: younger than the current key, and not the one of its promotion. A key
 * may have been minted that nobody has.
 */
export function unspentIntent(facts: InstanceFacts): IntentRecord | undefined {
  return unspentIntents(facts)[0];
}

/** Newest first. There is more than one if AWSCURRENT was moved by hand meanwhile. */
export function unspentIntents(facts: InstanceFacts): IntentRecord[] {
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

/** Whether an attempt at a rotation may still be alive. */
export function isUnderWay(facts: InstanceFacts, now: number): boolean {
  const unspent = unspentIntent(facts);
  if (unspent?.outcome === "open") return now < unspent.attemptEndsAt;
  return facts.pendingSince !== undefined && now < facts.pendingSince + UNDER_WAY_MS;
}

/** When the first of the mints into the same version was asked for. */
export function firstMintAt({ earlierMints, takenAt }: IntentRecord): number {
  const times = earlierMints.map((mint) => Number(mint.split(":").at(-1))).filter(Number.isFinite);
  return Math.min(takenAt, ...times);
}
