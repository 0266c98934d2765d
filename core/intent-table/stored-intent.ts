import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { HISTORY_KEPT_SECONDS, INTENT_TABLE_KEYS } from "../contract";
import { INTENT_OUTCOMES, type Intent, type IntentOutcome } from "../protocol/intent";
import { schemaOf } from "../schema";
import { flag, number, text, texts, toAttribute } from "./attributes";

/** What the history tells of an intent: all but whose it was, and what came of it once that is known. */
export type IntentRecord = Omit<Intent, "owner" | "idempotencyKey"> & Partial<Omit<IntentOutcome, "outcome">>;

/** The last one is so far from what a date can hold that any grace period can be added. */
const time = v.pipe(number, v.minValue(0), v.maxValue(Date.UTC(9999, 11, 31)));

const intentFields = {
  secretArn: text,
  baseVersionId: text,
  versionId: text,
  agentInstanceId: text,
  takenAt: time,
  // An earlier release did not write it.
  graceFrom: v.exactOptional(time),
  attemptEndsAt: time,
  mint: v.pipe(number, v.safeInteger(), v.minValue(0)),
  outcome: v.pipe(text, v.picklist(INTENT_OUTCOMES)),
  earlierMints: texts,
};

const storedIntent = schemaOf<Intent>()(
  v.pipe(
    v.object({ ...intentFields, owner: text, idempotencyKey: text }),
    v.transform((intent) => ({ ...intent, graceFrom: intent.graceFrom ?? intent.takenAt })),
  ),
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
    }),
    v.transform((record) => ({ ...record, graceFrom: record.graceFrom ?? record.takenAt })),
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
export function toAttributes(fields: Intent | IntentOutcome): Record<string, AttributeValue> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, toAttribute(value)]],
    ),
  );
}
