import type { Clock } from "../clock";
import { SECRET_TAGS } from "../contract";
import type { ControlPlane } from "../control-plane/client";
import type { IntentReader } from "../intent-table/intent-reader";
import type { IntentRecord } from "../intent-table/stored-intent";
import { locateSecret, ownershipOf } from "../key/ownership";
import { type AgentKeyRecord, parseRecord } from "../key/stored-value";
import type { Fleet, ListedSecret } from "../secrets/fleet";
import { pendingApart, type SecretStore, versionWith } from "../secrets/secret-store";
import { HOUR_MS } from "../time";
import type { Unused } from "./use";

/**
 * Everything that is known of one agent instance and its key, as plain data; never a key. Two looks give it: a shallow one
 * at what Secrets Manager lists and the intent table holds, and a deep one at the value and at the Control Plane. What a look
 * has not seen is absent. Times in milliseconds since the epoch.
 */
export interface InstanceFacts extends ListedSecret {
  /** The instance's id in the configuration. */
  readonly id: string;
  readonly environment: string;
  /** Version under AWSCURRENT. */
  readonly currentVersionId?: string;
  readonly previousVersionId?: string;
  /** Version under AWSPENDING where that is not the current one: a rotation under way, or one that was left behind. */
  readonly pendingVersionId?: string;
  /** When that version was made. */
  readonly pendingSince?: number;
  /** Newest first. */
  readonly intents: readonly IntentRecord[];
  /** When the auditor last asked for a rotation that is not done yet. */
  readonly askedAt?: number;
  /** Absent if somebody was seen to read it. */
  readonly unused?: Unused;
  /** When the current key was issued, as its value said at the last look; remembered of keys that no rotation has promoted. */
  readonly issuedAt?: number;
  readonly deep?: DeepFacts;
}

