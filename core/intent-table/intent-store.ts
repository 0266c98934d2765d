import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  paginateQuery,
  TransactionCanceledException,
  TransactionConflictException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { realSleep, type Sleep } from "../budget";
import { AUDITOR_PARTITION, INTENT_TABLE_KEYS } from "../contract";
import {
  type Intent,
  type IntentNote,
  type IntentOutcome,
  type IntentStore,
  type MintHalt,
  type MintPermit,
  type TakenIntent,
  VAIN_INSTANCES_HALT,
} from "../protocol/intent";
import { Stop } from "../protocol/stops";
import { text, time } from "./attributes";
import { keyOf, parseIntent, toAttributes, toItem } from "./stored-intent";

export type { Intent, IntentStore, TakenIntent } from "../protocol/intent";

/** Where the environment's record of a halt stands. */
const HALT_KEY = {
  [INTENT_TABLE_KEYS.partition]: { S: AUDITOR_PARTITION },
  [INTENT_TABLE_KEYS.sort]: { S: "minting" },
};
const storedHalt = v.object({
  vain: v.optional(
    v.pipe(
      v.object({ SS: v.array(v.string()) }),
      v.transform(({ SS }) => SS),
    ),
    { SS: [] },
  ),
  promotedAt: v.exactOptional(time),
  promotedOf: v.exactOptional(text),
});

/** Tries of a write that meets another one's transaction, and how much longer each waits than the one before, at the least. */
const WRITE_ATTEMPTS = 8;
const CONTENDED_MS = 50;

function isContended(error: unknown): boolean {
  if (error instanceof TransactionCanceledException)
    return (error.CancellationReasons ?? []).some(({ Code }) => Code === "TransactionConflict");
  return error instanceof TransactionConflictException;
}

const NOT_HALTED = {
  Key: HALT_KEY,
  ConditionExpression: "attribute_not_exists(vain) OR size(vain) < :halt",
  ExpressionAttributeValues: { ":halt": { N: String(VAIN_INSTANCES_HALT) } },
};
const OWN = "mint = :mint AND #owner = :owner";

type Condition = {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Record<string, AttributeValue>;
};

