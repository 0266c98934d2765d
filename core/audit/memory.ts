import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { AUDITOR_PARTITION, INTENT_TABLE_KEYS } from "../contract";
import type { Orphan } from "./environment-findings";
import type { IssuedVersion } from "./facts";
import { FINDING_NAMES, type Finding, SEVERITIES } from "./findings";
import type { Refusals } from "./refusals";
import type { UseMemory } from "./use";

/**
 * What one run of the auditor leaves to the next: how far the checks have come, what was found and paged, what was asked for.
 * Losing it costs a page that is sent again. One record in the table of intents.
 */
export interface Memory {
  /** The last slot whose checks are all done. */
  readonly checkedThrough?: number;
  /** What was found last, by each name. */
  readonly found: readonly Remembered[];
  /** What has ended while no page could be sent: that it is over is still to be told. */
  readonly untold: readonly Remembered[];
  /** When a rotation was last asked for, by the secret's ARN. One that is done is not in it. */
  readonly askedAt: Readonly<Record<string, number>>;
  readonly selfTest?: { readonly at: number; readonly failures: readonly string[] };
  /** What is looked at by the hour. */
  readonly hourly?: HourlyLook;
  readonly use: UseMemory;
  /** By the secret's ARN, what the last look at a value said of a key that no rotation has promoted. */
  readonly issued: Readonly<Record<string, IssuedVersion>>;
  /** Which keys were refused, and at which looks; of those that still are. */
  readonly refusals?: Refusals;
  /** How many keys were healed since the first was found refused; absent while none is. */
  readonly healedKeys?: number;
}

export interface Remembered extends Finding {
  readonly since: number;
  /** Absent if it was not paged yet. */
  readonly pagedAt?: number;
}

export interface HourlyLook {
  readonly slot: number;
  readonly mayBeInvoked?: boolean;
  readonly alertRouteBroken?: string;
  readonly orphans: readonly Orphan[];
}

const NO_USE: UseMemory = { unused: {}, readEarly: { day: 0, ids: [] } };
export const NOTHING: Memory = { found: [], untold: [], askedAt: {}, use: NO_USE, issued: {} };

export interface AuditMemory {
  /**
   * Lets one audit begin and no other beside it, until `until` at the latest. `false`: another one runs. Times are the own
   * clock's.
   */
  begin(audit: { readonly owner: string; readonly now: number; readonly until: number }): Promise<boolean>;
  /** Lets the next audit begin at once. */
  end(owner: string): Promise<void>;
  /** Gives `NOTHING` if nothing was written yet, or what was written can't be understood. Throws if nobody can tell. */
  read(): Promise<Memory>;
  write(memory: Memory): Promise<void>;
}

const remembered = v.object({
  name: v.picklist(FINDING_NAMES),
  instance: v.string(),
  severity: v.picklist(SEVERITIES),
  heals: v.boolean(),
  text: v.string(),
  since: v.number(),
  hoursLeft: v.exactOptional(v.number()),
  pagedAt: v.exactOptional(v.number()),
});
/** An earlier release did not remember what is optional here and has a default. */
const storedMemory = v.object({
  checkedThrough: v.exactOptional(v.number()),
  found: v.array(remembered),
  untold: v.optional(v.array(remembered), []),
  askedAt: v.record(v.string(), v.number()),
  selfTest: v.exactOptional(v.object({ at: v.number(), failures: v.array(v.string()) })),
  hourly: v.exactOptional(
    v.object({
      slot: v.number(),
      mayBeInvoked: v.exactOptional(v.boolean()),
      alertRouteBroken: v.exactOptional(v.string()),
      orphans: v.array(v.object({ agentInstanceId: v.string(), secretName: v.string() })),
    }),
  ),
  use: v.optional(
    v.object({
      unused: v.record(v.string(), v.object({ since: v.number(), readAgainAt: v.exactOptional(v.number()) })),
      readEarly: v.object({ day: v.number(), ids: v.array(v.string()) }),
    }),
    NO_USE,
  ),
  issued: v.optional(v.record(v.string(), v.object({ versionId: v.string(), at: v.number() })), {}),
  refusals: v.exactOptional(
    v.record(v.string(), v.object({ fingerprint: v.string(), at: v.array(v.number()) })),
  ),
  healedKeys: v.exactOptional(v.number()),
});

const LEASE_KEY = {
  [INTENT_TABLE_KEYS.partition]: { S: AUDITOR_PARTITION },
  [INTENT_TABLE_KEYS.sort]: { S: "lease" },
};
const KEY = {
  [INTENT_TABLE_KEYS.partition]: { S: AUDITOR_PARTITION },
  [INTENT_TABLE_KEYS.sort]: { S: "memory" },
};

export function dynamoDbAuditMemory(client: DynamoDBClient, tableName: string): AuditMemory {
  /** `false`: another run holds it. */
  async function hold(owner: string, now: number, until: number): Promise<boolean> {
    try {
      await client.send(
        new PutItemCommand({
          TableName: tableName,
          Item: { ...LEASE_KEY, holder: { S: owner }, heldUntil: { N: String(until) } },
          ConditionExpression: "attribute_not_exists(heldUntil) OR heldUntil < :now OR holder = :me",
          ExpressionAttributeValues: { ":now": { N: String(now) }, ":me": { S: owner } },
        }),
      );
      return true;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
  }

  return {
    begin: ({ owner, now, until }) => hold(owner, now, until),
    async end(owner) {
      await hold(owner, 0, 0);
    },
    async read() {
      const { Item } = await client.send(
        new GetItemCommand({ TableName: tableName, Key: KEY, ConsistentRead: true }),
      );
      return parseMemory(Item?.memory?.S);
    },
    async write(memory) {
      const Item = { ...KEY, memory: { S: JSON.stringify(memory) } };
      await client.send(new PutItemCommand({ TableName: tableName, Item }));
    },
  };
}

function parseMemory(text: string | undefined): Memory {
  try {
    const parsed = v.safeParse(storedMemory, JSON.parse(text ?? ""));
    return parsed.success ? parsed.output : NOTHING;
  } catch {
    return NOTHING;
  }
}
