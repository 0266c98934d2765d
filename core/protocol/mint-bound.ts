import { type Intent, type MintHalt, mintedUpon, type Trouble, vainUpon } from "./intent";

/**
 * How often a key may be minted upon the same base while no mint comes to its end. A mint cannot be undone, and each one may
 * end a key that agents use; so what keeps mints from being stored must be shown to be over before the next one. Pure.
 */

/** Mints upon one base without a promotion, while its key may still be accepted. */
export const MOST_MINTS_UPON_A_BASE = 3;
/** Mints of one secret upon any base, within the longer of a grace period and a day. */
export const MOST_MINTS_IN_A_WINDOW = 4;

const DAY_MS = 24 * 60 * 60_000;

export interface MintBoundFacts {
  /** Whether the key under the base works: `none` if there is none, `dead` only if its refusal is proven. */
  readonly base: "none" | "alive" | "dead";
  /** Mints upon this base since its last promotion that may have been applied, and that nobody ordered. */
  readonly inVain: number;
  /** When each mint of this secret that may have been applied was asked for, upon any base; ordered ones left out. */
  readonly mintedAt: readonly number[];
  /** What kept the last of those in vain from being stored; `undefined` if its key was stored and ended by somebody. */
  readonly trouble: Trouble | undefined;
  /** Whether a value was stored in this very secret since. */
  readonly writeProven: boolean;
  /** Whether a key of another instance of this environment was minted and promoted since. */
  readonly promotedElsewhere: boolean;
  readonly gracePeriodMs: number;
  readonly now: number;
}

type Account = Omit<Intent, "owner" | "idempotencyKey">;

/** The facts of a secret's records upon `base`, whose standing intent is one of them. */
export function boundFacts(
  { records, standing, halt }: { records: readonly Account[]; standing: Account | undefined; halt: MintHalt },
  view: Pick<MintBoundFacts, "base" | "gracePeriodMs" | "now">,
): MintBoundFacts {
  const lastInVain = standing && vainUpon(standing) > 0 ? Math.max(0, ...mintedUpon(standing)) : 0;
  const isElsewhere = halt.promotedOf !== standing?.secretArn;
  return {
    ...view,
    inVain: standing ? vainUpon(standing) : 0,
    mintedAt: records.flatMap(mintedUpon),
    trouble: standing?.trouble ?? (standing?.outcome === "dead" ? undefined : "unanswered"),
    writeProven: (standing?.writeProvenAt ?? 0) > lastInVain,
    promotedElsewhere: isElsewhere && (halt.promotedAt ?? 0) > lastInVain,
  };
}

export type MintBound =
  | { readonly may: "mint" }
  /** A value has to be stored first, one that changes nothing. */
  | { readonly may: "prove-write" }
  /** `until`: when the time alone allows another; absent if only evidence or a person can. */
  | { readonly may: "wait"; readonly state: "mint-bound" | "mint-unreadable"; readonly until?: number };

/** The longest that an earlier mint may still be what ends a key. */
export function mintWindowMs(gracePeriodMs: number): number {
  return Math.max(gracePeriodMs, DAY_MS);
}

export function decideBound(facts: MintBoundFacts): MintBound {
  const { base, inVain, mintedAt, trouble, writeProven, promotedElsewhere, gracePeriodMs, now } = facts;
  const window = mintWindowMs(gracePeriodMs);
  const recent = mintedAt.filter((at) => at > now - window).sort((a, b) => a - b);
  if (recent.length >= MOST_MINTS_IN_A_WINDOW) {
    const oldestThatCounts = recent[recent.length - MOST_MINTS_IN_A_WINDOW] ?? now;
    return { may: "wait", state: "mint-bound", until: oldestThatCounts + window };
  }
  if (inVain === 0 || base === "none") return { may: "mint" };
  const isBound = inVain >= MOST_MINTS_UPON_A_BASE;
  if (base === "alive") {
    if (isBound) return { may: "wait", state: "mint-bound" };
    if (trouble === "unreadable" && !promotedElsewhere) return { may: "wait", state: "mint-unreadable" };
    return trouble === "unstored" && !writeProven ? { may: "prove-write" } : { may: "mint" };
  }
  // Nothing is lost by a mint upon a dead key, but what keeps it from being stored would only repeat itself.
  if (trouble === "unstored") return writeProven ? { may: "mint" } : { may: "prove-write" };
  if (promotedElsewhere || (!isBound && trouble !== "unreadable")) return { may: "mint" };
  const last = Math.max(...mintedAt);
  if (now >= last + window) return { may: "mint" };
  const state = trouble === "unreadable" ? "mint-unreadable" : "mint-bound";
  return { may: "wait", state, until: last + window };
}
