import { type Intent, isOrder } from "./intent";

/**
 * Every state that staging labels, key validity and intent can be in has a name and one course. This file is pure: the
 * steps gather facts and carry the course out; `docs/rotation-protocol.md` tables the same names in the same words.
 */

/** The longest that the Control Plane may take to apply a request whose answer was lost. Declared, not measured. */
export const LATE_APPLICATION_MS = 60_000;
/** The longest that a read of Secrets Manager may lag behind a write. Declared, not measured. */
export const READ_LAG_MS = 10_000;
/** The longest until the Control Plane accepts a key that it has just issued. Declared, not measured. */
export const ACTIVATION_MS = 60_000;
/** No refresh sooner than this after the last one, however short the grace period is. */
export const LEAST_KEY_AGE_MS = 60 * 60_000;

export const STOPS = {
  "rotation-disabled": "Rotation is off for this secret. Switch it on by a deploy, or resume it.",
  "unknown-version": "The secret has no version of this token. Ask for the rotation again.",
  "not-pending": "The version of this token does not carry AWSPENDING. Ask for the rotation again.",
  "current-missing":
    "No version with a value carries AWSCURRENT. Deploy the environment: provisioning stores the first key.",
  "current-unreadable":
    "The value under AWSCURRENT is not one that this project wrote. Restore the version before it.",
  "pending-empty": "The version under AWSPENDING has no value. Ask for the rotation again.",
  "pending-refused": "The Control Plane refuses the key under AWSPENDING, which is old enough to be live.",
  "pending-unreadable":
    "The value under AWSPENDING is not one that this project wrote. Take AWSPENDING off it and rotate.",
  "operator-key-missing":
    "The secret of the operator's API key has no usable value. Store one: valmi-agent-keys operator-key set.",
  "operator-key-refused":
    "The Control Plane refuses the operator's API key. Store a valid one: valmi-agent-keys operator-key set.",
  "control-plane-unavailable":
    "The Control Plane does not answer as documented. Nothing was changed; the next attempt goes on.",
  "instance-gone": "The Control Plane has no instance of the id in the secret's value.",
  "instance-inactive":
    "The instance is inactive at the Control Plane. Activate it there, or remove it from the environment.",
  "wrong-instance":
    "The key or the ownership marker belongs to another instance than the secret's value names.",
  "grace-running":
    "The key before the current one is in its grace period: a refresh now could end it early. Wait for its end.",
  "out-of-time": "Too little of this invocation is left for refresh, store and test. Nothing was changed.",
  "mint-in-flight":
    "Another attempt may still be minting a key. Its time runs out by itself; the next attempt then goes on.",
  "mint-refused":
    "The Control Plane refused to issue a key, so none was minted. Correct what it names; the next attempt asks again.",
  "mint-unanswered":
    "The Control Plane's answer to the mint was lost. The next attempt finds out and goes on.",
  "key-not-live-yet":
    "The key is stored, and the Control Plane did not accept it before the invocation's end. The next attempt tests it again.",
  "pending-key-dead":
    "The stored new key is refused for good: somebody refreshed since. AWSPENDING was taken off; rotate again.",
  "pending-leftover":
    "The version of this token holds a value that must not become current. AWSPENDING was taken off; rotate again.",
  "version-taken":
    "The version of this token held another value already. AWSPENDING was taken off; rotate again.",
  "store-failed":
    "The new key could not be stored before the invocation's end. A later attempt mints another.",
  "promoted-meanwhile":
    "Another attempt has moved AWSCURRENT since this one began. AWSPENDING was taken off; nothing is left to do.",
  paused:
    "An operator has paused the rotation of this key. It goes on by itself after the pause, or by: valmi-agent-keys resume.",
  "promotion-failed":
    "The new key is stored and tested, and AWSCURRENT could not be moved. The next attempt moves it.",
} as const satisfies Record<string, string>;

export type StopName = keyof typeof STOPS;

/** A named end of an attempt that could not go on. The text holds ids and fingerprints only. */
export class Stop extends Error {
  override readonly name = "Stop";

  constructor(
    readonly state: StopName,
    detail = "",
  ) {
    super(`${state}: ${STOPS[state]}${detail === "" ? "" : ` (${detail})`}`);
  }
}

export type StepCourse =
  | { readonly course: "done" }
  | { readonly course: "go-on"; readonly currentVersionId: string }
  | { readonly course: "stop"; readonly state: StopName };

/** The guards before every rotation step. Any step may run again after it has succeeded. */
export function decideStep(
  token: string,
  secret: {
    readonly rotationEnabled: boolean;
    readonly versionStages: Readonly<Record<string, readonly string[]>>;
  },
): StepCourse {
  const stages = secret.versionStages[token];
  if (stages?.includes("AWSCURRENT")) return { course: "done" };
  if (!secret.rotationEnabled) return { course: "stop", state: "rotation-disabled" };
  if (!stages) return { course: "stop", state: "unknown-version" };
  if (!stages.includes("AWSPENDING")) return { course: "stop", state: "not-pending" };
  const current = Object.entries(secret.versionStages).find(([, labels]) => labels.includes("AWSCURRENT"));
  if (!current) return { course: "stop", state: "current-missing" };
  return { course: "go-on", currentVersionId: current[0] };
}

