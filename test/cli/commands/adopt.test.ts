import { adoptAgentKey } from "../../../cli/commands/adopt";
import { realSleep } from "../../../core/budget";
import { systemClock } from "../../../core/clock";
import { SECRET_TAGS } from "../../../core/contract";
import { AgentKey } from "../../../core/key/credential";
import { ensureInstance } from "../../../core/provisioning/convergence";
import { DAY, MINUTE } from "../../../local/clock";
import { adoptingInput, SECRET_NAME } from "../../../proofs/harness/builders";
import { LocalWorld } from "../../../proofs/harness/local-world";

let world: LocalWorld;
let foreign: { id: string; agentKey: string };

/** The deploy that asked for the command has tagged the secret with the instance's id. */
beforeEach(() => {
  world = new LocalWorld();
  foreign = world.foreignInstance("theirs", "kept as it is");
  tag(SECRET_TAGS.adoptedInstanceId, foreign.id);
  jest.spyOn(globalThis, "fetch").mockImplementation(world.fetch);
});
afterEach(() => jest.restoreAllMocks());

const tag = (Key: string, Value: string) =>
  world.secretsManager.call("TagResource", { SecretId: world.secretArn, Tags: [{ Key, Value }] });

const adopt = (overrides: Partial<Parameters<typeof adoptAgentKey>[1]> = {}) =>
  adoptAgentKey(
    { aws: { secretsManager: world.client }, clock: systemClock, sleep: realSleep },
    {
      secretName: SECRET_NAME,
      apiKeySecret: world.apiKeySecretArn,
      auth: "api-key",
      text: foreign.agentKey,
      ...overrides,
    },
  );

const input = () =>
  adoptingInput({ agentInstanceId: foreign.id, existingKey: "provided" }, { secretArn: world.secretArn });

test("the deploy that waits, the command, and the deploy that goes on: nothing is minted", async () => {
  await expect(ensureInstance(world.invocation(), input())).rejects.toThrow(
    "npx --no-install valmi-agent-keys adopt --secret",
  );
  const { fingerprint } = new AgentKey(foreign.agentKey);
  await expect(adopt()).resolves.toEqual({ agentInstanceId: foreign.id, fingerprint });
  await expect(ensureInstance(world.invocation(), input())).resolves.toMatchObject({
    status: "ready",
    agentInstanceId: foreign.id,
  });
  expect(world.minted).toEqual([foreign.agentKey]);
});

test("run again where the stored key is refused, it stores the present one", async () => {
  await adopt();
  const text = world.clickRotate(foreign.id);
  world.clock.advanceBy(DAY);
  await expect(ensureInstance(world.invocation(), input())).rejects.toThrow(
    "npx --no-install valmi-agent-keys adopt --secret",
  );
  await expect(adopt({ text })).resolves.toMatchObject({ agentInstanceId: foreign.id });
  expect(world.current.agentKey.reveal()).toBe(text);
  await expect(ensureInstance(world.invocation(), input())).resolves.toMatchObject({ status: "ready" });
  expect(world.minted).toEqual([foreign.agentKey, text]);
});

test("the key is stored with what the Control Plane and the tags say of it", async () => {
  await adopt();
  expect(world.current).toMatchObject({
    agentInstanceId: foreign.id,
    agentInstanceName: "theirs",
    accountId: "acc_456",
    contactId: "con_456",
    environment: "dev",
    subscription: "sub_1",
  });
  expect(world.current.agentKey.reveal()).toBe(foreign.agentKey);
  // On the Control Plane's clock, which stands still; the command's own clock adds what it took.
  expect(world.current.issuedAt - world.clock.now()).toBeLessThan(MINUTE);
});

describe("stores nothing, and says why,", () => {
  const cases: [string, () => Partial<Parameters<typeof adoptAgentKey>[1]> | undefined, string][] = [
    [
      "where the text is no key",
      () => ({ text: "two words" }),
      "agent key: must be visible ASCII without spaces",
    ],
    ["where the key is refused", () => ({ text: "agent_unknown123" }), "the Control Plane refuses key "],
    [
      "where the key is another instance's",
      () => ({ text: world.foreignInstance("other").agentKey }),
      "is instance ai_",
    ],
    [
      "where the secret does not exist",
      () => ({ secretName: "valmi/dev/none" }),
      "--secret: there is no secret 'valmi/dev/none' in this account and region; deploy first",
    ],
    [
      "where the secret waits for no key",
      () => ({ secretName: "valmi/dev/control-plane-api-key" }),
      "does not belong to an instance with existingKey: 'provided'",
    ],
    [
      "where the operator's secret does not exist",
      () => ({ apiKeySecret: "valmi/none" }),
      "the secret 'valmi/none' holds no API key of the Control Plane; store one: npx --no-install valmi-agent-keys operator-key set",
    ],
    [
      "where the operator's API key is refused",
      () => void world.setOperatorKey("token_unknown123"),
      ": 401, Unauthorized: Invalid api key",
    ],
    [
      "where the Control Plane has no such instance",
      () => void tag(SECRET_TAGS.adoptedInstanceId, "ai_x"),
      "the Control Plane has no instance ai_x",
    ],
    [
      "where the key would travel in clear text",
      () => void tag(SECRET_TAGS.controlPlaneUrl, "http://value.valmi.io"),
      "tag valmi:control-plane-url: must be an https URL",
    ],
  ];
  test.each(cases)("%s", async (_, arrange, message) => {
    const error: Error = await adopt(arrange() ?? {}).catch((thrown) => thrown);
    expect(error.message).toContain(message);
    for (const key of world.credentials) expect(error.message).not.toContain(key);
    expect(world.versionWith("AWSCURRENT")).toBeUndefined();
  });

  test.each<[string, () => unknown, string]>([
    ["it holds a key that works", () => {}, "holds a key already, and the Control Plane accepts it"],
    ["its rotation is on", () => world.enableRotation(), "a rotation gives it a new one"],
    [
      "what it holds cannot be read yet",
      () => {
        // The operator's API key is read first.
        world.aws.meanwhile("GetSecretValue", async () => {});
        world.aws.refuse("GetSecretValue", "ResourceNotFoundException");
      },
      "is not JSON",
    ],
    ["it holds what nobody can read", () => world.put(world.newToken(), "my own text"), "is not JSON"],
  ])("where %s", async (_, arrange, message) => {
    await adopt();
    await arrange();
    const before = world.versionWith("AWSCURRENT");
    const error: Error = await adopt().catch((thrown) => thrown);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain("my own text");
    expect(world.versionWith("AWSCURRENT")).toBe(before);
  });
});
