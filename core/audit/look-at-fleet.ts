import type { Sleep } from "../budget";
import type { IntentReader } from "../intent-table/intent-reader";
import type { IntentRecord } from "../intent-table/stored-intent";
import type { Fleet, ListedSecret } from "../secrets/fleet";
import { SECOND_MS } from "../time";
import { type InstanceFacts, instanceIdOf, shallowFacts } from "./facts";
import { lookAt } from "./look-at-instance";
import { nameOf, type Run } from "./run";
import { unspentIntent } from "./unfinished";
import type { Use } from "./use";

/** Pages of 100 secrets; Secrets Manager documents 100 calls a second. */
export const LISTS_PER_SECOND = 10;

export interface ReadIntents {
  readonly bySecret: ReadonlyMap<string, readonly IntentRecord[]>;
  /** Why they can't be read; then there are none. */
  readonly unreadable?: string;
}

export async function readIntents(intents: Pick<IntentReader, "all">): Promise<ReadIntents> {
  try {
    return { bySecret: await intentsBySecret(intents) };
  } catch (error) {
    return { bySecret: new Map(), unreadable: nameOf(error) };
  }
}

/** All records of the intent table, by secret. */
export async function intentsBySecret(
  intents: Pick<IntentReader, "all">,
): Promise<ReadonlyMap<string, readonly IntentRecord[]>> {
  const bySecret = new Map<string, IntentRecord[]>();
  for await (const record of intents.all()) {
    const records = bySecret.get(record.secretArn) ?? [];
    records.push(record);
    bySecret.set(record.secretArn, records);
  }
  return bySecret;
}

/** All secrets of the environment, as Secrets Manager lists them. */
export async function listFleet(
  { fleet, sleep }: { readonly fleet: Pick<Fleet, "list">; readonly sleep: Sleep },
  { settings }: Pick<Run, "settings">,
): Promise<ListedSecret[]> {
  const listed: ListedSecret[] = [];
  for await (const page of fleet.list(settings.nameStart, settings.nameEnd)) {
    listed.push(...page);
    await sleep(SECOND_MS / LISTS_PER_SECOND);
  }
  return listed;
}

/** What the list and the intents say of each instance. */
export async function lookAtFleet(
  { fleet, use }: { readonly fleet: Pick<Fleet, "describe" | "versionTimes">; readonly use: Use },
  { before }: Pick<Run, "before">,
  listed: readonly ListedSecret[],
  intents: ReadIntents["bySecret"],
): Promise<InstanceFacts[]> {
  const looks: InstanceFacts[] = [];
  for (const secret of listed) {
    const records = intents.get(secret.secretArn) ?? [];
    const remembered = {
      askedAt: before.askedAt[secret.secretArn],
      unused: use.of(instanceIdOf(secret)),
      issued: before.issued[secret.secretArn],
    };
    const look = shallowFacts(secret, records, remembered);
    // The list may be minutes behind. What may be acted upon is looked at as it is now.
    const isActedUpon = look.pendingVersionId !== undefined || unspentIntent(look) !== undefined;
    looks.push(
      isActedUpon
        ? await lookAt({ fleet }, await fleet.describe(secret.secretArn), records, remembered)
        : look,
    );
  }
  return looks;
}
