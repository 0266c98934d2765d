import { type SelfTest, selfTest } from "../../../core/rotation/self-test";
import { LocalWorld } from "../../../proofs/harness/local-world";

const DENIED = "AccessDeniedException";

const run = (world: LocalWorld) => selfTest(world.invocation(), world.secretArn);

/** Everything that is stored, but for when it was last read. */
const stored = (world: LocalWorld) =>
  JSON.stringify([world.secretsManager.snapshot().secrets, [...world.table.items]], (name, value) =>
    name === "lastAccessedDay" ? undefined : value,
  );

test("passes where a rotation could run, and changes nothing", async () => {
  const world = await LocalWorld.ready();
  const before = stored(world);
  const { length } = world.minted;

  expect(await run(world)).toEqual([]);

  expect(stored(world)).toBe(before);
  expect(world.minted).toHaveLength(length);
  expect(world.aws.calls).toContain("PutSecretValue");
  expect(world.dynamoDb.calls).toEqual(["GetItem", "Query", "UpdateItem", "TransactWriteItems"]);
});

test.each<[string, (world: LocalWorld) => void, SelfTest, string]>([
  ["describing", (world) => world.aws.refuse("DescribeSecret", DENIED), "describe-secret", DENIED],
  ["reading", (world) => world.aws.refuse("GetSecretValue", DENIED), "read-secret", DENIED],
  [
    "a current version without value",
    (world) => world.aws.refuse("GetSecretValue", "ResourceNotFoundException"),
    "read-secret",
    "current-missing",
  ],
  ["writing", (world) => world.aws.refuse("PutSecretValue", DENIED), "write-secret", DENIED],
  ["reading intents", (world) => world.dynamoDb.refuse("GetItem", DENIED), "intent-table", DENIED],
  ["completing intents", (world) => world.dynamoDb.refuse("UpdateItem", DENIED), "intent-table", DENIED],
  ["reading all intents", (world) => world.dynamoDb.refuse("Query", DENIED), "intent-table", DENIED],
  ["writing intents", (world) => world.dynamoDb.refuse("TransactWriteItems", DENIED), "intent-table", DENIED],
  ["the operator's key", (world) => world.setOperatorKey("no key"), "operator-key", "operator-key-missing"],
  ["the Control Plane", (world) => world.setOperatorKey("token_wrong"), "control-plane", "ControlPlaneError"],
  ["the instance", (world) => world.deleteInstance(), "instance", "instance-gone"],
  [
    "the key",
    (world) => world.put(world.newToken(), JSON.stringify(otherKey(world))),
    "agent-key",
    "pending-refused",
  ],
])("names what failed, and logs why: %s", async (_, breakIt, failed, reason) => {
  const world = await LocalWorld.ready();
  breakIt(world);

  expect(await run(world)).toEqual([failed]);

  expect(world.logged.filter(({ level }) => level === "error")).toEqual([
    { level: "error", message: "self-test failed", fields: { test: failed, reason } },
  ]);
  for (const credential of [...world.credentials, "token_wrong"])
    expect(world.said()).not.toContain(credential);
});

test("does not repeat what is thrown and is no error", async () => {
  const world = await LocalWorld.ready();
  const connect = () => Promise.reject("a text");

  expect(await selfTest({ ...world.invocation(), connect }, world.secretArn)).toEqual(["operator-key"]);

  expect(world.logged.at(-1)?.fields).toEqual({ test: "operator-key", reason: "unknown" });
});

/** The current value with a key that nobody issued. */
function otherKey(world: LocalWorld): object {
  const { currentVersion } = { currentVersion: world.versionWith("AWSCURRENT") };
  const version = world.secretsManager
    .secret(world.secretArn)
    ?.versions.find(({ id }) => id === currentVersion);
  return { ...JSON.parse(version?.value?.data ?? "{}"), VALMI_AGENT_KEY: "agent_unknown1" };
}
