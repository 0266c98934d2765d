import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { INTENT_TABLE_KEYS } from "../contract";

/** `baseVersionId` of an intent for the first key of a secret. */
export const NO_VERSION = "none";

/**
 * The durable record that stands before every mint: keyed by the secret and by the version under AWSCURRENT when it was
 * taken, so that a second mint upon the same current key is never an accident. It is spent when AWSCURRENT leaves that
 * version, and then it is the history of that rotation. Nothing in it is a key. Times are on the Control Plane's clock.
 */
export interface Intent {
  readonly secretArn: string;
  /** The version under AWSCURRENT when the intent was taken, or `none`. */
  readonly baseVersionId: string;
  /** The version that the minted key is stored under. */
  readonly versionId: string;
  /** Names the attempt; settles whether a conditional write whose answer was lost was ours. */
  readonly owner: string;
  readonly agentInstanceId: string;
  readonly takenAt: number;
  /** When Lambda ends the attempt for good: nothing is sent by it later. */
  readonly attemptEndsAt: number;
  /** 1 for the first mint upon this base; each further one is a decision. */
  readonly mint: number;
  readonly idempotencyKey: string;
  /**
   * `open`: a mint may be on its way. `refused`: the Control Plane certainly did not mint. `lost`: it minted, and nobody
   * has the key. `promoted`: stored, tested, under AWSCURRENT. `dead`: stored, and proven refused.
   */
  readonly outcome: "open" | "refused" | "lost" | "promoted" | "dead";
  /** Earlier mints upon the same base, as `<mint>:<versionId>:<takenAt>`: every minted key is accounted for. */
  readonly earlierMints: readonly string[];
}

/** What is known after a mint, for the history. */
export interface IntentOutcome {
  readonly outcome: Exclude<Intent["outcome"], "open">;
  readonly settledAt: number;
  readonly fingerprint?: string;
  readonly previousFingerprint?: string;
  readonly previousKeyExpiresAt?: number;
  /** Whether the key before was still accepted after the promotion; absent where there was none. */
  readonly previousKeyHonoured?: boolean;
  /** Of the grace period, in milliseconds, when AWSCURRENT moved. */
  readonly graceLeftMs?: number;
}

export type TakenIntent =
  | { readonly taken: true; readonly intent: Intent }
  | { readonly taken: false; readonly intent: Intent };

export interface IntentStore {
  /** Writes the intent where there is none for its secret and base; else gives the one that stands. */
  take(intent: Intent): Promise<TakenIntent>;
  /** Replaces `previous` (same mint number and owner, or nothing happens) by `intent`; else gives the one that stands. */
  retake(intent: Intent, previous: Intent): Promise<TakenIntent>;
  /** Completes the record, if it is still this attempt's. */
  settle(intent: Intent, outcome: IntentOutcome): Promise<void>;
}

/** The history is kept for 400 days: over a year, so that four rotations are always there to look at. */
const KEPT_SECONDS = 400 * 24 * 60 * 60;

const number = v.pipe(
  v.object({ N: v.string() }),
  v.transform(({ N }) => Number(N)),
  v.finite(),
);
const text = v.pipe(
  v.object({ S: v.string() }),
  v.transform(({ S }) => S),
);
const storedIntent = v.object({
  secretArn: text,
  baseVersionId: text,
  versionId: text,
  owner: text,
  agentInstanceId: text,
  takenAt: number,
  attemptEndsAt: number,
  mint: number,
  idempotencyKey: text,
  outcome: v.pipe(text, v.picklist(["open", "refused", "lost", "promoted", "dead"])),
  earlierMints: v.pipe(
    v.object({ L: v.array(text) }),
    v.transform(({ L }) => L),
  ),
});

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
      const standing = v.parse(storedIntent, error.Item);
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
    async settle(intent, outcome) {
      const fields = Object.entries(outcome).filter(([, value]) => value !== undefined);
      try {
        await client.send(
          new UpdateItemCommand({
            TableName: tableName,
            Key: {
              [INTENT_TABLE_KEYS.partition]: { S: intent.secretArn },
              [INTENT_TABLE_KEYS.sort]: { S: intent.baseVersionId },
            },
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

function toItem(intent: Intent): Record<string, AttributeValue> {
  const item = Object.fromEntries(Object.entries(intent).map(([name, value]) => [name, toAttribute(value)]));
  item[INTENT_TABLE_KEYS.timeToLive] = { N: String(Math.floor(intent.takenAt / 1_000) + KEPT_SECONDS) };
  return item;
}

function toAttribute(value: string | number | boolean | readonly string[]): AttributeValue {
  if (typeof value === "string") return { S: value };
  if (typeof value === "number") return { N: String(value) };
  if (typeof value === "boolean") return { BOOL: value };
  return { L: value.map((item) => ({ S: item })) };
}
