import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { dynamoDbAuditJournal } from "../../../core/audit/journal";
import { INTENT_TABLE_KEYS } from "../../../core/contract";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { SECRET_ARN, START } from "../../../proofs/harness/builders";
import { InMemoryAws } from "../../../proofs/harness/in-memory-aws";
import { InMemoryTable, type Item } from "../../../proofs/harness/in-memory-table";

const KEPT = 400 * 86_400;

function setUp() {
  const table = new InMemoryTable("intents", [INTENT_TABLE_KEYS.partition, INTENT_TABLE_KEYS.sort]);
  const queries: Record<string, unknown>[] = [];
  const aws = new InMemoryAws((operation, input) => {
    if (operation !== "Query") return table.perform(operation, input);
    queries.push(input);
    const values = input.ExpressionAttributeValues as Item;
    const beginning = String(values[":secret"]?.S);
    const Items = [...table.items.values()].filter((item) =>
      String(item.baseVersionId?.S).startsWith(beginning),
    );
    return { Items };
  });
  const client = new DynamoDBClient({
    region: "eu-west-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    requestHandler: aws.requestHandler,
    maxAttempts: 1,
  });
  return { table, queries, journal: dynamoDbAuditJournal(client, "intents") };
}

const asked = (at: number, changes: object = {}) => ({
  at,
  because: ["promotion-overdue"],
  answer: "reattempted",
  ...changes,
});
const probe = (at: number, accepted: boolean) => ({
  versionId: "version-2",
  fingerprint: "aaaaaaaaaaaa",
  promisedUntil: START + DAY,
  at,
  accepted,
});

describe("a rotation that was asked for", () => {
  test("is one entry a day for the same cause and answer, with every time that it was", async () => {
    const { table, journal } = setUp();
    await journal.asked(SECRET_ARN, asked(START));
    await journal.asked(SECRET_ARN, asked(START + 5 * MINUTE));
    // The SDK repeats a write whose answer was lost.
    await journal.asked(SECRET_ARN, asked(START + 5 * MINUTE));
    await journal.asked(SECRET_ARN, asked(START + 10 * MINUTE, { answer: "AccessDeniedException" }));
    await journal.asked(SECRET_ARN, asked(START + DAY));

    expect((await journal.ofSecret(SECRET_ARN)).asked).toEqual([
      { because: ["promotion-overdue"], answer: "reattempted", askedAt: [START, START + 5 * MINUTE] },
      { because: ["promotion-overdue"], answer: "AccessDeniedException", askedAt: [START + 10 * MINUTE] },
      { because: ["promotion-overdue"], answer: "reattempted", askedAt: [START + DAY] },
    ]);
    expect([...table.items.values()].map(({ expiresAt }) => expiresAt?.N)).toEqual(
      [START + 5 * MINUTE, START + 10 * MINUTE, START + DAY].map((at) => String(at / 1_000 + KEPT)),
    );
  });
});

describe("the key before", () => {
  test("was accepted until the last probe that says so, and refused from the first one after it", async () => {
    const { journal } = setUp();
    const seen = async (hours: number, accepted: boolean) => {
      await journal.probed(SECRET_ARN, probe(START + hours * HOUR, accepted));
      return (await journal.ofSecret(SECRET_ARN)).previousKeys;
    };
    const key = { versionId: "version-2", fingerprint: "aaaaaaaaaaaa", promisedUntil: START + DAY };

    expect(await seen(1, true)).toEqual([{ ...key, lastAcceptedAt: START + HOUR }]);
    expect(await seen(2, false)).toEqual([
      { ...key, lastAcceptedAt: START + HOUR, firstRefusedAt: START + 2 * HOUR },
    ]);
    expect(await seen(3, true)).toEqual([{ ...key, lastAcceptedAt: START + 3 * HOUR }]);
    await seen(24, false);
    expect(await seen(25, false)).toEqual([
      { ...key, lastAcceptedAt: START + 3 * HOUR, firstRefusedAt: START + 24 * HOUR },
    ]);
  });
});

test("stands in the auditor's own partition, and another secret's entries stand apart", async () => {
  const { table, queries, journal } = setUp();
  await journal.asked(SECRET_ARN, asked(START));
  await journal.probed(`${SECRET_ARN}x`, probe(START, true));

  expect(new Set([...table.items.values()].map(({ secretArn }) => secretArn?.S))).toEqual(
    new Set(["auditor"]),
  );
  expect(await journal.ofSecret(SECRET_ARN)).toMatchObject({ asked: [{}], previousKeys: [] });
  expect(queries.map(({ ExpressionAttributeValues }) => ExpressionAttributeValues)).toEqual([
    { ":partition": { S: "auditor" }, ":secret": { S: `${SECRET_ARN} ` } },
  ]);
});
