import { type DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import * as v from "valibot";
import { AUDITOR_PARTITION, INTENT_TABLE_KEYS } from "../contract";
import type { Orphan } from "./environment-findings";
import type { IssuedVersion } from "./facts";
import { FINDING_NAMES, type Finding, SEVERITIES } from "./findings";
import type { UseMemory } from "./use";

/**
 * What one audit leaves to the next: how far the looks have come, what was found and paged, what was asked for. It is one record in
 * the table of intents. Losing it costs a page that is sent again.
 */
export interface Memory {
  /** The last slot whose looks are all done. */
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
  /** When keys that were put by hand were issued, as their values say; by the secret's ARN. */
  readonly issued: Readonly<Record<string, IssuedVersion>>;
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
});

const KEY = {
  [INTENT_TABLE_KEYS.partition]: { S: AUDITOR_PARTITION },
  [INTENT_TABLE_KEYS.sort]: { S: "memory" },
};

export function dynamoDbAuditMemory(client: DynamoDBClient, tableName: string): AuditMemory {
  return {
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