/** What the value says, and the Control Plane of it. */
export interface DeepFacts {
  readonly lookedAt: number;
  readonly value: "readable" | "missing" | "unreadable";
  readonly key?: {
    readonly fingerprint: string;
    readonly agentInstanceId: string;
    readonly issuedAt: number;
    readonly previousKeyExpiresAt?: number;
    readonly accepted: boolean;
    /** Whether the Control Plane says elsewhere that it is valid, while it refuses it. */
    readonly vouchedFor?: true;
    /** Whose key it is, where it is accepted. */
    readonly belongsTo?: string;
  };
  /** The key before, as long as its grace period runs and for an hour longer. */
  readonly previousKey?: { readonly fingerprint: string; readonly accepted: boolean };
  /** `undefined`: the Control Plane has none of the id that the value names. */
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

/** What Secrets Manager lists and the intent table holds; one call more where AWSPENDING is apart from AWSCURRENT. */
export async function lookAt(
  { fleet }: { readonly fleet: Pick<Fleet, "versionTimes"> },
  listed: ListedSecret,
  intents: readonly IntentRecord[],
  remembered?: RememberedFacts,
): Promise<InstanceFacts> {
  return datePending(fleet, shallowFacts(listed, intents, remembered));
}

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

/** As configured, or else as its secret's name says. */
export function instanceIdOf({ tags, secretName }: ListedSecret): string {
  return tags[SECRET_TAGS.id] ?? secretName.split("/").at(-2) ?? secretName;
}

/** Adds since when AWSPENDING stands apart, where it does: one call. */
export async function datePending(
  fleet: Pick<Fleet, "versionTimes">,
  facts: InstanceFacts,
): Promise<InstanceFacts> {
  if (facts.pendingVersionId === undefined) return facts;
  const times = await fleet.versionTimes(facts.secretArn);
  return { ...facts, pendingSince: times.get(facts.pendingVersionId) ?? facts.lastChangedAt };
}

export interface DeepLook {
  readonly secrets: Pick<SecretStore, "readVersion">;
  readonly controlPlane: Pick<ControlPlane, "getInstance" | "checkAgentKey" | "vouchesFor">;
  readonly clock: Clock;
}

/** For how long after its end the old key is still asked about: whether it really has ended. */
const PROBED_AFTER_GRACE_MS = HOUR_MS;

/** One value, two calls of the Control Plane; inside a grace period the old value and one call more. Throws what they throw. */
export async function lookDeeply(deps: DeepLook, facts: InstanceFacts): Promise<InstanceFacts> {
  const { secrets, controlPlane } = deps;
  const current = await readRecord(secrets, facts.secretArn, facts.currentVersionId);
  if (typeof current === "string") {
    return { ...facts, deep: { lookedAt: deps.clock.now(), value: current } };
  }
  const check = await controlPlane.checkAgentKey(current.agentKey);
  const isVouchedFor = !check.accepted && (await controlPlane.vouchesFor(current.agentKey));
  const instance = await controlPlane.getInstance(current.agentInstanceId);
  const lookedAt = deps.clock.now();
  const previousKey =
    current.previousKeyExpiresAt !== undefined &&
    lookedAt < current.previousKeyExpiresAt + PROBED_AFTER_GRACE_MS
      ? await lookAtPrevious(deps, facts, current)
      : undefined;
  return {
    ...facts,
    deep: {
      lookedAt,
      value: "readable",
      key: {
        fingerprint: current.agentKey.fingerprint,
        agentInstanceId: current.agentInstanceId,
        issuedAt: current.issuedAt,
        ...(current.previousKeyExpiresAt === undefined
          ? {}
          : { previousKeyExpiresAt: current.previousKeyExpiresAt }),
        accepted: check.accepted,
        ...(isVouchedFor ? { vouchedFor: true } : {}),
        ...(check.accepted ? { belongsTo: check.agentInstanceId } : {}),
      },
      ...(previousKey ? { previousKey } : {}),
      ...(instance
        ? {
            instance: {
              name: instance.name,
              isActive: instance.isActive,
              ownership: ownershipOf(instance.description, locateSecret(facts.secretArn)),
              differs: differences(facts.tags, instance),
            },
          }
        : {}),
    },
  };
}

async function lookAtPrevious(
  { secrets, controlPlane }: DeepLook,
  { secretArn, previousVersionId }: InstanceFacts,
  current: AgentKeyRecord,
): Promise<DeepFacts["previousKey"]> {
  const previous = await readRecord(secrets, secretArn, previousVersionId);
  // A value that was stored again by hand is the same key, and somebody else's says nothing of this grace period.
  if (typeof previous === "string" || previous.agentKey.equals(current.agentKey)) return undefined;
  const { accepted } = await controlPlane.checkAgentKey(previous.agentKey);
  return { fingerprint: previous.agentKey.fingerprint, accepted };
}

async function readRecord(
  secrets: Pick<SecretStore, "readVersion">,
  secretArn: string,
  versionId: string | undefined,
): Promise<AgentKeyRecord | "missing" | "unreadable"> {
  const value = versionId === undefined ? undefined : await secrets.readVersion(secretArn, versionId);
  if (value === undefined) return "missing";
  try {
    return parseRecord(value);
  } catch {
    return "unreadable";
  }
}

/** An agent type may be configured by its name, which the Control Plane doesn't repeat: it is not compared. */
function differences(
  tags: Readonly<Record<string, string>>,
  instance: { readonly name: string; readonly accountId: string; readonly contactId: string },
): string[] {
  const said = {
    [SECRET_TAGS.name]: instance.name,
    [SECRET_TAGS.account]: instance.accountId,
    [SECRET_TAGS.contact]: instance.contactId,
  };
  return Object.entries(said)
    .filter(([tag, value]) => tags[tag] !== undefined && tags[tag] !== value)
    .map(([tag]) => tag);
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

/** The record of the promotion that made the current key current, where it has one. */
export function promotionOf({ intents, currentVersionId }: InstanceFacts): IntentRecord | undefined {
  return intents.find(({ outcome, versionId }) => outcome === "promoted" && versionId === currentVersionId);
}

/** Whether no rotation has promoted what is current, because a label was moved or a value stored by hand. */
export function isPutByHand({ intents, currentVersionId }: InstanceFacts): boolean {
  const newest = intents.find(({ outcome }) => outcome === "promoted");
  return newest !== undefined && newest.versionId !== currentVersionId;
}

/** When the current key was issued: as its value says, or else as the records and dates about it let suppose. */
export function keyIssuedAt(facts: InstanceFacts): number {
  const { deep, issuedAt, rotation, createdAt } = facts;
  return deep?.key?.issuedAt ?? issuedAt ?? promotionOf(facts)?.takenAt ?? rotation.lastAt ?? createdAt;
}

/** Until when the key before the current one is promised to work. */
export function graceEndsAt(facts: InstanceFacts): number | undefined {
  const { deep } = facts;
  return deep?.key ? deep.key.previousKeyExpiresAt : promotionOf(facts)?.previousKeyExpiresAt;
}
