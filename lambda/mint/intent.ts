import { createHash } from "node:crypto";

/** `baseVersionId` of an intent for the first key of a secret. */
export const NO_VERSION = "none";

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
   * has the key. `promoted`: stored, tested, under AWSCURRENT. `dead`: stored, and proven refused.
   */
  readonly outcome: "open" | "refused" | "lost" | "promoted" | "dead";
  /** Earlier mints upon the same base, as `<mint>:<versionId>:<takenAt>`: every minted key is accounted for. */
  readonly earlierMints: readonly string[];
}

/** What is known after a mint, for the history. */
export interface IntentOutcome {
  readonly outcome: Exclude<Intent["outcome"], "open">;
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
  /** Completes the record, if it is still this attempt's. */
  settle(intent: Intent, outcome: IntentOutcome): Promise<void>;
}

/** The same for every attempt upon the same base: two that overlap cannot both store a key. */
export function fixedVersionId(secretArn: string, base: string): string {
  const hex = createHash("sha256").update(`${secretArn} ${base}`).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}
