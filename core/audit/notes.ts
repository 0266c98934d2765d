import type { Log } from "../log";
import type { InstanceFacts } from "./facts";
import type { AuditJournal } from "./journal";
import { nameOf } from "./run";

/** A journal that stops no audit: what it can't write is logged, and after that it writes nothing more. */
export function tolerant(journal: AuditJournal, log: Log): AuditJournal {
  let isBroken = false;
  const attempt = async (write: () => Promise<void>) => {
    if (isBroken) return;
    try {
      await write();
    } catch (error) {
      isBroken = true;
      log.error("the journal could not be written", { reason: nameOf(error) });
    }
  };
  return {
    asked: (secretArn, act) => attempt(() => journal.asked(secretArn, act)),
    probed: (secretArn, probe) => attempt(() => journal.probed(secretArn, probe)),
  };
}

/** Notes how long the key before really lives. The refusals of an inactive instance say nothing about it. */
export async function noteProbes(
  journal: Pick<AuditJournal, "probed">,
  facts: readonly InstanceFacts[],
): Promise<void> {
  for (const { secretArn, currentVersionId: versionId, deep } of facts) {
    const promisedUntil = deep?.key?.previousKeyExpiresAt;
    if (!deep?.previousKey || !deep.instance?.isActive) continue;
    if (versionId === undefined || promisedUntil === undefined) continue;
    await journal.probed(secretArn, { ...deep.previousKey, versionId, promisedUntil, at: deep.lookedAt });
  }
}
