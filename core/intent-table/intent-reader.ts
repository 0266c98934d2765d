import {
  type AttributeValue,
  type DynamoDBClient,
  paginateQuery,
  paginateScan,
} from "@aws-sdk/client-dynamodb";
import { INTENT_TABLE_KEYS } from "../contract";
import { type IntentRecord, parseIntentRecord } from "./stored-intent";

export interface IntentReader {
  /** All records of all secrets, in no order: with the auditor's journal about 1 kB for each rotation of the last 400 days. */
  all(): AsyncIterable<IntentRecord>;
  /** The records of one secret, oldest first. */
  ofSecret(secretArn: string): Promise<readonly IntentRecord[]>;
}

export function dynamoDbIntentReader(client: DynamoDBClient, tableName: string): IntentReader {
  return {
    async *all() {
      for await (const { Items = [] } of paginateScan({ client }, { TableName: tableName })) {
        yield* Items.filter(isIntent).map(parseIntentRecord);
      }
    },
    async ofSecret(secretArn) {
      const records: IntentRecord[] = [];
      const pages = paginateQuery(
        { client },
        {
          TableName: tableName,
          KeyConditionExpression: "#secret = :secret",
          ExpressionAttributeNames: { "#secret": INTENT_TABLE_KEYS.partition },
          ExpressionAttributeValues: { ":secret": { S: secretArn } },
          ConsistentRead: true,
        },
      );
      for await (const { Items = [] } of pages) records.push(...Items.map(parseIntentRecord));
      return records.sort((a, b) => a.takenAt - b.takenAt);
    },
  };
}

/** The auditor keeps its memory and its journal in the same table. */
function isIntent(item: Record<string, AttributeValue>): boolean {
  return item[INTENT_TABLE_KEYS.partition]?.S?.startsWith("arn:") ?? false;
}
