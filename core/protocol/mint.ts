import type { Budget, Sleep } from "../budget";
import type { IssuedKey } from "../control-plane/client";
import { type ControlPlaneError, isControlPlaneError } from "../control-plane/errors";
import type { Log } from "../log";
import { type NewVersion, type SecretStore, VersionConflictError } from "../secrets/secret-store";
import { Stop } from "./decision";
import { type Intent, type IntentOutcome, type IntentStore, succeed } from "./intent";

/**
 * The one way a key comes into being, for both functions: an intent that is ours, one call that issues, one Put. Between
 * the call and the Put there is nothing else, since until the Put returns the key exists only in this memory.
 */

/** What issue, store, test and promotion may need; without it nothing is minted. */
export const MINT_RESERVE_MS = 45_000;
/** Kept back from every retry, to say what went wrong. */
const LAST_WORDS_MS = 2_000;

export interface MintDeps {
  readonly secrets: Pick<SecretStore, "putVersion">;
  readonly intents: Pick<IntentStore, "retake" | "settle">;
  readonly budget: Budget;
  readonly sleep: Sleep;
  readonly log: Log;
}

export interface MintPlan {
  /** Ours: the store has confirmed it. */
  readonly intent: Intent;
  /** The Control Plane's call that issues a key. Made once for each intent. */
  readonly issue: (idempotencyKey: string) => Promise<IssuedKey>;
  /**
   * Asked where the answer was lost: whether the call was certainly applied, so that nothing of it is in flight and a
   * second mint is a decision and not a guess.
   */
  readonly wasApplied: () => Promise<boolean>;
  /** The second call, where the first was applied and its key is lost. */
  readonly reissue: (idempotencyKey: string) => Promise<IssuedKey>;
  readonly toVersion: (issued: IssuedKey) => Omit<NewVersion, "versionId">;
  readonly newId: () => string;
  readonly now: () => number;
}

/**
 * Gives the key that was minted and stored, and the intent that now stands for it. Throws a `Stop`, or a
 * `VersionConflictError` where the version holds another value: then the minted key is lost, and the record says so.
 */
export async function mintAndStore(
  deps: MintDeps,
  plan: MintPlan,
): Promise<{ readonly issued: IssuedKey; readonly intent: Intent }> {
  const { issued, intent } = await issueOnce(deps, plan);
  if (!issued.agentKey.hasKnownFormat) {
    deps.log.warn("the Control Plane issued a key of an unknown format", {
      fingerprint: issued.agentKey.fingerprint,
    });
  }
  await storeUntilTimeIsUp(deps, plan, intent, issued);
  return { issued, intent };
}

async function issueOnce(deps: MintDeps, plan: MintPlan): Promise<{ issued: IssuedKey; intent: Intent }> {
  const { intent } = plan;
  try {
    return { issued: await plan.issue(intent.idempotencyKey), intent };
  } catch (error) {
    const lost = await settleRefusal(deps, plan, intent, error);
    deps.log.warn("the answer to the mint was lost", { mint: intent.mint, reason: lost.message });
    if (!(await certainlyApplied(plan))) throw new Stop("mint-unanswered", lost.message);
  }
  const again = await deps.intents.retake(nextMint(intent, plan), intent);
  if (!again.taken) throw new Stop("mint-in-flight", `mint ${again.intent.mint} by another attempt`);
  try {
    return { issued: await plan.reissue(again.intent.idempotencyKey), intent: again.intent };
  } catch (error) {
    const lost = await settleRefusal(deps, plan, again.intent, error);
    throw new Stop("mint-unanswered", lost.message);
  }
}

/** Where the Control Plane cannot be asked, nothing is certain. */
async function certainlyApplied(plan: MintPlan): Promise<boolean> {
  try {
    return await plan.wasApplied();
  } catch (error) {
    if (isControlPlaneError(error)) return false;
    throw error;
  }
}

/**
 * A definite refusal is no mint: the record says so, and the next attempt need not wait for this one's end. Gives an error
 * that leaves open whether there was a mint.
 */
async function settleRefusal(
  deps: MintDeps,
  plan: MintPlan,
  intent: Intent,
  error: unknown,
): Promise<ControlPlaneError> {
  if (!isControlPlaneError(error)) throw error;
  if (error.applied === "unknown") return error;
  await settleOrWarn(deps, intent, { outcome: "refused", settledAt: plan.now() });
  throw error.kind === "unauthorized" || error.kind === "forbidden"
    ? new Stop("operator-key-refused", error.message)
    : new Stop("mint-refused", error.message);
}

/** Completes the record where the attempt's end is certain already: a write that fails must not hide it. */
export async function settleOrWarn(
  { intents, log }: { readonly intents: Pick<IntentStore, "settle">; readonly log: Log },
  intent: Intent,
  outcome: IntentOutcome,
): Promise<void> {
  try {
    await intents.settle(intent, outcome);
  } catch (error) {
    log.warn("the record of the mint could not be completed", {
      outcome: outcome.outcome,
      reason: error instanceof Error ? error.name : "unknown",
    });
  }
}

/** The intent of the next mint upon the same base, by the same attempt. */
function nextMint(intent: Intent, plan: Pick<MintPlan, "newId" | "now">): Intent {
  return succeed(intent, { ...intent, takenAt: plan.now(), idempotencyKey: plan.newId(), outcome: "open" });
}

async function storeUntilTimeIsUp(
  deps: MintDeps,
  plan: MintPlan,
  intent: Intent,
  issued: IssuedKey,
): Promise<void> {
  const { fingerprint } = issued.agentKey;
  const version = { ...plan.toVersion(issued), versionId: intent.versionId };
  for (let delay = 200; ; delay = Math.min(delay * 2, 5_000)) {
    try {
      await deps.secrets.putVersion(version);
      return;
    } catch (error) {
      if (error instanceof VersionConflictError) {
        await deps.intents.settle(intent, { outcome: "lost", settledAt: plan.now(), fingerprint });
        throw error;
      }
      const reason = error instanceof Error ? error.name : "unknown";
      deps.log.error("storing the new key failed", { fingerprint, reason });
      if (deps.budget.remainingMs() < delay + LAST_WORDS_MS) {
        throw new Stop("store-failed", `key ${fingerprint}, ${reason}`);
      }
      await deps.sleep(delay);
    }
  }
}
