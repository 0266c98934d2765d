import { type DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { AUDITOR_PARTITION, INTENT_TABLE_KEYS } from "../contract";
import { PROOF_LASTS_MS, type RefusalProofs } from "../protocol/refusal-proof";
import { number, text } from "./attributes";

const storedProof = v.object({
  fingerprint: text,
  at: number,
  by: v.pipe(text, v.picklist(["other-key", "looks"])),
});

/** The auditor's proofs, in its own partition of the table of intents. */
export function dynamoDbRefusalProofs(client: DynamoDBClient, tableName: string): RefusalProofs {
  const keyOf = (secretArn: string, baseVersionId: string) => ({
    [INTENT_TABLE_KEYS.partition]: { S: AUDITOR_PARTITION },
    [INTENT_TABLE_KEYS.sort]: { S: `${secretArn} refused ${baseVersionId}` },
  });
  return {
    async read(secretArn, baseVersionId) {
      const Key = keyOf(secretArn, baseVersionId);
      const { Item } = await client.send(
        new GetItemCommand({ TableName: tableName, Key, ConsistentRead: true }),
      );
      return Item && v.parse(storedProof, Item);
    },
    async write(secretArn, baseVersionId, { fingerprint, at, by }) {
      const Item = {
        ...keyOf(secretArn, baseVersionId),
        fingerprint: { S: fingerprint },
        at: { N: String(at) },
        by: { S: by },
        [INTENT_TABLE_KEYS.timeToLive]: { N: String(Math.ceil((at + PROOF_LASTS_MS) / 1_000)) },
      };
      await client.send(new PutItemCommand({ TableName: tableName, Item }));
    },
  };
}
