import {
  type AttributeValue,
  type DynamoDBClient,
  paginateQuery,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { AUDITOR_PARTITION, HISTORY_KEPT_SECONDS, INTENT_TABLE_KEYS } from "../contract";
import { number, text, texts } from "../intent-table/attributes";

/** The auditor's asks for a rotation on one day of UTC, with the same cause and the same answer. */
export interface AskedRotation {
  /** When it was asked for, oldest first. */
  readonly askedAt: readonly number[];
  /** Names of findings. */
  readonly because: readonly string[];
  /** `asked`; `reattempted` if a rotation was unfinished; or the name of the error by which Secrets Manager refuses. */
  readonly answer: string;
}

/** How long the key before really lives, as far as the auditor has seen: it asks about every hour of the grace period. */
export interface PreviousKeyLife {
  /** The version under AWSCURRENT. */
  readonly versionId: string;
  readonly fingerprint: string;
  readonly promisedUntil: number;
  readonly lastAcceptedAt?: number;
  /** The first refusal after it was last accepted. */
  readonly firstRefusedAt?: number;
}

/** What the auditor did for one secret and saw of it, oldest first. */
export interface JournalEntries {
  readonly asked: readonly AskedRotation[];
  readonly previousKeys: readonly PreviousKeyLife[];
}

/**
 * What the auditor leaves to the history, beside the rotations' own records. It is in the table of intents, in a partition of its
 * own, and is kept as long as those. The auditor never reads it. Nothing in it is a key.
 */
export interface AuditJournal {
  asked(secretArn: string, act: Omit<AskedRotation, "askedAt"> & { readonly at: number }): Promise<void>;
  probed(secretArn: string, probe: Probe): Promise<void>;
}

export interface Probe extends Pick<PreviousKeyLife, "versionId" | "fingerprint" | "promisedUntil"> {
  readonly at: number;
  readonly accepted: boolean;
}

export interface JournalReader {
  ofSecret(secretArn: string): Promise<JournalEntries>;
}

const KINDS = { asked: "asked", previousKey: "previous-key" };

const storedAct = v.object({
  askedAt: v.pipe(
    v.object({ NS: v.array(v.string()) }),
    v.transform(({ NS }) => NS.map(Number).sort((a, b) => a - b)),
  ),
  because: texts,
  answer: text,
});
const storedLife = v.object({
  versionId: text,
  fingerprint: text,
  promisedUntil: number,
  lastAcceptedAt: v.exactOptional(number),
  firstRefusedAt: v.exactOptional(number),
});

export function dynamoDbAuditJournal(
  client: DynamoDBClient,
  tableName: string,
): AuditJournal & JournalReader {
  const { partition, sort, timeToLive } = INTENT_TABLE_KEYS;

  async function update(
    sortKey: string,
    at: number,
    UpdateExpression: string,
    values: Readonly<Record<string, AttributeValue>>,
  ): Promise<void> {
    await client.send(
      new UpdateItemCommand({
        TableName: tableName,
        Key: { [partition]: { S: AUDITOR_PARTITION }, [sort]: { S: sortKey } },
        UpdateExpression: `SET ${timeToLive} = :end, ${UpdateExpression}`,
        ExpressionAttributeValues: {
          ":end": { N: String(Math.floor(at / 1_000) + HISTORY_KEPT_SECONDS) },
          ...values,
        },
      }),
    );
  }

  return {
    async asked(secretArn, { at, because, answer }) {
      const day = new Date(at).toISOString().slice(0, 10);
      await update(
        `${secretArn} ${KINDS.asked} ${day} ${answer} ${[...because].sort().join(" ")}`,
        at,
        "because = :because, answer = :answer ADD askedAt :at",
        {
          ":because": { L: because.map((name) => ({ S: name })) },
          ":answer": { S: answer },
          // A set: a write that the SDK repeats counts once.
          ":at": { NS: [String(at)] },
        },
      );
    },
    async probed(secretArn, { versionId, fingerprint, promisedUntil, at, accepted }) {
      await update(
        `${secretArn} ${KINDS.previousKey} ${versionId}`,
        at,
        "versionId = :version, fingerprint = :fingerprint, promisedUntil = :until, " +
          (accepted
            ? "lastAcceptedAt = :at REMOVE firstRefusedAt"
            : "firstRefusedAt = if_not_exists(firstRefusedAt, :at)"),
        {
          ":version": { S: versionId },
          ":fingerprint": { S: fingerprint },
          ":until": { N: String(promisedUntil) },
          ":at": { N: String(at) },
        },
      );
    },
    async ofSecret(secretArn) {
      const asked: AskedRotation[] = [];
      const previousKeys: PreviousKeyLife[] = [];
      const pages = paginateQuery(
        { client },
        {
          TableName: tableName,
          KeyConditionExpression: `${partition} = :partition AND begins_with(${sort}, :secret)`,
          ExpressionAttributeValues: {
            ":partition": { S: AUDITOR_PARTITION },
            ":secret": { S: `${secretArn} ` },
          },
          ConsistentRead: true,
        },
      );
      for await (const { Items = [] } of pages) {
        for (const item of Items) {
          const kind = item[sort]?.S?.slice(secretArn.length + 1).split(" ")[0];
          if (kind === KINDS.asked) asked.push(v.parse(storedAct, item));
          if (kind === KINDS.previousKey) previousKeys.push(v.parse(storedLife, item));
        }
      }
      return {
        asked: asked.sort((a, b) => (a.askedAt[0] ?? 0) - (b.askedAt[0] ?? 0)),
        previousKeys: previousKeys.sort((a, b) => a.promisedUntil - b.promisedUntil),
      };
    },
  };
}
