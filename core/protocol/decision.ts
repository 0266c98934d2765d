import { type Intent, isOrder } from "./intent";
import type { MintBound } from "./mint-bound";
import { pausedUntil } from "./orders";
import type { StopName } from "./stops";
import { ACTIVATION_MS, READ_LAG_MS, settledFrom } from "./timing";

/**
 * Every state that staging labels, key validity and intent can be in has a name and one course. This file is pure: the
 * steps gather facts and carry the course out; `docs/rotation-protocol.md` tables the same names in the same words.
 */

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
 * What is stored already of the mint upon this base: nothing; a key that was minted after the current one, and is accepted now,
 * or refused by an answer that can be believed, or neither; or a leftover, which is no newer than the current key.
 */
export type StoredKey = "empty" | "accepted" | "refused" | "unknown" | "leftover";

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
  /** A value that changes nothing has to be stored, before another key is minted that might not be. */
  | { readonly course: "prove-write" }
  | {
      readonly course: "stop";
      readonly state: "mint-in-flight" | "mint-bound" | "mint-unreadable";
      readonly until?: number;
    };

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
  /** Whether another mint upon this base is within bounds. */
  readonly bound: MintBound;
  /** On the Control Plane's clock. */
  readonly now: number;
}

/** What to do once the intent is written, or found standing, for this secret and this current version. */
export function decideMint(facts: MintFacts): MintCourse {
  const course = decideFreely(facts);
  if (course.course !== "mint" && course.course !== "mint-again") return course;
  if (facts.storedHere) return { course: "drop-pending", state: "pending-leftover" };
  if (course.course === "mint-again" && course.because === "ordered") return course;
  const { bound } = facts;
  if (bound.may === "mint") return course;
  if (bound.may === "prove-write") return { course: "prove-write" };
  return { course: "stop", state: bound.state, ...(bound.until === undefined ? {} : { until: bound.until }) };
}

function decideFreely(facts: MintFacts): MintCourse {
  const { standing, stored, storedAt, storedHere, wasPromoted, baseIsCurrent, now } = facts;
  // An attempt that was paused sees this: what it read at its start is no longer so.
  if (!baseIsCurrent) return { course: "drop-pending", state: "promoted-meanwhile" };
  if (pausedUntil(standing, now) !== undefined) return { course: "drop-pending", state: "paused" };
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
  const isDead = stored === "refused" || (stored === "unknown" && standing?.outcome === "dead");
  if (stored === "accepted" || mayBeLive || (stored === "unknown" && !isDead))
    return { course: "promote", copy: !storedHere };
  if (isDead && storedHere) return { course: "drop-pending", state: "pending-key-dead" };
  if (standing === undefined) return { course: "mint" };
  if (standing.outcome === "refused") return { course: "mint-again", because: "refused" };
  if (stored !== "empty") return { course: "mint-again", because: "dead" };
  const until = settledFrom(standing.attemptEndsAt);
  if (now < until) return { course: "stop", state: "mint-in-flight", until };
  return { course: "mint-again", because: "timed-out" };
}