/**
 * Until when no refresh may be made, or `undefined`. A refresh inside a running grace period may end at once the key before
 * the current one, whose users have been promised the whole of it, or the current key itself. The grace period that counts
 * is the last one that began: with the refresh that minted the current key, whatever that replaced. A key that was created
 * with its instance replaced none and needs no guard.
 */
export function guardedUntil(
  current: { readonly issuedAt: number; readonly previousKeyExpiresAt?: number },
  gracePeriodMs: number,
): number | undefined {
  if (current.previousKeyExpiresAt === undefined) return undefined;
  return Math.max(current.previousKeyExpiresAt, current.issuedAt + Math.max(gracePeriodMs, LEAST_KEY_AGE_MS));
}

/**
 * What is stored already of the mint upon this base: nothing; a key that was issued after the current one, and is accepted
 * or refused now; or a leftover, which is no newer than the current key.
 */
export type StoredKey = "empty" | "accepted" | "refused" | "leftover";

export type MintCourse =
  /** An intent is this attempt's: a key is minted. */
  | { readonly course: "mint" }
  /** The standing intent becomes this attempt's, one mint up, and a key is minted. */
  | {
      readonly course: "mint-again";
      readonly because: "refused" | "lost" | "dead" | "rolled-back" | "timed-out" | "ordered";
    }
  /** The key is stored: test it and move AWSCURRENT, by way of a copy where it stands under an older token. */
  | { readonly course: "promote"; readonly copy: boolean }
  /** This attempt's version holds a value that must not become current, and cannot hold another: only a new token can go on. */
  | {
      readonly course: "drop-pending";
      readonly state: "pending-key-dead" | "pending-leftover" | "promoted-meanwhile" | "paused";
    }
  | { readonly course: "stop"; readonly state: "mint-in-flight"; readonly until: number };

export interface MintFacts {
  /** The intent that stood already upon this base; `undefined` where this attempt's was the first. */
  readonly standing: Pick<Intent, "attemptEndsAt" | "outcome"> | undefined;
  readonly stored: StoredKey;
  /** When the stored key was issued; 0 where none is. */
  readonly storedAt: number;
  /** Whether it is stored under this attempt's version, and not under the one that the standing intent names. */
  readonly storedHere: boolean;
  /** Whether the stored key has been under AWSCURRENT: then it carries AWSPREVIOUS where AWSCURRENT is back on the base. */
  readonly wasPromoted: boolean;
  /** Whether AWSCURRENT is still on the intent's base, read after the intent was. */
  readonly baseIsCurrent: boolean;
  /** On the Control Plane's clock. */
  readonly now: number;
}

/** What to do once the intent is written, or found standing, for this secret and this current version. */
export function decideMint(facts: MintFacts): MintCourse {
  const course = decideFreely(facts);
  const mints = course.course === "mint" || course.course === "mint-again";
  return mints && facts.storedHere ? { course: "drop-pending", state: "pending-leftover" } : course;
}

function decideFreely(facts: MintFacts): MintCourse {
  const { standing, stored, storedAt, storedHere, wasPromoted, baseIsCurrent, now } = facts;
  // An attempt that was paused sees this: what it read at its start is no longer so.
  if (!baseIsCurrent) return { course: "drop-pending", state: "promoted-meanwhile" };
  if (standing?.outcome === "paused" && now < standing.attemptEndsAt) {
    return { course: "drop-pending", state: "paused" };
  }
  if (standing && isOrder(standing)) return { course: "mint-again", because: "ordered" };
  if (standing && (standing.outcome === "promoted" || wasPromoted)) {
    // AWSCURRENT had left this version, and is back: somebody rolled back from the key that this intent names, which its
    // record need not say. Only a read that cannot lag behind the promotion shows it.
    const visibleAt = standing.attemptEndsAt + READ_LAG_MS;
    return now < visibleAt
      ? { course: "stop", state: "mint-in-flight", until: visibleAt }
      : { course: "mint-again", because: "rolled-back" };
  }
  // The lost key is newer than whatever is stored, whose last hours have begun.
  if (standing?.outcome === "lost") return { course: "mint-again", because: "lost" };
  // A key that is refused is dead once it is too old to be merely not live yet; until then the test waits for it.
  const mayBeLive = stored === "refused" && standing?.outcome !== "dead" && now <= storedAt + ACTIVATION_MS;
  if (stored === "accepted" || mayBeLive) return { course: "promote", copy: !storedHere };
  if (stored === "refused" && storedHere) return { course: "drop-pending", state: "pending-key-dead" };
  if (standing === undefined) return { course: "mint" };
  if (standing.outcome === "refused") return { course: "mint-again", because: "refused" };
  if (stored !== "empty") return { course: "mint-again", because: "dead" };
  const settledAt = standing.attemptEndsAt + LATE_APPLICATION_MS + READ_LAG_MS;
  if (now < settledAt) return { course: "stop", state: "mint-in-flight", until: settledAt };
  return { course: "mint-again", because: "timed-out" };
}
