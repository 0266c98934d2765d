import { SECRET_TAGS } from "../contract";
import type { IntentRecord } from "../intent-table/stored-intent";
import type { ListedSecret } from "../secrets/fleet";
import { pendingApart, versionWith } from "../secrets/secret-store";
import type { Unused } from "./use";

/**
 * Everything that is known of one agent instance and its key, as plain data, and never the key itself. Two looks give it
 * (`look-at-instance.ts`): a shallow one at what Secrets Manager lists and the intent table holds, and a deep one at the value and
 * at the Control Plane. What no look has seen is absent. Times in milliseconds since the epoch.
 */
export interface InstanceFacts extends ListedSecret {
  /** The instance's id in the configuration. */
  readonly id: string;
  readonly environment: string;
  /** Version under AWSCURRENT. */
  readonly currentVersionId?: string;
  readonly previousVersionId?: string;
  /** Version under AWSPENDING if that is not the current one: a rotation is under way, or was left behind. */
  readonly pendingVersionId?: string;
  /** When that version was made. */
  readonly pendingSince?: number;
  /** Newest first. */
  readonly intents: readonly IntentRecord[];
  /** When the auditor last asked for a rotation that is not done yet. */
  readonly askedAt?: number;
  /** Absent if somebody was seen to read it. */
  readonly unused?: Unused;
  /** When the current key was issued, as its value said at the last look. It is remembered only if the key was put by hand. */
  readonly issuedAt?: number;
  readonly deep?: DeepFacts;
}

/** What the value says, and what the Control Plane says about it. */
export interface DeepFacts {
  readonly lookedAt: number;
  readonly value: "readable" | "missing" | "unreadable";
  readonly key?: {
    readonly fingerprint: string;
    readonly agentInstanceId: string;
    readonly issuedAt: number;
    readonly previousKeyExpiresAt?: number;
    readonly accepted: boolean;
    /** Whose key it is; absent if it is refused. */
    readonly belongsTo?: string;
  };
  /** The key before, as long as its grace period runs and for an hour longer. */
  readonly previousKey?: { readonly fingerprint: string; readonly accepted: boolean };
  /** Absent if the Control Plane has no instance of the id that the value names. */
  readonly instance?: {
    readonly name: string;
    readonly isActive: boolean;
    readonly ownership: "ours" | "theirs" | "unmarked";
    /** Tags of the secret that the Control Plane contradicts, by their keys. */
    readonly differs: readonly string[];
  };
}

/** What the auditor's memory has of one secret. */
export interface RememberedFacts {
  readonly askedAt?: number | undefined;
  readonly unused?: Unused | undefined;
  readonly issued?: IssuedVersion | undefined;
}

/** When the key of a version was issued, as its value says. */
export interface IssuedVersion {
  readonly versionId: string;
  readonly at: number;
}

/** What the list and the intents alone say. */
export function shallowFacts(
  listed: ListedSecret,
  intents: readonly IntentRecord[],
  { askedAt, unused, issued }: RememberedFacts = {},
): InstanceFacts {
  const current = versionWith("AWSCURRENT", listed.versionStages);
  const previous = versionWith("AWSPREVIOUS", listed.versionStages);
  const pending = pendingApart(listed.versionStages);
  return {
    ...listed,
    id: instanceIdOf(listed),
    environment: listed.tags[SECRET_TAGS.environment] ?? "",
    ...(current === undefined ? {} : { currentVersionId: current }),
    ...(previous === undefined ? {} : { previousVersionId: previous }),
    ...(pending === undefined ? {} : { pendingVersionId: pending }),
    intents: [...intents].sort((a, b) => b.takenAt - a.takenAt),
    ...(askedAt === undefined ? {} : { askedAt }),
    ...(unused === undefined ? {} : { unused }),
    ...(issued === undefined || issued.versionId !== current ? {} : { issuedAt: issued.at }),
  };
}

/** The id in the configuration, or else what the secret's name says. */
export function instanceIdOf({ tags, secretName }: ListedSecret): string {
  return tags[SECRET_TAGS.id] ?? secretName.split("/").at(-2) ?? secretName;
}

/** The record of the promotion that made the current key current. A key that was put by hand has none. */
export function promotionOf({ intents, currentVersionId }: InstanceFacts): IntentRecord | undefined {
  return intents.find(({ outcome, versionId }) => outcome === "promoted" && versionId === currentVersionId);
}

/** Whether no rotation has promoted what is current, because a label was moved or a value stored by hand. */
export function isPutByHand({ intents, currentVersionId }: InstanceFacts): boolean {
  const newest = intents.find(({ outcome }) => outcome === "promoted");
  return newest !== undefined && newest.versionId !== currentVersionId;
}

/** When the current key was issued: what its value says, or else the best guess from records and dates. */
export function keyIssuedAt(facts: InstanceFacts): number {
  const { deep, issuedAt, rotation, createdAt } = facts;
  return deep?.key?.issuedAt ?? issuedAt ?? promotionOf(facts)?.takenAt ?? rotation.lastAt ?? createdAt;
}

/** Until when the key before the current one is promised to work. */
export function graceEndsAt(facts: InstanceFacts): number | undefined {
  const { deep } = facts;
  return deep?.key ? deep.key.previousKeyExpiresAt : promotionOf(facts)?.previousKeyExpiresAt;
}
