import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { INTENT_TABLE_KEYS } from "../../../core/contract";
import { dynamoDbIntentReader } from "../../../core/intent-table/intent-reader";
import { dynamoDbIntentStore } from "../../../core/intent-table/intent-store";
import { UnreadableIntentError } from "../../../core/intent-table/stored-intent";
import { succeed } from "../../../core/protocol/intent";
import { intent, SECRET_ARN, START } from "../../../proofs/harness/builders";
import { AwsRefusal, InMemoryAws } from "../../../proofs/harness/in-memory-aws";
import { InMemoryTable } from "../../../proofs/harness/in-memory-table";

const TABLE = "valmi-dev-intents";

function table() {
  const items = new InMemoryTable(TABLE, [INTENT_TABLE_KEYS.partition, INTENT_TABLE_KEYS.sort]);
  const aws = new InMemoryAws((operation, input) => items.perform(operation, input));
  const client = new DynamoDBClient({
    region: "eu-west-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    requestHandler: aws.requestHandler,
  });
  const item = (base = "version-1") => items.items.get(`${SECRET_ARN} ${base}`);
  return {
    store: dynamoDbIntentStore(client, TABLE, async () => {}),
    reader: dynamoDbIntentReader(client, TABLE),
    aws,
    item,
  };
}

test("an intent is taken where none stands, in one call, and kept for 400 days", async () => {
  const { store, aws, item } = table();
  await expect(store.take(intent())).resolves.toEqual({ taken: true, intent: intent() });
  expect(aws.calls).toEqual(["PutItem"]);
  expect(item()).toEqual({
    secretArn: { S: SECRET_ARN },
    baseVersionId: { S: "version-1" },
    versionId: { S: "version-2" },
    owner: { S: "attempt-1" },
    agentInstanceId: { S: "ai_1" },
    takenAt: { N: String(START) },
    graceFrom: { N: String(START) },
    attemptEndsAt: { N: String(START + 180_000) },
    mint: { N: "1" },
    idempotencyKey: { S: "key-1" },
    outcome: { S: "open" },
    earlierMints: { L: [] },
    mintedAt: { L: [] },
    inVain: { N: "0" },
    ordered: { BOOL: false },
    expiresAt: { N: String(START / 1_000 + 400 * 86_400) },
  });
});

test("a second attempt gets the intent that stands, whole, and changes nothing", async () => {
  const { store, aws, item } = table();
  const standing = intent({ earlierMints: ["1:version-0:123"], mint: 2, outcome: "refused" });
  await store.take(standing);
  const before = item();
  const second = intent({ owner: "attempt-2", versionId: "version-3" });
  await expect(store.take(second)).resolves.toEqual({ taken: false, intent: standing });
  expect(item()).toEqual(before);
  expect(aws.calls).toEqual(["PutItem", "PutItem"]);
});

test("an intent that says nothing of the grace period began it when it was taken", async () => {
  const { store, item } = table();
  await store.take(intent());
  delete item()?.graceFrom;
  const { intent: standing } = await store.take(intent({ owner: "attempt-2", takenAt: START + 5 }));
  expect(standing.graceFrom).toBe(START);
});

test("another current version, and another secret, have an intent of their own", async () => {
  const { store } = table();
  await store.take(intent());
  await expect(store.take(intent({ baseVersionId: "version-2" }))).resolves.toMatchObject({ taken: true });
  await expect(store.take(intent({ secretArn: `${SECRET_ARN}2` }))).resolves.toMatchObject({ taken: true });
});

describe("where the SDK repeats a write whose answer was lost", () => {
  test("the first take is known by its owner", async () => {
    const { store, aws } = table();
    aws.loseAnswer("PutItem");
    await expect(store.take(intent())).resolves.toEqual({ taken: true, intent: intent() });
    expect(aws.calls).toEqual(["PutItem", "PutItem"]);
  });

  test("a retake is known by its owner and number", async () => {
    const { store, aws } = table();
    const first = intent();
    await store.take(first);
    const next = succeed(first, intent({ owner: "attempt-2" }));
    aws.loseAnswer("PutItem");
    await expect(store.retake(next, first)).resolves.toEqual({ taken: true, intent: next });
  });

  test("an attempt's own first mint is not taken for its second one", async () => {
    const { store } = table();
    await store.take(intent());
    const third = succeed(intent({ mint: 2 }), intent());
    await expect(store.retake(third, intent({ mint: 2 }))).resolves.toEqual({
      taken: false,
      intent: intent(),
    });
  });
});

