import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { HISTORY_KEPT_SECONDS, INTENT_TABLE_KEYS } from "../contract";
import {
  INTENT_OUTCOMES,
  type Intent,
  type IntentNote,
  type IntentOutcome,
  TROUBLES,
} from "../protocol/intent";
import { schemaOf } from "../schema";
import { flag, number, numbers, text, texts, time, toAttribute } from "./attributes";

/** What the history tells of an intent: all but whose it was, and what came of it once that is known. */
export type IntentRecord = Omit<Intent, "owner" | "idempotencyKey"> & Partial<Omit<IntentOutcome, "outcome">>;

const count = v.pipe(number, v.safeInteger(), v.minValue(0));

const intentFields = {
  secretArn: text,
  baseVersionId: text,
  versionId: text,
  agentInstanceId: text,
  takenAt: time,
  // An earlier release did not write it.
  graceFrom: v.exactOptional(time),
  attemptEndsAt: time,
  mint: count,
  outcome: v.pipe(text, v.picklist(INTENT_OUTCOMES)),
  earlierMints: texts,
  // The same holds for these three.
  mintedAt: v.exactOptional(numbers),
  inVain: v.exactOptional(count),
  ordered: v.exactOptional(flag),
  trouble: v.exactOptional(v.pipe(text, v.picklist(TROUBLES))),
  writeProvenAt: v.exactOptional(time),
  uponLooks: v.exactOptional(flag),
};

/**
 * What an earlier release did not write. It kept no account of the mints that count: there was one at the least, if a grace period
 * had begun before this mint was asked for.
 */
function complete<T extends Partial<Intent> & Pick<Intent, "takenAt">>(stored: T) {
  const { takenAt, graceFrom = takenAt } = stored;
  const mintedAt = stored.mintedAt ?? (graceFrom === takenAt ? [] : [graceFrom]);
  const { inVain = mintedAt.length, ordered = false } = stored;
  return { ...stored, graceFrom, mintedAt, inVain, ordered };
}

const storedIntent = schemaOf<Intent>()(
  v.pipe(v.object({ ...intentFields, owner: text, idempotencyKey: text }), v.transform(complete)),
);

const storedRecord = schemaOf<IntentRecord>()(
  v.pipe(
    v.object({
      ...intentFields,
      settledAt: v.exactOptional(time),
      fingerprint: v.exactOptional(text),
      previousFingerprint: v.exactOptional(text),
      previousKeyExpiresAt: v.exactOptional(number),
      previousKeyHonoured: v.exactOptional(flag),
      graceLeftMs: v.exactOptional(number),
      untested: v.exactOptional(flag),
    }),
    v.transform(complete),
  ),
);

/** The item is not an intent that this project wrote. The text names the field, and holds none of its value. */
export class UnreadableIntentError extends Error {
  override readonly name = "UnreadableIntentError";
}

/** Throws an `UnreadableIntentError` that names the first field at fault. */
export function parseIntent(item: unknown): Intent {
  return read(storedIntent, item);
}

/** Throws an `UnreadableIntentError` that names the first field at fault. */
export function parseIntentRecord(item: unknown): IntentRecord {
  return read(storedRecord, item);
}

function read<Schema extends v.GenericSchema>(schema: Schema, item: unknown): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, item);
  if (parsed.success) return parsed.output;
  const field = String(parsed.issues[0].path?.[0].key ?? "(whole item)");
  throw new UnreadableIntentError(`the stored intent has a missing or unreadable field: ${field}`);
}

export function keyOf({ secretArn, baseVersionId }: Pick<Intent, "secretArn" | "baseVersionId">) {
  return {
    [INTENT_TABLE_KEYS.partition]: { S: secretArn },
    [INTENT_TABLE_KEYS.sort]: { S: baseVersionId },
  };
}

export function toItem(intent: Intent): Record<string, AttributeValue> {
  return {
    ...toAttributes(intent),
    [INTENT_TABLE_KEYS.timeToLive]: { N: String(Math.floor(intent.takenAt / 1_000) + HISTORY_KEPT_SECONDS) },
  };
}

/** Fields that are `undefined` are left out. */
export function toAttributes(fields: Intent | IntentNote | IntentOutcome): Record<string, AttributeValue> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, toAttribute(value)]],
    ),
  );
}
