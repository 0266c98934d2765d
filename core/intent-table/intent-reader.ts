import {
  type AttributeValue,
  type DynamoDBClient,
  paginateQuery,
  paginateScan,
} from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { INTENT_TABLE_KEYS } from "../contract";
import { INTENT_OUTCOMES, type Intent, type IntentOutcome } from "../protocol/intent";
import { flag, number, text, texts } from "./attributes";

/** What the table of intents holds, as far as the auditor and the operator's screen look at it. Times are the Control Plane's. */
export type IntentRecord = Pick<
  Intent,
  | "secretArn"
  | "baseVersionId"
  | "versionId"
  | "agentInstanceId"
  | "takenAt"
  | "graceFrom"
  | "attemptEndsAt"
  | "mint"
  | "outcome"
  | "earlierMints"
> &
  Partial<Omit<IntentOutcome, "outcome">>;

export interface IntentReader {
  /** All records of all secrets, in no order: with the auditor's journal about 1 kB for each rotation of the last 400 days. */
  all(): AsyncIterable<IntentRecord>;
  /** The records of one secret, oldest first. */
  ofSecret(secretArn: string): Promise<readonly IntentRecord[]>;
}

const storedRecord = v.pipe(
  v.object({
    secretArn: text,
    baseVersionId: text,
    versionId: text,
    agentInstanceId: text,
    takenAt: number,
    graceFrom: v.optional(number),
    attemptEndsAt: number,
    mint: number,
    outcome: v.pipe(text, v.picklist(INTENT_OUTCOMES)),
    earlierMints: v.optional(texts, { L: [] }),
    settledAt: v.optional(number),
    fingerprint: v.optional(text),
    previousFingerprint: v.optional(text),
    previousKeyExpiresAt: v.optional(number),
    previousKeyHonoured: v.optional(flag),
    graceLeftMs: v.optional(number),
  }),
  v.transform(
    ({ graceFrom, ...record }) => ({ ...record, graceFrom: graceFrom ?? record.takenAt }) as IntentRecord,
  ),
);

export function dynamoDbIntentReader(client: DynamoDBClient, tableName: string): IntentReader {
  return {
    async *all() {
      for await (const { Items = [] } of paginateScan({ client }, { TableName: tableName })) {
        yield* Items.filter(isIntent).map((item) => v.parse(storedRecord, item));
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
      for await (const { Items = [] } of pages)
        records.push(...Items.map((item) => v.parse(storedRecord, item)));
      return records.sort((a, b) => a.takenAt - b.takenAt);
    },
  };
}

/** The auditor keeps its memory and its journal in the same table. */
function isIntent(item: Record<string, AttributeValue>): boolean {
  return item[INTENT_TABLE_KEYS.partition]?.S?.startsWith("arn:") ?? false;
}