/** @param sleep between tries of a write that meets another one's transaction */
export function dynamoDbIntentStore(
  client: DynamoDBClient,
  tableName: string,
  sleep: Sleep = realSleep,
): IntentStore {
  const TableName = tableName;

  /** All mints of an environment meet at the record of the halt: a transaction that meets another one is sent again. */
  async function unlessContended<T>(write: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await write();
      } catch (error) {
        if (!isContended(error) || attempt === WRITE_ATTEMPTS) throw error;
        await sleep(CONTENDED_MS * attempt * (1 + Math.random()));
      }
    }
  }

  /** A mint's intent in one transaction with the condition that minting is not halted. */
  async function put(intent: Intent, condition: Condition, permit?: MintPermit): Promise<TakenIntent> {
    const ReturnValuesOnConditionCheckFailure = "ALL_OLD";
    const Put = {
      TableName,
      Item: toItem(intent),
      ...condition,
      ReturnValuesOnConditionCheckFailure,
    } as const;
    try {
      if (!permit) await client.send(new PutItemCommand(Put));
      else {
        const unlessHalted = permit.asCanary
          ? { Update: { TableName, ...canaryUnlessThereIsOne(intent) } }
          : { ConditionCheck: { TableName, ...NOT_HALTED } };
        const TransactItems = [{ Put }, unlessHalted];
        await unlessContended(() => client.send(new TransactWriteItemsCommand({ TransactItems })));
      }
      return { taken: true, intent };
    } catch (error) {
      const item = standingItem(error);
      if (!item) throw isRefusedByHalt(error) ? new Stop("minting-halted") : error;
      const standing = parseIntent(item);
      // The SDK repeats a write whose answer was lost; the refusal may then be our own first try's doing.
      const ours = standing.owner === intent.owner && standing.mint === intent.mint;
      return { taken: ours, intent: standing };
    }
  }

  const canaryUnlessThereIsOne = ({ secretArn, takenAt, attemptEndsAt }: Intent) => ({
    Key: HALT_KEY,
    UpdateExpression: "SET canary = :me, canaryUntil = :end",
    ConditionExpression: `${NOT_HALTED.ConditionExpression} OR attribute_not_exists(canary) OR canary = :me OR canaryUntil < :now`,
    ExpressionAttributeValues: {
      ...NOT_HALTED.ExpressionAttributeValues,
      ":me": { S: secretArn },
      ":end": { N: String(attemptEndsAt) },
      ":now": { N: String(takenAt) },
    },
  });

  async function update(intent: Intent, fields: IntentNote | IntentOutcome): Promise<void> {
    try {
      await client.send(new UpdateItemCommand({ TableName, ...changeOf(intent, fields) }));
    } catch (error) {
      // Another attempt has taken over by decision: the record is its to complete.
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  }

  const promotion = ({ secretArn }: Intent, at: number) => ({
    Key: HALT_KEY,
    UpdateExpression: "SET promotedAt = :at, promotedOf = :me REMOVE vain, canary, canaryUntil",
    ExpressionAttributeValues: { ":at": { N: String(at) }, ":me": { S: secretArn } },
  });

  return {
    take: (intent, permit) =>
      put(intent, { ConditionExpression: `attribute_not_exists(${INTENT_TABLE_KEYS.partition})` }, permit),
    retake: (intent, previous, permit) => put(intent, ownedAs(previous), permit),
    async read(secretArn, baseVersionId) {
      const { Item } = await client.send(
        new GetItemCommand({ TableName, Key: keyOf({ secretArn, baseVersionId }), ConsistentRead: true }),
      );
      return Item === undefined ? undefined : parseIntent(Item);
    },
    async ofSecret(secretArn) {
      const records: Intent[] = [];
      const query = {
        TableName,
        KeyConditionExpression: `${INTENT_TABLE_KEYS.partition} = :secret`,
        ExpressionAttributeValues: { ":secret": { S: secretArn } },
        ConsistentRead: true,
      };
      for await (const { Items = [] } of paginateQuery({ client }, query)) {
        records.push(...Items.map(parseIntent));
      }
      return records;
    },
    note: (intent, note) => update(intent, note),
    async settle(intent, outcome) {
      if (outcome.outcome !== "promoted") return update(intent, outcome);
      const ofHalt = { TableName, ...promotion(intent, outcome.settledAt) };
      try {
        const TransactItems = [{ Update: { TableName, ...changeOf(intent, outcome) } }, { Update: ofHalt }];
        await unlessContended(() => client.send(new TransactWriteItemsCommand({ TransactItems })));
      } catch (error) {
        if (!(error instanceof TransactionCanceledException)) throw error;
        // The record is another attempt's to complete; a key was promoted all the same.
        await unlessContended(() => client.send(new UpdateItemCommand(ofHalt)));
      }
    },
    async halt() {
      const { Item } = await client.send(
        new GetItemCommand({ TableName, Key: HALT_KEY, ConsistentRead: true }),
      );
      return Item === undefined ? { vain: [] } : (v.parse(storedHalt, Item) satisfies MintHalt);
    },
    async noteVain(secretArn) {
      const change = {
        UpdateExpression: "ADD vain :me",
        ExpressionAttributeValues: { ":me": { SS: [secretArn] } },
      };
      await unlessContended(() =>
        client.send(new UpdateItemCommand({ TableName, Key: HALT_KEY, ...change })),
      );
    },
  };
}

/** The record that stands where one was to be written. */
function standingItem(error: unknown): Record<string, AttributeValue> | undefined {
  if (error instanceof ConditionalCheckFailedException) return error.Item;
  return error instanceof TransactionCanceledException ? error.CancellationReasons?.[0]?.Item : undefined;
}

function isRefusedByHalt(error: unknown): boolean {
  if (!(error instanceof TransactionCanceledException)) return false;
  const [ofIntent, ofHalt] = error.CancellationReasons ?? [];
  return ofIntent?.Code === "None" && ofHalt?.Code === "ConditionalCheckFailed";
}

function ownedAs({ mint, owner }: Pick<Intent, "mint" | "owner">) {
  return {
    ConditionExpression: OWN,
    ExpressionAttributeNames: { "#owner": "owner" },
    ExpressionAttributeValues: { ":mint": { N: String(mint) }, ":owner": { S: owner } },
  };
}

function changeOf(intent: Intent, given: IntentNote | IntentOutcome) {
  const fields = Object.entries(toAttributes(given));
  const { ExpressionAttributeNames, ExpressionAttributeValues, ConditionExpression } = ownedAs(intent);
  return {
    Key: keyOf(intent),
    UpdateExpression: `SET ${fields.map(([name]) => `#${name} = :${name}`).join(", ")}`,
    ConditionExpression,
    ExpressionAttributeNames: {
      ...ExpressionAttributeNames,
      ...Object.fromEntries(fields.map(([name]) => [`#${name}`, name])),
    },
    ExpressionAttributeValues: {
      ...ExpressionAttributeValues,
      ...Object.fromEntries(fields.map(([name, value]) => [`:${name}`, value])),
    },
  };
}
