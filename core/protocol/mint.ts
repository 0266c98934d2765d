import type { Budget, Sleep } from "../budget";
import type { IssuedKey } from "../control-plane/client";
import { type ControlPlaneError, isControlPlaneError } from "../control-plane/errors";
import { type AgentKeyRecord, serialiseRecord } from "../key/stored-value";
import type { Log } from "../log";
import { type NewVersion, type SecretStore, VersionConflictError } from "../secrets/secret-store";
import { type Intent, type IntentOutcome, type IntentStore, succeed, type Trouble, vainUpon } from "./intent";
import { MOST_MINTS_UPON_A_BASE } from "./mint-bound";
import { Stop } from "./stops";

/**
 * The one way in which a key comes into being, for rotation and provisioning alike: an intent that is ours, one call that
 * mints, one Put. Nothing else happens between the call and the Put, since until the Put returns the key exists only in this
 * memory.
 */

/** What mint, store, test and promotion may need; without it nothing is minted. */
export const MINT_RESERVE_MS = 45_000;
/** Between two tries while the Control Plane is asked too often: if it says nothing, and at the least. */
const LIMITED_MS = 15_000;
const LEAST_LIMITED_MS = 1_000;
/** Kept back from every retry, to say what went wrong. */
const LAST_WORDS_MS = 2_000;

export interface MintDeps {
  readonly secrets: Pick<SecretStore, "putVersion">;
  readonly intents: Pick<IntentStore, "retake" | "settle" | "note" | "noteVain">;
  readonly budget: Budget;
  readonly sleep: Sleep;
  readonly log: Log;
}

/** One way in which the Control Plane mints a key: the call, and what is stored of its answer. */
export interface Mint {
  /** Sent once for each intent. */
  readonly send: (idempotencyKey: string) => Promise<IssuedKey>;
  readonly toRecord: (minted: IssuedKey) => AgentKeyRecord;
}

export interface MintPlan {
  /** Ours: the store has confirmed it. */
  readonly intent: Intent;
  readonly first: Mint;
  /**
   * Asked if the answer was lost: the mint that comes next, if the first one was certainly applied, so that nothing of it is
   * in flight and a second one is a decision and not a guess. `undefined` if that is not certain.
   */
  readonly second: () => Promise<Mint | undefined>;
  /** Where the key is stored: under the intent's version. */
  readonly place: Omit<NewVersion, "versionId" | "value">;
  readonly newId: () => string;
  readonly now: () => number;
}

/** A key that was minted and stored, and the intent that now stands for it. */
export interface Minted {
  readonly record: AgentKeyRecord;
  readonly intent: Intent;
}

/**
 * Mints a key and stores it. Throws a `Stop`, or a `VersionConflictError` if the version holds another value: then the minted
 * key is lost, and the intent's record says so.
 */
export async function mintAndStore(deps: MintDeps, plan: MintPlan): Promise<Minted> {
  const { minted, mint, intent } = await mintOnce(deps, plan);
  if (!minted.agentKey.hasKnownFormat) {
    deps.log.warn("the Control Plane issued a key of an unknown format", {
      fingerprint: minted.agentKey.fingerprint,
    });
  }
  const record = mint.toRecord(minted);
  await storeUntilTimeIsUp(deps, plan, intent, record);
  return { record, intent };
}

async function mintOnce(
  deps: MintDeps,
  plan: MintPlan,
): Promise<{ readonly minted: IssuedKey; readonly mint: Mint; readonly intent: Intent }> {
  const { intent, first } = plan;
  let second: Mint | undefined;
  try {
    return { minted: await sendUnlessLimited(deps, first, intent), mint: first, intent };
  } catch (error) {
    const lost = await settleUnanswered(deps, plan, intent, error);
    second = vainUpon(intent) < MOST_MINTS_UPON_A_BASE ? await secondMint(plan) : undefined;
    if (!second) throw new Stop("mint-unanswered", lost.message);
  }
  const again = await deps.intents.retake(nextMint(intent, plan), intent, { asCanary: true });
  if (!again.taken) throw new Stop("mint-in-flight", `mint ${again.intent.mint} by another attempt`);
  try {
    const minted = await sendUnlessLimited(deps, second, again.intent);
    return { minted, mint: second, intent: again.intent };
  } catch (error) {
    const lost = await settleUnanswered(deps, plan, again.intent, error);
    throw new Stop("mint-unanswered", lost.message);
  }
}

