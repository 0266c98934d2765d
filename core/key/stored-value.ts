import * as v from "valibot";
import { AGENT_KEY_FIELD, SCHEMA_VERSION, SECRET_TAGS } from "../contract";
import { schemaOf } from "../schema";
import { parseIso } from "../time";
import { AgentKey } from "./credential";

/** What is stored under one version of an agent key's secret. */
export interface AgentKeyRecord {
  readonly agentKey: AgentKey;
  readonly agentInstanceId: string;
  readonly agentInstanceName: string;
  readonly agentTypeId: string;
  readonly accountId: string;
  readonly contactId: string;
  readonly subscription: string;
  readonly pricing: string;
  readonly environment: string;
  readonly controlPlaneUrl: string;
  /** When the key was minted, in milliseconds since the epoch, on the Control Plane's clock. */
  readonly issuedAt: number;
  /**
   * Until when the key that this one's refresh replaced still works, on the Control Plane's clock. The version under
   * AWSPREVIOUS holds that key, unless somebody had refreshed elsewhere. Absent if no refresh is known: the key was created
   * with its instance, or a person stored it.
   */
  readonly previousKeyExpiresAt?: number;
}

/** The value is not one that this project wrote. The text never holds any of it. */
export class UnreadableSecretValueError extends Error {
  override readonly name = "UnreadableSecretValueError";
}

/**
 * What is written: flat JSON, every value a string and every field always there. ECS and the Lambda extension inject single
 * fields by name, and fail a task whose field is missing.
 */
type StoredValue = Readonly<
  Record<Exclude<keyof AgentKeyRecord, "agentKey"> | typeof AGENT_KEY_FIELD, string> & {
    schemaVersion: typeof SCHEMA_VERSION;
  }
>;

const LAST_TIME = Date.UTC(9999, 11, 31);
const text = v.pipe(v.string(), v.nonEmpty());
const optionalText = v.optional(v.string(), "");
/** A time to which a grace period can be added without leaving what a date can hold. */
const isoTime = v.pipe(
  v.string(),
  v.check((time) => (parseIso(time) ?? Number.POSITIVE_INFINITY) <= LAST_TIME),
);
const storedValue = schemaOf<StoredValue>()(
  v.object({
    schemaVersion: v.literal(SCHEMA_VERSION),
    [AGENT_KEY_FIELD]: text,
    agentInstanceId: text,
    agentInstanceName: optionalText,
    agentTypeId: optionalText,
    accountId: optionalText,
    contactId: optionalText,
    subscription: optionalText,
    pricing: optionalText,
    environment: optionalText,
    controlPlaneUrl: optionalText,
    issuedAt: isoTime,
    previousKeyExpiresAt: v.optional(v.union([v.literal(""), isoTime]), ""),
  }),
);

export function serialiseRecord(record: AgentKeyRecord): string {
  const { agentKey, issuedAt, previousKeyExpiresAt, ...mapping } = record;
  const value: StoredValue = {
    schemaVersion: SCHEMA_VERSION,
    [AGENT_KEY_FIELD]: agentKey.reveal(),
    ...mapping,
    issuedAt: new Date(issuedAt).toISOString(),
    previousKeyExpiresAt:
      previousKeyExpiresAt === undefined ? "" : new Date(previousKeyExpiresAt).toISOString(),
  };
  return JSON.stringify(value);
}

/** Throws an `UnreadableSecretValueError` that names the first field at fault. */
export function parseRecord(value: string): AgentKeyRecord {
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch {
    throw new UnreadableSecretValueError("the secret's value is not JSON");
  }
  const parsed = v.safeParse(storedValue, json);
  if (!parsed.success) {
    const field = String(parsed.issues[0].path?.[0].key ?? "(whole value)");
    throw new UnreadableSecretValueError(`the secret's value has a missing or unreadable field: ${field}`);
  }
  const {
    schemaVersion: _,
    [AGENT_KEY_FIELD]: keyText,
    issuedAt,
    previousKeyExpiresAt,
    ...mapping
  } = parsed.output;
  let agentKey: AgentKey;
  try {
    agentKey = new AgentKey(keyText);
  } catch {
    throw new UnreadableSecretValueError(
      `the secret's value has a missing or unreadable field: ${AGENT_KEY_FIELD}`,
    );
  }
  return {
    ...mapping,
    agentKey,
    issuedAt: Date.parse(issuedAt),
    ...(previousKeyExpiresAt === "" ? {} : { previousKeyExpiresAt: Date.parse(previousKeyExpiresAt) }),
  };
}

/** The instance as the Control Plane knows it, as far as the secret's value repeats it. */
export interface MappedInstance {
  readonly id: string;
  readonly name: string;
  readonly agentTypeId: string;
  readonly accountId: string;
  readonly contactId: string;
}

/** Makes a record from what the Control Plane says of the instance and what Terraform wrote into the secret's tags. */
export function composeRecord(
  minted: { readonly agentKey: AgentKey; readonly issuedAt: number; readonly previousKeyExpiresAt?: number },
  instance: MappedInstance,
  tags: Readonly<Record<string, string>>,
): AgentKeyRecord {
  return {
    agentKey: minted.agentKey,
    agentInstanceId: instance.id,
    agentInstanceName: instance.name,
    agentTypeId: instance.agentTypeId,
    accountId: instance.accountId,
    contactId: instance.contactId,
    subscription: tags[SECRET_TAGS.subscription] ?? "",
    pricing: tags[SECRET_TAGS.pricing] ?? "",
    environment: tags[SECRET_TAGS.environment] ?? "",
    controlPlaneUrl: tags[SECRET_TAGS.controlPlaneUrl] ?? "",
    issuedAt: minted.issuedAt,
    ...(minted.previousKeyExpiresAt === undefined
      ? {}
      : { previousKeyExpiresAt: minted.previousKeyExpiresAt }),
  };
}
