import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { HISTORY_KEPT_SECONDS, INTENT_TABLE_KEYS } from "../contract";
import { INTENT_OUTCOMES, type Intent, type IntentStore, type TakenIntent } from "../protocol/intent";
import { number, text, texts } from "./attributes";

export type { Intent, IntentStore, TakenIntent } from "../protocol/intent";

/** The last one is so far from what a date can hold that any grace period can be added. */
const time = v.pipe(number, v.minValue(0), v.maxValue(Date.UTC(9999, 11, 31)));
const storedIntent = v.pipe(
  v.object({
    secretArn: text,
    baseVersionId: text,
    versionId: text,
    owner: text,
    agentInstanceId: text,
    takenAt: time,
    graceFrom: v.optional(time),
    attemptEndsAt: time,
    mint: v.pipe(number, v.safeInteger(), v.minValue(0)),
    idempotencyKey: text,
    outcome: v.pipe(text, v.picklist(INTENT_OUTCOMES)),
    earlierMints: texts,
  }),
  v.transform((intent) => ({ ...intent, graceFrom: intent.graceFrom ?? intent.takenAt })),
);

/** The item is not an intent that this project wrote. The text names the field, and holds none of its value. */
export class UnreadableIntentError extends Error {
  override readonly name = "UnreadableIntentError";
}

/** Throws an `UnreadableIntentError` that names the first field at fault. */
export function parseIntent(item: unknown): Intent {
  const parsed = v.safeParse(storedIntent, item);
  if (parsed.success) return parsed.output;
  const field = String(parsed.issues[0].path?.[0].key ?? "(whole item)");
  throw new UnreadableIntentError(`the stored intent has a missing or unreadable field: ${field}`);
}

export function dynamoDbIntentStore(client: DynamoDBClient, tableName: string): IntentStore {
  async function put(
    intent: Intent,
    condition: string,
    values?: Record<string, AttributeValue>,
  ): Promise<TakenIntent> {
    try {
      await client.send(
        new PutItemCommand({
          TableName: tableName,
          Item: toItem(intent),
          ConditionExpression: condition,
          ...(values
            ? { ExpressionAttributeNames: { "#owner": "owner" }, ExpressionAttributeValues: values }
            : {}),
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
      );
      return { taken: true, intent };
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException) || !error.Item) throw error;
      const standing = parseIntent(error.Item);
      // The SDK repeats a write whose answer was lost; the refusal may then be our own first try's doing.
      const ours = standing.owner === intent.owner && standing.mint === intent.mint;
      return { taken: ours, intent: standing };
    }
  }

  return {
    take: (intent) => put(intent, `attribute_not_exists(${INTENT_TABLE_KEYS.partition})`),
    retake: (intent, previous) =>
      put(intent, "mint = :mint AND #owner = :owner", {
        ":mint": { N: String(previous.mint) },
        ":owner": { S: previous.owner },
      }),
    async read(secretArn, baseVersionId) {
      const { Item } = await client.send(
        new GetItemCommand({
          TableName: tableName,
          Key: keyOf({ secretArn, baseVersionId }),
          ConsistentRead: true,
        }),
      );
      return Item === undefined ? undefined : parseIntent(Item);
    },
    async settle(intent, outcome) {
      const fields = Object.entries(outcome).filter(([, value]) => value !== undefined);
      try {
        await client.send(
          new UpdateItemCommand({
            TableName: tableName,
            Key: keyOf(intent),
            UpdateExpression: `SET ${fields.map(([name]) => `#${name} = :${name}`).join(", ")}`,
            ConditionExpression: "mint = :mint AND #owner = :owner",
            ExpressionAttributeNames: {
              "#owner": "owner",
              ...Object.fromEntries(fields.map(([name]) => [`#${name}`, name])),
            },
            ExpressionAttributeValues: {
              ":mint": { N: String(intent.mint) },
              ":owner": { S: intent.owner },
              ...Object.fromEntries(fields.map(([name, value]) => [`:${name}`, toAttribute(value)])),
            },
          }),
        );
      } catch (error) {
        // Another attempt has taken over by decision: the record is its to complete.
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    },
  };
}

function keyOf({ secretArn, baseVersionId }: Pick<Intent, "secretArn" | "baseVersionId">) {
  return {
    [INTENT_TABLE_KEYS.partition]: { S: secretArn },
    [INTENT_TABLE_KEYS.sort]: { S: baseVersionId },
  };
}

function toItem(intent: Intent): Record<string, AttributeValue> {
  const item = Object.fromEntries(Object.entries(intent).map(([name, value]) => [name, toAttribute(value)]));
  item[INTENT_TABLE_KEYS.timeToLive] = {
    N: String(Math.floor(intent.takenAt / 1_000) + HISTORY_KEPT_SECONDS),
  };
  return item;
}

function toAttribute(value: string | number | boolean | readonly string[]): AttributeValue {
  if (typeof value === "string") return { S: value };
  if (typeof value === "number") return { N: String(value) };
  if (typeof value === "boolean") return { BOOL: value };
  return { L: value.map((item) => ({ S: item })) };
}