describe("a retake", () => {
  test("goes one mint up, and accounts for the mint before", async () => {
    const { store, item } = table();
    const first = intent({ outcome: "lost" });
    await store.take(first);
    const next = succeed(first, intent({ owner: "attempt-2", versionId: "version-3", takenAt: START + 1 }));
    expect(next).toMatchObject({ mint: 2, earlierMints: [`1:version-2:${START}`] });
    await expect(store.retake(next, first)).resolves.toEqual({ taken: true, intent: next });
    expect(item()).toMatchObject({ mint: { N: "2" }, earlierMints: { L: [{ S: `1:version-2:${START}` }] } });
  });

  test("of two at once, one wins", async () => {
    const { store } = table();
    const first = intent();
    await store.take(first);
    const retakes = ["attempt-2", "attempt-3"].map((owner) =>
      store.retake(succeed(first, intent({ owner })), first),
    );
    const taken = (await Promise.all(retakes)).map((outcome) => outcome.taken);
    expect(taken.sort()).toEqual([false, true]);
  });

  test.each([
    ["mint", { mint: 2 }],
    ["owner", { owner: "attempt-2" }],
  ])("is refused where the standing intent has another %s", async (_, change) => {
    const { store } = table();
    const standing = intent(change);
    await store.take(standing);
    const retaken = await store.retake(succeed(intent(), intent({ owner: "attempt-3" })), intent());
    expect(retaken).toEqual({ taken: false, intent: standing });
  });
});

describe("what came of it", () => {
  test("completes the record", async () => {
    const { store, item } = table();
    await store.take(intent());
    await store.settle(intent(), {
      outcome: "promoted",
      settledAt: START + 5,
      fingerprint: "abcdef012345",
      previousFingerprint: "012345abcdef",
      previousKeyExpiresAt: START + 24 * 3_600_000,
      previousKeyHonoured: true,
      graceLeftMs: 86_399_995,
    });
    expect(item()).toMatchObject({
      outcome: { S: "promoted" },
      settledAt: { N: String(START + 5) },
      fingerprint: { S: "abcdef012345" },
      previousFingerprint: { S: "012345abcdef" },
      previousKeyHonoured: { BOOL: true },
      graceLeftMs: { N: "86399995" },
      owner: { S: "attempt-1" },
      expiresAt: expect.anything(),
    });
  });

  test("is read by the next attempt", async () => {
    const { store } = table();
    await store.take(intent());
    await store.settle(intent(), { outcome: "dead", settledAt: START });
    const { intent: standing } = await store.take(intent({ owner: "attempt-2" }));
    expect(standing).toEqual(intent({ outcome: "dead" }));
  });

  test("is not written over another attempt's record", async () => {
    const { store, item } = table();
    await store.take(intent());
    await store.retake(succeed(intent(), intent({ owner: "attempt-2" })), intent());
    await store.settle(intent(), { outcome: "refused", settledAt: START });
    expect(item()).toMatchObject({ outcome: { S: "open" }, owner: { S: "attempt-2" } });
  });
});

describe("what the table refuses is not taken for a standing intent", () => {
  test.each(["take", "retake", "settle"] as const)("%s", async (method) => {
    const { store, aws } = table();
    aws.refuse(method === "settle" ? "UpdateItem" : "PutItem", "AccessDeniedException");
    const call = {
      take: () => store.take(intent()),
      retake: () => store.retake(succeed(intent(), intent()), intent()),
      settle: () => store.settle(intent(), { outcome: "lost", settledAt: START }),
    }[method];
    await expect(call()).rejects.toMatchObject({ name: "AccessDeniedException" });
  });

  test("a retake of a record that is gone", async () => {
    const { store } = table();
    const retake = store.retake(succeed(intent(), intent()), intent());
    await expect(retake).rejects.toMatchObject({ name: "ConditionalCheckFailedException" });
  });
});

