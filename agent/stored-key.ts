import { AGENT_KEY_FIELD } from "../core/contract";
import { AgentKey } from "../core/key/credential";

/** What an agent needs of the secret's value. */
export interface StoredKey {
  readonly agentKey: AgentKey;
  /** Until when the key that this one has replaced still works, in milliseconds since the epoch; absent if there is none. */
  readonly previousKeyExpiresAt?: number;
}

/** The text names the field at fault, and never holds any of the value. */
export class UnreadableStoredKeyError extends Error {
  override readonly name = "UnreadableStoredKeyError";
}

const SCHEMA_VERSION = "1";
const TIME = /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/**
 * Asks for no more than an agent needs, so that a value that somebody has edited by hand still gives its key. The Python
 * library judges as this does: `clients/python/tests/stored-values.json` has the cases of both.
 *
 * @throws UnreadableStoredKeyError
 */
export function parseStoredKey(value: string): StoredKey {
  let fields: unknown;
  try {
    fields = JSON.parse(value);
  } catch {
    fields = undefined;
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new UnreadableStoredKeyError("the secret's value is not a JSON object");
  }
  const {
    schemaVersion,
    [AGENT_KEY_FIELD]: text,
    previousKeyExpiresAt = "",
  } = fields as Record<string, unknown>;
  if (schemaVersion !== SCHEMA_VERSION) throw unreadable("schemaVersion");
  const agentKey = keyOf(text);
  if (previousKeyExpiresAt === "") return { agentKey };
  const time = timeOf(previousKeyExpiresAt);
  if (time === undefined) throw unreadable("previousKeyExpiresAt");
  return { agentKey, previousKeyExpiresAt: time };
}

function keyOf(text: unknown): AgentKey {
  try {
    return new AgentKey(text as string);
  } catch {
    throw unreadable(AGENT_KEY_FIELD);
  }
}

function timeOf(text: unknown): number | undefined {
  const [, year, month, day] = TIME.exec(typeof text === "string" ? text : "") ?? [];
  // `Date` takes the 30th of February for the 2nd of March.
  const daysOfMonth = new Date(Date.UTC(2000 + (Number(year) % 400), Number(month), 0)).getUTCDate();
  const isDay = Number(year) > 0 && Number(month) <= 12 && Number(day) > 0 && Number(day) <= daysOfMonth;
  return isDay && Number(month) > 0 ? Date.parse(text as string) : undefined;
}

function unreadable(field: string): UnreadableStoredKeyError {
  return new UnreadableStoredKeyError(`the secret's value has a missing or unreadable field: ${field}`);
}
