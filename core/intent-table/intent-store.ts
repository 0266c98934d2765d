import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { INTENT_TABLE_KEYS } from "../contract";
import type { Intent, IntentStore, TakenIntent } from "../protocol/intent";
import { keyOf, parseIntent, toAttributes, toItem } from "./stored-intent";

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
      const fields = Object.entries(toAttributes(outcome));
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
              ...Object.fromEntries(fields.map(([name, value]) => [`:${name}`, value])),
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
