import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { dynamoDbAuditMemory, type Memory, NOTHING } from "../../../core/audit/memory";
import { INTENT_TABLE_KEYS } from "../../../core/contract";
import { START } from "../../../proofs/harness/builders";
import { InMemoryAws } from "../../../proofs/harness/in-memory-aws";
import { InMemoryTable } from "../../../proofs/harness/in-memory-table";

function setUp() {
  const table = new InMemoryTable("intents", [INTENT_TABLE_KEYS.partition, INTENT_TABLE_KEYS.sort]);
  const client = new DynamoDBClient({
    region: "eu-west-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    requestHandler: new InMemoryAws(table.perform).requestHandler,
    maxAttempts: 1,
  });
  return { table, memory: dynamoDbAuditMemory(client, "intents") };
}

const FULL: Memory = {
  checkedThrough: 7,
  found: [
    {
      name: "key-refused",
      instance: "support",
      severity: "page",
      heals: true,
      text: "-",
      hoursLeft: 0,
      since: START,
      pagedAt: START,
    },
  ],
  untold: [
    { name: "instance-gone", instance: "billing", severity: "page", heals: false, text: "-", since: START },
  ],
  askedAt: { "arn:secret": START },
  selfTest: { at: START, failures: ["write-secret"] },
  issued: { "arn:secret": { versionId: "version-3", at: 300 } },
  use: {
    unused: { support: { since: START }, research: { since: START, readAgainAt: START } },
    readEarly: { day: START, ids: ["billing"] },
  },
  hourly: { slot: 7, mayBeInvoked: true, orphans: [{ agentInstanceId: "ai_1", secretName: "a" }] },
};

test("what one run writes down the next one reads", async () => {
  const { memory } = setUp();

  expect(await memory.read()).toEqual(NOTHING);
  await memory.write(FULL);
  expect(await memory.read()).toEqual(FULL);
});

test("a memory of a release that remembered less is understood", async () => {
  const { table, memory } = setUp();
  const { use: _, issued: __, untold: ___, ...older } = FULL;
  await memory.write(older as Memory);
  expect(table.items.size).toBe(1);
  expect(await memory.read()).toEqual({ ...FULL, use: NOTHING.use, issued: {}, untold: [] });
});

test.each([
  "",
  "{",
  '{"found":1}',
  JSON.stringify({ ...FULL, found: [{ ...FULL.found[0], name: "of a later release" }] }),
])("what can't be understood is nothing: %s", async (text) => {
  const { table, memory } = setUp();
  table.items.set("auditor memory", {
    secretArn: { S: "auditor" },
    baseVersionId: { S: "memory" },
    memory: { S: text },
  });

  expect(await memory.read()).toEqual(NOTHING);
});
