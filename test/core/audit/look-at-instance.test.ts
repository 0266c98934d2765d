import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { graceEndsAt, keyIssuedAt } from "../../../core/audit/facts";
import { readIntents } from "../../../core/audit/look-at-fleet";
import { lookAt, lookDeeply } from "../../../core/audit/look-at-instance";
import { dynamoDbIntentReader } from "../../../core/intent-table/intent-reader";
import { type ListedSecret, secretsManagerFleet } from "../../../core/secrets/fleet";
import { secretsManagerStore } from "../../../core/secrets/secret-store";
import { HOUR } from "../../../local/clock";
import { InMemoryAws } from "../../../proofs/harness/in-memory-aws";
import { LocalWorld } from "../../../proofs/harness/local-world";

/** Both looks at the one secret of a world. */
async function look(world: LocalWorld) {
  const fleet = secretsManagerFleet(world.client);
  const listed: ListedSecret[] = [];
  for await (const page of fleet.list("valmi/dev/", "/agent-key")) listed.push(...page);
  const [secret] = listed;
  if (!secret || listed.length > 1) throw new Error(`expected one secret, got ${listed.length}`);
  const { bySecret } = await readIntents(reader(world));
  const shallow = await lookAt({ fleet }, secret, bySecret.get(secret.secretArn) ?? []);
  const controlPlane = await world.invocation().connect();
  return lookDeeply(
    { secrets: secretsManagerStore(world.client), controlPlane, clock: world.clock },
    shallow,
  );
}

/** The table of a world, read as DynamoDB gives it: in pages. */
function reader(world: LocalWorld) {
  const rows = () => [...world.table.items.values()];
  const aws = new InMemoryAws((operation, input) => {
    if (operation === "Query") return { Items: rows() };
    const from = Number((input.ExclusiveStartKey as { at: { N: string } } | undefined)?.at.N ?? 0);
    const next = from + 1 < rows().length ? { LastEvaluatedKey: { at: { N: String(from + 1) } } } : {};
    return { Items: rows().slice(from, from + 1), ...next };
  });
  const client = new DynamoDBClient({
    region: "eu-west-1",
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
    requestHandler: aws.requestHandler,
    maxAttempts: 1,
  });
  return dynamoDbIntentReader(client, world.table.name);
}

test("of an instance at rest everything is known, and nothing of it is a key", async () => {
  const world = await LocalWorld.ready();

  const facts = await look(world);

  expect(facts).toMatchObject({
    id: "support",
    environment: "dev",
    rotation: { enabled: true, scheduled: true },
    intents: [{ baseVersionId: "none", outcome: "promoted" }],
    deep: {
      value: "readable",
      key: { accepted: true, belongsTo: world.instance.id, agentInstanceId: world.instance.id },
      instance: { isActive: true, ownership: "ours" },
    },
  });
  expect(facts.pendingVersionId).toBeUndefined();
  expect(keyIssuedAt(facts)).toBe(world.current.issuedAt);
  for (const credential of world.credentials) expect(JSON.stringify(facts)).not.toContain(credential);
});

test("after a rotation the old key is looked at for as long as its grace period lasts, and an hour more", async () => {
  const world = await LocalWorld.ready();
  world.requestRotation();
  await world.runDueSteps();

  const inGrace = await look(world);
  expect(inGrace.deep?.previousKey).toMatchObject({ accepted: true });
  expect(graceEndsAt(inGrace)).toBe(world.current.previousKeyExpiresAt);

  world.clock.advanceBy(24 * HOUR);
  expect((await look(world)).deep?.previousKey).toMatchObject({ accepted: false });

  world.clock.advanceBy(2 * HOUR);
  expect((await look(world)).deep?.previousKey).toBeUndefined();
});

test("a rotation that has come to nothing shows by its label, and since when", async () => {
  const world = await LocalWorld.ready();
  const asked = world.clock.now();
  const token = world.requestRotation();
  world.clock.advanceBy(HOUR);

  const facts = await look(world);

  expect(facts).toMatchObject({ pendingVersionId: token, pendingSince: asked });
});

test("what somebody changed at the Control Plane is told by the tags that it contradicts", async () => {
  const world = await LocalWorld.ready();
  world.secretsManager.call("TagResource", {
    SecretId: world.secretArn,
    Tags: [
      { Key: "valmi:account", Value: "acc_123" },
      { Key: "valmi:name", Value: "dev-support" },
    ],
  });
  expect((await look(world)).deep?.instance?.differs).toEqual([]);

  world.updateInstance({ accountId: "acc_456", contactId: "con_456" });

  expect((await look(world)).deep?.instance?.differs).toEqual(["valmi:account"]);
});

test.each([
  ["gone", (world: LocalWorld) => world.deleteInstance(), { value: "readable", key: { accepted: false } }],
  [
    "of another kind",
    (world: LocalWorld) => world.put(world.newToken(), "something else"),
    { value: "unreadable" },
  ],
])("an instance or a value that is %s", async (_, happens, expected) => {
  const world = await LocalWorld.ready();
  happens(world);

  const { deep } = await look(world);

  expect(deep).toMatchObject(expected);
  expect(deep?.instance).toBeUndefined();
});

test("records of the intent table are read over all pages, and the auditor's own is none", async () => {
  const world = await LocalWorld.ready();
  world.requestRotation();
  await world.runDueSteps();
  world.table.items.set("auditor", { secretArn: { S: "auditor" }, baseVersionId: { S: "memory" } });

  const { bySecret } = await readIntents(reader(world));

  expect([...bySecret.keys()]).toEqual([world.secretArn]);
  expect(bySecret.get(world.secretArn)).toHaveLength(2);
});

test("a rotation that is asked for beside an unfinished one is the unfinished one", async () => {
  const world = await LocalWorld.ready();
  const fleet = secretsManagerFleet(world.client);

  expect(await fleet.rotate(world.secretArn)).toBe("asked");
  expect(await fleet.rotate(world.secretArn)).toBe("reattempted");
  await expect(
    fleet.rotate("arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone-AbCdEf"),
  ).rejects.toThrow();
});