test.each<[string, string, object | undefined]>([
  ["a number that is none", "mint", { N: "" }],
  ["a fraction of a mint", "mint", { N: "1.5" }],
  ["a time that no date can hold", "takenAt", { N: "8640000000000001" }],
  ["a time before all times", "attemptEndsAt", { N: "-1" }],
  ["an outcome that is none", "outcome", { S: "agent_abc123xyz" }],
  ["a field of another type", "owner", { N: "1" }],
  ["no field", "versionId", undefined],
])("a standing intent with %s is refused by the field's name, without its value", async (_, field, value) => {
  const { store, reader, item } = table();
  await store.take(intent());
  Object.assign(item() ?? {}, { [field]: value });
  if (value === undefined) delete item()?.[field];
  const error = await store.take(intent({ owner: "attempt-2" })).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UnreadableIntentError);
  expect((error as Error).message).toBe(`the stored intent has a missing or unreadable field: ${field}`);
  // The history is read by the same rules, but for whose the intent was.
  if (field === "owner") return;
  await expect(reader.ofSecret(SECRET_ARN)).rejects.toEqual(error);
  await expect(reader.all()[Symbol.asyncIterator]().next()).rejects.toEqual(error);
});

test("the history is read with what came of each intent, and without who took it", async () => {
  const { store, reader } = table();
  const outcome = {
    outcome: "promoted",
    settledAt: START + 5,
    fingerprint: "abcdef012345",
    previousFingerprint: "012345abcdef",
    previousKeyExpiresAt: START + 24 * 3_600_000,
    previousKeyHonoured: true,
    graceLeftMs: 86_399_995,
  } as const;
  await store.take(intent({ baseVersionId: "version-0", takenAt: START + 1_000 }));
  await store.take(intent());
  await store.settle(intent(), outcome);
  const { owner: _, idempotencyKey: __, ...taken } = intent();
  const records = [
    { ...taken, ...outcome },
    { ...taken, baseVersionId: "version-0", takenAt: START + 1_000, graceFrom: START + 1_000 },
  ];
  await expect(reader.ofSecret(SECRET_ARN)).resolves.toEqual(records);
  const all = [];
  for await (const record of reader.all()) all.push(record);
  expect(all).toEqual(expect.arrayContaining(records));
  expect(all).toHaveLength(records.length);
});