/** If the Control Plane says that it is asked too often, nothing was minted: it is asked again as soon as it allows that. */
async function sendUnlessLimited(deps: MintDeps, mint: Mint, intent: Intent): Promise<IssuedKey> {
  for (;;) {
    try {
      return await mint.send(intent.idempotencyKey);
    } catch (error) {
      if (!isControlPlaneError(error, "rate-limited")) throw error;
      const delay = Math.max(LEAST_LIMITED_MS, error.retryAfterMs ?? LIMITED_MS);
      if (deps.budget.remainingMs() < delay + MINT_RESERVE_MS) throw error;
      await deps.sleep(delay);
    }
  }
}

/** If the Control Plane cannot be asked, nothing is certain. */
async function secondMint(plan: MintPlan): Promise<Mint | undefined> {
  try {
    return await plan.second();
  } catch (error) {
    if (isControlPlaneError(error)) return undefined;
    throw error;
  }
}

/** Writes down what the next attempts have to know, as far as it can be written. */
async function noteTrouble(
  { intents, log }: Pick<MintDeps, "intents" | "log">,
  intent: Intent,
  trouble: Trouble,
): Promise<void> {
  const notes = [() => intents.note(intent, { trouble }), () => intents.noteVain(intent.secretArn)];
  for (const note of notes) {
    await note().catch((error) => {
      log.warn("the trouble with the mint could not be noted", { trouble, reason: nameOf(error) });
    });
  }
}

/**
 * A definite refusal is no mint: the record says so, and the next attempt need not wait for this one's end. Gives back an
 * error that leaves open whether there was a mint. A key that was minted and cannot be read is lost, and never repeated here.
 */
async function settleUnanswered(
  deps: MintDeps,
  plan: MintPlan,
  intent: Intent,
  error: unknown,
): Promise<ControlPlaneError> {
  if (!isControlPlaneError(error)) throw error;
  if (error.kind === "unreadable-key") {
    await noteTrouble(deps, intent, "unreadable");
    await settleOrWarn(deps, intent, { outcome: "lost", settledAt: plan.now() });
    throw new Stop("mint-unreadable", error.message);
  }
  if (error.applied === "unknown") {
    deps.log.warn("the answer to the mint was lost", { mint: intent.mint, reason: error.message });
    await noteTrouble(deps, intent, "unanswered");
    return error;
  }
  await settleOrWarn(deps, intent, { outcome: "refused", settledAt: plan.now() });
  throw error.kind === "unauthorized" || error.kind === "forbidden"
    ? new Stop("operator-key-refused", error.message)
    : new Stop("mint-refused", error.message);
}

/** Completes the record when the attempt's end is certain already: a write that fails must not hide it. */
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
      reason: nameOf(error),
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
  record: AgentKeyRecord,
): Promise<void> {
  const { fingerprint } = record.agentKey;
  const version = { ...plan.place, value: serialiseRecord(record), versionId: intent.versionId };
  let isNoted = false;
  for (let delay = 200; ; delay = Math.min(delay * 2, 5_000)) {
    try {
      await deps.secrets.putVersion(version);
      return;
    } catch (error) {
      if (error instanceof VersionConflictError) {
        await deps.intents.settle(intent, { outcome: "lost", settledAt: plan.now(), fingerprint });
        throw error;
      }
      const reason = nameOf(error);
      deps.log.error("storing the new key failed", { fingerprint, reason });
      // At once, and not at the end: what this key meets may meet the others that are minted meanwhile.
      if (!isNoted) await noteTrouble(deps, intent, "unstored");
      isNoted = true;
      if (deps.budget.remainingMs() < delay + LAST_WORDS_MS) {
        throw new Stop("store-failed", `key ${fingerprint}, ${reason}`);
      }
      await deps.sleep(delay);
    }
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown";
}
