import { createHash } from "node:crypto";

/** `baseVersionId` of an intent for the first key of a secret. */
export const NO_VERSION = "none";

export const INTENT_OUTCOMES = ["open", "refused", "lost", "promoted", "dead", "paused", "ordered"] as const;

/**
 * The durable record that stands before every mint: keyed by the secret and by the version under AWSCURRENT when it was
 * taken, so that a second mint upon the same current key is never an accident. It is spent when AWSCURRENT leaves that
 * version, and then it is the history of that rotation. Nothing in it is a key. Times are on the Control Plane's clock.
 */
export interface Intent {
  readonly secretArn: string;
  /** The version under AWSCURRENT when the intent was taken, or `none`. */
  readonly baseVersionId: string;
  /** The version that the minted key is stored under. */
  readonly versionId: string;
  /** Names the attempt; settles whether a conditional write whose answer was lost was ours. */
  readonly owner: string;
  readonly agentInstanceId: string;
  readonly takenAt: number;
  /**
   * The earliest moment at which the grace period of the key under the base may have begun: `takenAt`, or that of an
   * earlier mint upon the same base that may have been applied.
   */
  readonly graceFrom: number;
  /** When Lambda ends the attempt for good: nothing is sent by it later. */
  readonly attemptEndsAt: number;
  /** 1 for the first mint upon this base; each further one is a decision. */
  readonly mint: number;
  readonly idempotencyKey: string;
  /**
   * `open`: a mint may be on its way. `refused`: the Control Plane certainly did not mint. `lost`: it minted, and nobody
   * has the key. `promoted`: stored, tested, under AWSCURRENT. `dead`: stored, and proven refused. `paused` and `ordered`:
   * no mint of its own, but an operator's order, which holds until `attemptEndsAt`.
   */
  readonly outcome: (typeof INTENT_OUTCOMES)[number];
  /** Earlier mints upon the same base, as `<mint>:<versionId>:<takenAt>`: every minted key is accounted for. */
  readonly earlierMints: readonly string[];
}

/** `paused`: nothing is minted upon this base for a while. `ordered`: the next mint need not wait for a running grace period. */
export type OrderKind = "paused" | "ordered";

/** What is known after a mint, for the history. */
export interface IntentOutcome {
  readonly outcome: Exclude<Intent["outcome"], "open" | OrderKind>;
  readonly settledAt: number;
  readonly fingerprint?: string;
  readonly previousFingerprint?: string;
  readonly previousKeyExpiresAt?: number;
  /** Whether the key before was still accepted after the promotion; absent where there was none. */
  readonly previousKeyHonoured?: boolean;
  /** Of the grace period, in milliseconds, when AWSCURRENT moved. */
  readonly graceLeftMs?: number;
}

export type TakenIntent =
  | { readonly taken: true; readonly intent: Intent }
  | { readonly taken: false; readonly intent: Intent };

export interface IntentStore {
  /** Writes the intent where there is none for its secret and base; else gives the one that stands. */
  take(intent: Intent): Promise<TakenIntent>;
  /** Replaces `previous` (same mint number and owner, or nothing happens) by `intent`; else gives the one that stands. */
  retake(intent: Intent, previous: Intent): Promise<TakenIntent>;
  /** The one that stands for a secret and a base; `undefined` where there is none. */
  read(secretArn: string, baseVersionId: string): Promise<Intent | undefined>;
  /** Completes the record, if it is still this attempt's. */
  settle(intent: Intent, outcome: IntentOutcome): Promise<void>;
}

/** The intent of an attempt's first mint. `now` is on the Control Plane's clock; `remainingMs` is what is left of the attempt. */
export function openIntent(
  upon: Pick<Intent, "secretArn" | "baseVersionId" | "versionId" | "agentInstanceId">,
  attempt: { readonly now: number; readonly remainingMs: number; readonly newId: () => string },
): Intent {
  const { now, remainingMs, newId } = attempt;
  return {
    ...upon,
    owner: newId(),
    takenAt: now,
    graceFrom: now,
    attemptEndsAt: now + remainingMs,
    mint: 1,
    idempotencyKey: newId(),
    outcome: "open",
    earlierMints: [],
  };
}

/** The same for every attempt upon the same base: two that overlap cannot both store a key. */
export function fixedVersionId(secretArn: string, base: string): string {
  const hex = createHash("sha256").update(`${secretArn} ${base}`).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}

export function isOrder({ outcome }: Pick<Intent, "outcome">): boolean {
  return outcome === "paused" || outcome === "ordered";
}

/** `intent` as the successor of a standing one: one mint up, with the earlier mints accounted for. */
export function succeed(standing: Intent, intent: Intent): Intent {
  return { ...intent, ...takenOver(standing, intent.takenAt), mint: standing.mint + 1 };
}

/** What a record that is written at `now` keeps of the standing one that it replaces. */
export function takenOver(standing: Intent, now: number): Pick<Intent, "graceFrom" | "earlierMints"> {
  return {
    graceFrom: beganNoGrace(standing) ? now : standing.graceFrom,
    earlierMints: isOrder(standing)
      ? standing.earlierMints
      : [...standing.earlierMints, `${standing.mint}:${standing.versionId}:${standing.takenAt}`],
  };
}

/** A refused mint, or an order, has begun no grace period. A mint before it may have. */
function beganNoGrace(standing: Intent): boolean {
  return (standing.outcome === "refused" || isOrder(standing)) && standing.graceFrom === standing.takenAt;
}
