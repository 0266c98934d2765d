import type { ApiKeyStatus } from "../../../local/control-plane/model";
import { SAMPLE_SEED, SAMPLE_WORKSPACE_ID } from "../../../local/control-plane/seed";
import { OperatorWorld } from "../operator-world";

const NEW_KEY = "token_new456789";
const LINE = "operator-key rotate --environment dev";

async function deskWith(key = NEW_KEY, status: ApiKeyStatus = "valid", workspaceId = SAMPLE_WORKSPACE_ID) {
  return OperatorWorld.ready({
    apiKeys: [
      { key: "token_operator123", workspaceId: SAMPLE_WORKSPACE_ID, status: "valid" },
      { key, workspaceId, status },
    ],
  });
}

const stored = (desk: OperatorWorld, label: "AWSCURRENT" | "AWSPREVIOUS") =>
  desk.world.secretsManager
    .secret(desk.world.apiKeySecretArn)
    ?.versions.find(({ labels }) => labels.includes(label))?.value?.data;

test("stores a key that reaches every instance, and keeps the one before", async () => {
  const desk = await deskWith();
  const { code, out, err } = await desk.run(LINE, NEW_KEY);
  expect(code).toBe(0);
  expect(out).toMatch(
    /^dev: API key [0-9a-f]{12} after [0-9a-f]{12}, for the workspace 'Local'; it reaches 1 of 1 instances\. Now revoke /,
  );
  expect(err).toContain("is kept under AWSPREVIOUS");
  expect(stored(desk, "AWSCURRENT")).toBe(NEW_KEY);
  expect(stored(desk, "AWSPREVIOUS")).toBe("token_operator123");
  expect(await desk.run("rotate dev/support")).toMatchObject({ code: 0 });
});

test("also where the present one was revoked already", async () => {
  const desk = await deskWith();
  desk.world.setOperatorKey("token_revoked123");
  expect(await desk.run(LINE, NEW_KEY)).toMatchObject({ code: 0 });
});

test("brings the one before back where the stored one turns out not to work", async () => {
  const desk = await deskWith();
  const { world } = desk;
  world.aws.meanwhile("PutSecretValue", async () => {
    // Somebody revokes it at this very moment: the two calls that prove the stored one meet it.
    world.orderFault("GET /auth/me", { status: 401 });
  });
  const { code, out, err } = await desk.run(LINE, NEW_KEY);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toContain("the stored key does not work");
  expect(stored(desk, "AWSCURRENT")).toBe("token_operator123");
});

test.each<[string, () => Promise<OperatorWorld>, string, number, string]>([
  ["a key that is refused", () => deskWith("token_other123"), "token_unknown123", 3, "401"],
  ["one that may do nothing", () => deskWith(NEW_KEY, "restricted"), NEW_KEY, 3, "403"],
  ["the present one", () => deskWith(), "token_operator123", 3, "is the present one"],
  ["what is no key", () => deskWith(), "two words", 2, "must be visible ASCII without spaces"],
])("stores nothing where it is given %s", async (_, ready, input, code, message) => {
  const desk = await ready();
  const ran = await desk.run(LINE, input);
  expect(ran.err).toContain(message);
  expect(ran).toMatchObject({ code, out: "" });
  expect(stored(desk, "AWSCURRENT")).toBe("token_operator123");
  expect(stored(desk, "AWSPREVIOUS")).toBeUndefined();
});

test("stores nothing where the key does not reach the instances", async () => {
  const desk = await deskWith();
  desk.world.deleteInstance();
  const { code, err } = await desk.run(LINE, NEW_KEY);
  expect(code).toBe(3);
  expect(err).toContain("does not reach the agent instance ai_");
  expect(stored(desk, "AWSCURRENT")).toBe("token_operator123");
});

test("stores nothing where the key is another workspace's, also while there is no instance to tell", async () => {
  const desk = OperatorWorld.empty({
    seed: {
      ...SAMPLE_SEED,
      workspaces: [...SAMPLE_SEED.workspaces, { id: "ws_other", organizationId: "org_other", name: "Other" }],
    },
    apiKeys: [
      { key: "token_operator123", workspaceId: SAMPLE_WORKSPACE_ID, status: "valid" },
      { key: NEW_KEY, workspaceId: "ws_other", status: "valid" },
    ],
  });
  const { code, err } = await desk.run(LINE, NEW_KEY);
  expect(code).toBe(3);
  expect(err).toContain("is for the workspace 'Other', and the present one for 'Local'");
  expect(stored(desk, "AWSCURRENT")).toBe("token_operator123");
});

test("an environment that is not there", async () => {
  const desk = await deskWith();
  expect(await desk.run("operator-key rotate --environment prod", NEW_KEY)).toMatchObject({
    code: 2,
    err: expect.stringContaining("no secret of an agent key of the environment 'prod'"),
  });
});
