import { SELF_TESTS, selfTest } from "../../../lambda/rotation/self-test";
import { LocalWorld } from "../../helpers/local-world";

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
  expect(world.dynamoDb.calls).toEqual(["GetItem", "UpdateItem", "PutItem"]);
});

test.each<[string, (world: LocalWorld) => void, readonly string[]]>([
  ["describing", (world) => world.aws.refuse("DescribeSecret", "AccessDeniedException"), ["describe-secret"]],
  ["reading", (world) => world.aws.refuse("GetSecretValue", "AccessDeniedException"), ["read-secret"]],
  ["writing", (world) => world.aws.refuse("PutSecretValue", "AccessDeniedException"), ["write-secret"]],
  ["reading intents", (world) => world.dynamoDb.refuse("GetItem", "AccessDeniedException"), ["intent-table"]],
  [
    "completing intents",
    (world) => world.dynamoDb.refuse("UpdateItem", "AccessDeniedException"),
    ["intent-table"],
  ],
  ["writing intents", (world) => world.dynamoDb.refuse("PutItem", "AccessDeniedException"), ["intent-table"]],
  ["the operator's key", (world) => world.setOperatorKey("no key"), ["operator-key"]],
  ["the Control Plane", (world) => world.setOperatorKey("token_wrong"), ["control-plane"]],
  ["the instance", (world) => world.deleteInstance(), ["instance"]],
  ["the key", (world) => world.put(world.newToken(), JSON.stringify(otherKey(world))), ["agent-key"]],
])("names what failed: %s", async (_, breakIt, expected) => {
  const world = await LocalWorld.ready();
  breakIt(world);

  const failures = await run(world);

  expect(failures).toEqual(expected);
  expect(SELF_TESTS).toEqual(expect.arrayContaining([...failures]));
});

test("says why in the log, and no key", async () => {
  const world = await LocalWorld.ready();
  world.setOperatorKey("token_wrong");
  await run(world);

  expect(world.logged).toContainEqual({
    level: "error",
    message: "self-test failed",
    fields: { test: "control-plane", reason: "ControlPlaneError" },
  });
  for (const credential of [...world.credentials, "token_wrong"])
    expect(world.said()).not.toContain(credential);
});

/** The current value with a key that nobody issued. */
function otherKey(world: LocalWorld): object {
  const { currentVersion } = { currentVersion: world.versionWith("AWSCURRENT") };
  const version = world.secretsManager
    .secret(world.secretArn)
    ?.versions.find(({ id }) => id === currentVersion);
  return { ...JSON.parse(version?.value?.data ?? "{}"), VALMI_AGENT_KEY: "agent_unknown1" };
}
