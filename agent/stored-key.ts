import { AGENT_KEY_FIELD, SCHEMA_VERSION } from "../core/contract";
import { AgentKey } from "../core/key/credential";
import { parseIso } from "../core/time";

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
  const time = typeof previousKeyExpiresAt === "string" ? parseIso(previousKeyExpiresAt) : undefined;
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

function unreadable(field: string): UnreadableStoredKeyError {
  return new UnreadableStoredKeyError(`the secret's value has a missing or unreadable field: ${field}`);
}
