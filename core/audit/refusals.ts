import type { Log } from "../log";
import type { RefusalProof, RefusalProofs } from "../protocol/refusal-proof";
import { MINUTE_MS } from "../time";
import type { InstanceFacts } from "./facts";
import { nameOf, type Run } from "./run";

/** Looks at which one key was refused, the oldest first, by the secret's ARN. */
export type Refusals = Readonly<Record<string, SeenRefused>>;

export interface SeenRefused {
  readonly fingerprint: string;
  readonly at: readonly number[];
}

/** As many looks, over so long a time, show that a refusal is no passing thing where no other key can be asked. */
const LOOKS = 3;
const LOOKS_OVER_MS = 15 * MINUTE_MS;
/** A run may start a little earlier than an interval after the one before it. */
const EARLY_MS = MINUTE_MS;

export interface RefusalsSeen {
  readonly refusals: Refusals;
  readonly proofs: readonly (RefusalProof & {
    readonly secretArn: string;
    readonly baseVersionId: string;
  })[];
}

/**
 * Whose refusal can be believed. A mint upon a key that is believed to be dead, and is not, would end it: an answer that says
 * "refused" is believed if the same endpoint accepts another key in the same run, and else if it lasts.
 */
export function weighRefusals(facts: readonly InstanceFacts[], { before, now }: Run): RefusalsSeen {
  const looked = facts.filter(({ deep }) => deep?.key !== undefined);
  const acceptsSome = looked.some(({ deep }) => deep?.key?.accepted);
  const refused = looked.filter(isRefused);
  const lookedAt = new Set(looked.map(({ secretArn }) => secretArn));
  const stillThere = new Set(facts.map(({ secretArn }) => secretArn));
  const kept = Object.entries(before.refusals ?? {}).filter(
    ([secretArn]) => stillThere.has(secretArn) && !lookedAt.has(secretArn),
  );
  const seen = refused.map((each): [string, SeenRefused] => {
    const fingerprint = each.deep?.key?.fingerprint ?? "";
    const last = before.refusals?.[each.secretArn];
    const at =
      last?.fingerprint === fingerprint
        ? [...last.at.slice(0, 1), ...last.at.slice(1).slice(2 - MOST_LOOKS_KEPT), now]
        : [now];
    return [each.secretArn, { fingerprint, at: [...new Set(at)] }];
  });
  const refusals = Object.fromEntries([...seen, ...kept].slice(0, MOST_REMEMBERED));
  const proofs = refused.flatMap(({ secretArn, currentVersionId }) => {
    const known = refusals[secretArn];
    if (!known || currentVersionId === undefined) return [];
    const { fingerprint, at } = known;
    const by = acceptsSome ? "other-key" : hasLasted(known) ? "looks" : undefined;
    return by ? [{ secretArn, baseVersionId: currentVersionId, fingerprint, at: now, by } as const] : [];
  });
  return { refusals, proofs };
}

/** Whether a key was refused at enough looks over enough time. */
export function hasLasted({ at }: SeenRefused): boolean {
  const [first = 0] = at;
  return at.length >= LOOKS && (at.at(-1) ?? 0) - first >= LOOKS_OVER_MS - EARLY_MS;
}

const MOST_LOOKS_KEPT = 5;
/** A record of DynamoDB has 400 kB. */
const MOST_REMEMBERED = 500;

/**
 * A key that is refused though its instance is there and active, and though nothing else says that it works: something is the
 * matter with the key alone.
 */
export function isRefused({ deep }: InstanceFacts): boolean {
  return deep?.key?.accepted === false && !deep.key.vouchedFor && deep.instance?.isActive === true;
}

/** Leaves the proofs where the rotation function asks for them. One that can't be written is left by the next run. */
export async function leaveProofs(
  { proofs: store, log }: { readonly proofs: Pick<RefusalProofs, "write">; readonly log: Log },
  proofs: RefusalsSeen["proofs"],
): Promise<void> {
  for (const { secretArn, baseVersionId, ...proof } of proofs) {
    try {
      await store.write(secretArn, baseVersionId, proof);
    } catch (error) {
      log.error("the proof of a refusal could not be written", { secret: secretArn, reason: nameOf(error) });
    }
  }
}
