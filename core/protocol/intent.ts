import { createHash } from "node:crypto";

/** `baseVersionId` of an intent for the first key of a secret. */
export const NO_VERSION = "none";

/** Why the key of a mint that may have been applied is not stored. */
export const TROUBLES = [
  /** No answer came, or none that says whether a key was minted; or the attempt died. */
  "unanswered",
  /** The Control Plane answered with success, and no key could be read in its answer. */
  "unreadable",
  /** Secrets Manager did not store the key. */
  "unstored",
] as const;
export type Trouble = (typeof TROUBLES)[number];

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
  /** When those of them were asked for that may have been applied and that nobody ordered, oldest first; the last 8. */
  readonly mintedAt: readonly number[];
  /** How many of these came after the last promotion from this base. */
  readonly inVain: number;
  /** Whether an operator has ordered this mint: it counts towards no bound. */
  readonly ordered: boolean;
  /** What keeps the key of this mint, or else of the last one in vain, from being stored; absent if nobody saw any trouble. */
  readonly trouble?: Trouble;
  /** When a value was last stored that changes nothing, after a key could not be stored. */
  readonly writeProvenAt?: number;
  /** Whether the current key was refused and no other key could show that refusals are to be believed. */
  readonly uponLooks?: boolean;
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
  /** Promoted although nobody could test it, since the key before was about to end. */
  readonly untested?: boolean;
}

/** What is noted of a mint before its end. */
export type IntentNote = Pick<Partial<Intent>, "trouble" | "writeProvenAt">;

export type TakenIntent =
  | { readonly taken: true; readonly intent: Intent }
  | { readonly taken: false; readonly intent: Intent };

export interface IntentStore {
  /**
   * Writes the intent if there is none for its secret and base; else gives the one that stands. Throws the `Stop`
   * `minting-halted` if minting is halted, and this is not the one mint that may end the halt.
   * @param permit of a mint; an operator's order mints nothing and has none
   */
  take(intent: Intent, permit?: MintPermit): Promise<TakenIntent>;
  /** Replaces `previous` (same mint number and owner, or nothing happens) by `intent`; else as `take`. */
  retake(intent: Intent, previous: Intent, permit?: MintPermit): Promise<TakenIntent>;
  /** The one that stands for a secret and a base; `undefined` where there is none. */
  read(secretArn: string, baseVersionId: string): Promise<Intent | undefined>;
  /** All that are kept of a secret, in no order. */
  ofSecret(secretArn: string): Promise<readonly Intent[]>;
  /** Adds to the record, if it is still this attempt's. */
  note(intent: Intent, note: IntentNote): Promise<void>;
  /** Completes the record, if it is still this attempt's. A promotion ends a halt of the environment's minting. */
  settle(intent: Intent, outcome: IntentOutcome): Promise<void>;
  halt(): Promise<MintHalt>;
  /** Says that a key of this secret was minted in vain. */
  noteVain(secretArn: string): Promise<void>;
}

/** Instances whose keys were minted in vain, without any promotion in between, before nothing is minted any more. */
export const VAIN_INSTANCES_HALT = 2;

/** What stands between one cause that meets every key and every key: one record for each environment. */
export interface MintHalt {
  /** ARNs of the secrets whose last mint was in vain, since the last promotion in the environment. */
  readonly vain: readonly string[];
  /** When a key was last promoted in the environment, and that of which secret. */
  readonly promotedAt?: number;
  readonly promotedOf?: string;
}

export function isHalted({ vain }: MintHalt): boolean {
  return vain.length >= VAIN_INSTANCES_HALT;
}

export interface MintPermit {
  /**
   * Whether this mint may be the one that shows that the cause of a halt has gone: it endangers no key that still works without
   * it. One at a time may.
   */
  readonly asCanary: boolean;
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
    mintedAt: [],
    inVain: 0,
    ordered: false,
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
export function succeed(standing: Intent, intent: Intent, { wasPromoted = false } = {}): Intent {
  return {
    ...intent,
    ...takenOver(standing, intent.takenAt, wasPromoted),
    mint: standing.mint + 1,
    ordered: standing.outcome === "ordered",
  };
}

const MINTS_KEPT = 8;

/** What a record that is written at `now` keeps of the standing one that it replaces. */
export function takenOver(
  standing: Intent,
  now: number,
  wasPromoted = false,
): Pick<
  Intent,
  "graceFrom" | "earlierMints" | "mintedAt" | "inVain" | "trouble" | "writeProvenAt" | "uponLooks"
> {
  const isSpent = wasPromoted || standing.outcome === "promoted";
  return {
    graceFrom: beganNoGrace(standing) ? now : standing.graceFrom,
    earlierMints: isOrder(standing)
      ? standing.earlierMints
      : [...standing.earlierMints, `${standing.mint}:${standing.versionId}:${standing.takenAt}`],
    mintedAt: mintedUpon(standing).slice(-MINTS_KEPT),
    inVain: isSpent ? 0 : vainUpon(standing),
    ...(isSpent || standing.trouble === undefined ? {} : { trouble: standing.trouble }),
    ...(isSpent || standing.writeProvenAt === undefined ? {} : { writeProvenAt: standing.writeProvenAt }),
    ...(isSpent || !standing.uponLooks ? {} : { uponLooks: true }),
  };
}

type MintAccount = Pick<Intent, "outcome" | "ordered" | "takenAt" | "mintedAt" | "inVain">;

/** When mints upon the record's base were asked for that may have been applied, its own included. */
export function mintedUpon(intent: MintAccount): readonly number[] {
  return counts(intent) ? [...intent.mintedAt, intent.takenAt] : intent.mintedAt;
}

/** How many mints upon the record's base were in vain so far, its own included. */
export function vainUpon(intent: MintAccount): number {
  if (intent.outcome === "promoted") return 0;
  return intent.inVain + Number(counts(intent));
}

function counts(intent: Pick<Intent, "outcome" | "ordered">): boolean {
  return !intent.ordered && !isOrder(intent) && intent.outcome !== "refused";
}

/** A refused mint, or an order, has begun no grace period. A mint before it may have. */
function beganNoGrace(standing: Intent): boolean {
  return (standing.outcome === "refused" || isOrder(standing)) && standing.graceFrom === standing.takenAt;
}