describe("a mint, while keys are minted in vain", () => {
  const OTHER = SECRET_ARN.replace("support", "sales");
  const THIRD = SECRET_ARN.replace("support", "third");
  const fresh = { asCanary: false };
  const canary = { asCanary: true };
  const halted = { name: "Stop", state: "minting-halted" };

  test("is taken in one transaction, as long as not two instances' were in vain", async () => {
    const { store, aws } = table();
    await expect(store.take(intent(), fresh)).resolves.toEqual({ taken: true, intent: intent() });
    await store.noteVain(SECRET_ARN);
    await store.noteVain(SECRET_ARN);
    await expect(store.take(intent({ secretArn: OTHER }), fresh)).resolves.toMatchObject({ taken: true });
    expect(aws.calls.filter((call) => call === "TransactWriteItems")).toHaveLength(2);
    await expect(store.halt()).resolves.toEqual({ vain: [SECRET_ARN] });
  });

  test("is refused once two were, for an instance that has lost nothing yet", async () => {
    const { store, item } = table();
    for (const secretArn of [SECRET_ARN, OTHER]) await store.noteVain(secretArn);
    const other = intent({ secretArn: THIRD });
    await expect(store.take(other, fresh)).rejects.toMatchObject(halted);
    await expect(store.retake(other, other, fresh)).rejects.toMatchObject({
      name: "TransactionCanceledException",
    });
    expect(item()).toBeUndefined();
    await expect(store.ofSecret(THIRD)).resolves.toEqual([]);
  });

  test("an operator's order mints nothing, and can be placed all the same", async () => {
    const { store } = table();
    for (const secretArn of [SECRET_ARN, OTHER]) await store.noteVain(secretArn);
    const order = intent({ outcome: "paused", mint: 0 });
    await expect(store.take(order)).resolves.toMatchObject({ taken: true });
  });

  test("one canary is let through, and another one only after the first one's end", async () => {
    const { store } = table();
    for (const secretArn of [SECRET_ARN, OTHER]) await store.noteVain(secretArn);
    const first = intent({ takenAt: START, attemptEndsAt: START + 180_000 });
    await expect(store.take(first, canary)).resolves.toMatchObject({ taken: true });
    const second = (takenAt: number) =>
      intent({ secretArn: OTHER, takenAt, attemptEndsAt: takenAt + 180_000 });
    await expect(store.take(second(START + 180_000), canary)).rejects.toMatchObject(halted);
    await expect(store.take(second(START + 180_001), canary)).resolves.toMatchObject({ taken: true });
    // The one that goes on is the same canary.
    await expect(store.retake(succeed(first, first), first, canary)).rejects.toMatchObject(halted);
  });

  test("a promotion ends the halt, and is told to whoever waits for one", async () => {
    const { store, aws } = table();
    await store.take(intent(), fresh);
    for (const secretArn of [SECRET_ARN, OTHER]) await store.noteVain(secretArn);
    await store.settle(intent(), { outcome: "promoted", settledAt: START + 7 });
    await expect(store.halt()).resolves.toEqual({ vain: [], promotedAt: START + 7, promotedOf: SECRET_ARN });
    await expect(store.take(intent({ secretArn: THIRD }), fresh)).resolves.toMatchObject({ taken: true });
    expect(aws.calls.at(-3)).toBe("TransactWriteItems");
  });

  test("a promotion whose record another attempt has taken over ends the halt all the same", async () => {
    const { store, item } = table();
    await store.take(intent({ owner: "attempt-2" }), fresh);
    for (const secretArn of [SECRET_ARN, OTHER]) await store.noteVain(secretArn);
    await store.settle(intent({ owner: "attempt-1" }), { outcome: "promoted", settledAt: START + 7 });
    expect(item()?.outcome).toEqual({ S: "open" });
    await expect(store.halt()).resolves.toMatchObject({ vain: [], promotedOf: SECRET_ARN });
  });

  test("a second attempt gets the intent that stands, and its own if the answer was lost", async () => {
    const { store, aws } = table();
    aws.loseAnswer("TransactWriteItems");
    await expect(store.take(intent(), fresh)).resolves.toEqual({ taken: true, intent: intent() });
    await expect(store.take(intent({ owner: "attempt-2" }), fresh)).resolves.toEqual({
      taken: false,
      intent: intent(),
    });
  });

  test("that meets another one's transaction is sent again", async () => {
    const { store, aws } = table();
    const conflict = () => {
      throw new AwsRefusal("TransactionCanceledException", "Transaction cancelled", 400, {
        CancellationReasons: [{ Code: "None" }, { Code: "TransactionConflict" }],
      });
    };
    for (const _ of [1, 2, 3]) aws.meanwhile("TransactWriteItems", async () => conflict());
    await expect(store.take(intent(), fresh)).resolves.toMatchObject({ taken: true });
    expect(aws.calls).toHaveLength(4);
    for (let count = 0; count < 8; count++) aws.meanwhile("TransactWriteItems", async () => conflict());
    await expect(store.take(intent({ secretArn: OTHER }), fresh)).rejects.toMatchObject({
      name: "TransactionCanceledException",
    });
  });
});

test("what is noted of a mint stands in its record, as long as it is this attempt's", async () => {
  const { store } = table();
  await store.take(intent(), { asCanary: false });
  await store.note(intent(), { trouble: "unstored", writeProvenAt: START + 9 });
  await store.note(intent({ owner: "attempt-2" }), { trouble: "unanswered" });
  await expect(store.ofSecret(SECRET_ARN)).resolves.toEqual([
    { ...intent(), trouble: "unstored", writeProvenAt: START + 9 },
  ]);
});

test.each([
  ["none, if no grace period had begun before", START, []],
  ["one, if one had", START - 5, [START - 5]],
])(
  "an earlier release kept no account of the mints that count: there was %s",
  async (_, graceFrom, minted) => {
    const { store, item } = table();
    await store.take(intent({ graceFrom }));
    for (const field of ["mintedAt", "inVain", "ordered"]) delete item()?.[field];
    await expect(store.read(SECRET_ARN, "version-1")).resolves.toMatchObject({
      mintedAt: minted,
      inVain: minted.length,
      ordered: false,
    });
  },
);
