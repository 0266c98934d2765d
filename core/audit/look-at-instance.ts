import type { Clock } from "../clock";
import { SECRET_TAGS } from "../contract";
import type { ControlPlane } from "../control-plane/client";
import type { IntentRecord } from "../intent-table/stored-intent";
import { locateSecret, ownershipOf } from "../key/ownership";
import { type AgentKeyRecord, parseRecord } from "../key/stored-value";
import type { Fleet, ListedSecret } from "../secrets/fleet";
import type { SecretStore } from "../secrets/secret-store";
import { HOUR_MS } from "../time";
import { type DeepFacts, type InstanceFacts, type RememberedFacts, shallowFacts } from "./facts";

/** The shallow look: what Secrets Manager lists and the intent table holds. It makes one call if AWSPENDING stands apart from AWSCURRENT. */
export async function lookAt(
  { fleet }: { readonly fleet: Pick<Fleet, "versionTimes"> },
  listed: ListedSecret,
  intents: readonly IntentRecord[],
  remembered?: RememberedFacts,
): Promise<InstanceFacts> {
  return datePending(fleet, shallowFacts(listed, intents, remembered));
}

/** Adds since when AWSPENDING stands apart. */
async function datePending(fleet: Pick<Fleet, "versionTimes">, facts: InstanceFacts): Promise<InstanceFacts> {
  if (facts.pendingVersionId === undefined) return facts;
  const times = await fleet.versionTimes(facts.secretArn);
  return { ...facts, pendingSince: times.get(facts.pendingVersionId) ?? facts.lastChangedAt };
}

/** What a deep look needs. */
export interface DeepLook {
  readonly secrets: Pick<SecretStore, "readVersion">;
  readonly controlPlane: Pick<ControlPlane, "getInstance" | "checkAgentKey">;
  readonly clock: Clock;
}

/** For how long after its grace period the old key is still asked about, to see whether it really has ended. */
const PROBED_AFTER_GRACE_MS = HOUR_MS;

/**
 * The deep look: reads one value and makes two calls of the Control Plane; inside a grace period it reads the old value too, and
 * makes one call more. Throws what the calls throw.
 */
export async function lookDeeply(deps: DeepLook, facts: InstanceFacts): Promise<InstanceFacts> {
  const { secrets, controlPlane } = deps;
  const current = await readRecord(secrets, facts.secretArn, facts.currentVersionId);
  if (typeof current === "string") {
    return { ...facts, deep: { lookedAt: deps.clock.now(), value: current } };
  }
  const check = await controlPlane.checkAgentKey(current.agentKey);
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
  // A value that was stored again by hand holds the same key. Another kind of value says nothing about this grace period.
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

/** The agent type is not compared: it may be configured by its name, which the Control Plane doesn't repeat. */
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
