import type { AgentInstance } from "../control-plane/client";
import { decideMint } from "../protocol/decision";
import { fixedVersionId, type Intent, NO_VERSION, openIntent, succeed, vainUpon } from "../protocol/intent";
import { MINT_RESERVE_MS, mintAndStore, settleOrWarn } from "../protocol/mint";
import { boundFacts, decideBound } from "../protocol/mint-bound";
import { Stop } from "../protocol/stops";
import { VersionConflictError, versionWith } from "../secrets/secret-store";
import { ownInstanceOfName } from "./adoption";
import { creation, refresh } from "./first-mint";
import { agentTypeIdOf } from "./instance-fields";
import { type Job, POLL_MS, type ProvisioningDeps, ProvisioningError } from "./provisioning";
import { readRecord } from "./stored-key";

const LONGEST_POLL_MS = 15_000;

/** The version under AWSCURRENT, or `NO_VERSION`, and the instance that is to have the key, if it is there already. */
interface FirstKey {
  readonly base: string;
  readonly existing: AgentInstance | undefined;
}

/**
 * Mints a key and stores it as AWSCURRENT, or waits for the attempt that is doing so. Gives the id of the key's instance,
 * which it creates if there is none. Called only while no rotation is configured.
 */
export async function obtainKey(
  deps: ProvisioningDeps,
  job: Job,
  { base, existing }: FirstKey,
): Promise<string> {
  const { input, controlPlane } = job;
  const agentTypeId = existing ? existing.agentTypeId : await agentTypeIdOf(job);
  for (;;) {
    if (deps.budget.remainingMs() < MINT_RESERVE_MS) {
      throw new Stop("out-of-time", `'${input.environment}/${input.id}', deploy again`);
    }
    const attempt = openIntent(
      {
        secretArn: input.secretArn,
        baseVersionId: base,
        versionId: fixedVersionId(input.secretArn, base),
        agentInstanceId: existing?.id ?? NO_VERSION,
      },
      { now: controlPlane.now(), remainingMs: deps.budget.remainingMs(), newId: deps.newId },
    );
    if (controlPlane.clockDiffers()) throw new Stop("clock-differs");
    const { taken, intent: standing } = await unlessHalted(deps, () =>
      deps.intents.take(attempt, { asCanary: base !== NO_VERSION }),
    );
    if (taken) return mintFirst(deps, job, standing, existing, agentTypeId);

    const appeared = await otherAttemptsKey(deps, job, base);
    if (appeared !== undefined) return appeared;
    const now = controlPlane.now();
    const course = decideMint({
      standing,
      stored: "empty",
      storedAt: 0,
      storedHere: false,
      wasPromoted: false,
      baseIsCurrent: true,
      bound: await boundOf(deps, standing, now),
      now,
    });
    if (course.course === "mint-again") {
      if (course.because === "timed-out") await deps.intents.noteVain(input.secretArn);
      const asCanary = base !== NO_VERSION || vainUpon(standing) > 0;
      const again = await unlessHalted(deps, () =>
        deps.intents.retake(succeed(standing, attempt), standing, { asCanary }),
      );
      if (again.taken) return mintFirst(deps, job, again.intent, await asItIsNow(job, existing), agentTypeId);
      continue;
    }
    if (course.course !== "stop") throw new Stop("mint-in-flight");
    if (course.state !== "mint-in-flight" || course.until === undefined) throw new Stop(course.state);
    await waitForOther(deps, job, standing, { now, until: course.until });
    // Any answer gives the Control Plane's time anew.
    await asItIsNow(job, existing);
  }
}

/** Waits while minting is halted: another instance's mint may end that. */
async function unlessHalted<T>(
  { budget, sleep }: Pick<ProvisioningDeps, "budget" | "sleep">,
  take: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await take();
    } catch (error) {
      const isHalted = error instanceof Stop && error.state === "minting-halted";
      if (!isHalted || budget.remainingMs() < MINT_RESERVE_MS + LONGEST_POLL_MS) throw error;
      await sleep(LONGEST_POLL_MS);
    }
  }
}

/** A first key that is minted in vain has no users, and whoever deploys again has looked at why. */
async function boundOf({ intents, gracePeriodMs }: ProvisioningDeps, standing: Intent, now: number) {
  const [records, halt] = [await intents.ofSecret(standing.secretArn), await intents.halt()];
  const base = standing.baseVersionId === NO_VERSION ? "none" : "dead";
  return decideBound(boundFacts({ records, standing, halt }, { base, gracePeriodMs, now }));
}

/** As long again as the other attempt has taken so far: soon at first, and seldom if it takes minutes. */
async function waitForOther(
  deps: ProvisioningDeps,
  { input }: Job,
  { takenAt }: Intent,
  { now, until }: { readonly now: number; readonly until: number },
): Promise<void> {
  const wait = Math.min(LONGEST_POLL_MS, Math.max(POLL_MS, now - takenAt));
  const end = new Date(until).toISOString();
  if (deps.budget.remainingMs() < MINT_RESERVE_MS + wait) {
    throw new ProvisioningError(
      `mint-in-flight: another attempt may still be minting the first key of '${input.environment}/${input.id}'; ` +
        `nothing was changed: deploy again after ${end}`,
    );
  }
  deps.log.info("waiting for another attempt's key", { id: input.id, until: end });
  await deps.sleep(wait);
}

/** The instance as it is now: an attempt before this one may have created it meanwhile. */
async function asItIsNow(job: Job, existing: AgentInstance | undefined): Promise<AgentInstance | undefined> {
  return existing ? job.controlPlane.getInstance(existing.id) : ownInstanceOfName(job);
}

async function otherAttemptsKey(deps: ProvisioningDeps, job: Job, base: string): Promise<string | undefined> {
  const { input } = job;
  const { versionStages } = await deps.secrets.describe(input.secretArn);
  const current = versionWith("AWSCURRENT", versionStages);
  if (current === undefined || current === base) return undefined;
  const value = await deps.secrets.readCurrent(input.secretArn);
  return value === undefined ? undefined : readRecord(job.secret, versionStages, value).agentInstanceId;
}

async function mintFirst(
  deps: ProvisioningDeps,
  job: Job,
  intent: Intent,
  existing: AgentInstance | undefined,
  agentTypeId: string,
): Promise<string> {
  const { input, controlPlane } = job;
  try {
    const minted = await mintAndStore(deps, {
      intent,
      first: existing ? refresh(deps, job, intent, existing) : creation(job, agentTypeId),
      // Only a create shows that it was applied: the name is there, with our marker.
      second: async () => {
        const created = existing ? undefined : await ownInstanceOfName(job);
        return created && refresh(deps, job, intent, created);
      },
      place: { secretId: input.secretArn, stage: "AWSCURRENT" },
      newId: deps.newId,
      now: () => controlPlane.now(),
    });
    const { agentKey, agentInstanceId } = minted.record;
    await settleOrWarn(deps, minted.intent, {
      outcome: "promoted",
      settledAt: controlPlane.now(),
      fingerprint: agentKey.fingerprint,
    });
    deps.log.info("first key stored", { id: input.id, fingerprint: agentKey.fingerprint });
    return agentInstanceId;
  } catch (error) {
    if (!(error instanceof VersionConflictError)) throw error;
    // Another attempt stored its key first: that one is the secret's.
    const stored = await otherAttemptsKey(deps, job, intent.baseVersionId);
    if (stored === undefined) throw new Stop("mint-in-flight");
    return stored;
  }
}
