import { setOperatorKey } from "../../../cli/commands/operator-key";
import { realSleep } from "../../../core/budget";
import { systemClock } from "../../../core/clock";
import { startControlPlane } from "../../../local/control-plane/server";
import { LocalWorld } from "../../../proofs/harness/local-world";

const NAME = "valmi/staging/control-plane-api-key";
const WORKSPACE = "ws_local";

let controlPlane: Awaited<ReturnType<typeof startControlPlane>>;
let world: LocalWorld;
beforeEach(async () => {
  world = new LocalWorld();
  controlPlane = await startControlPlane({
    apiKeys: [
      { key: "token_good123", workspaceId: WORKSPACE, status: "valid" },
      { key: "token_better123", workspaceId: WORKSPACE, status: "valid" },
      { key: "token_restricted123", workspaceId: WORKSPACE, status: "restricted" },
    ],
  });
});
afterEach(() => controlPlane.close());

const set = (text: string, overrides: Partial<Parameters<typeof setOperatorKey>[1]> = {}) =>
  setOperatorKey(
    { aws: { secretsManager: world.client }, clock: systemClock, sleep: realSleep },
    {
      secretName: NAME,
      controlPlaneUrl: controlPlane.url,
      auth: "api-key",
      text,
      ...overrides,
    },
  );

const stored = () => {
  const secret = world.secretsManager.secret(NAME);
  return secret?.versions.find(({ labels }) => labels.includes("AWSCURRENT"))?.value?.data;
};

test("a key that is accepted is stored in a new secret", async () => {
  await expect(set("token_good123")).resolves.toEqual({
    created: true,
    fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/),
    workspaceName: "Local",
  });
  expect(stored()).toBe("token_good123");
});

test("a later one takes its place", async () => {
  await set("token_good123");
  await expect(set("token_better123")).resolves.toMatchObject({ created: false });
  expect(stored()).toBe("token_better123");
});

test.each<[string, string, string]>([
  ["unknown", "token_unknown123", "GET /auth/me: 401, Unauthorized: Invalid api key"],
  [
    "restricted",
    "token_restricted123",
    "GET /auth/me: 403, Restricted: This endpoint is not allowed for your API key",
  ],
  ["empty", "", "Control Plane API key: must be visible ASCII without spaces, got an empty text"],
  [
    "of two lines",
    "token_good123\ntoken_good123",
    "Control Plane API key: must be visible ASCII without spaces, got 27 characters, some of them not allowed",
  ],
])("one that is %s is refused, and nothing is stored", async (_, text, message) => {
  await set("token_good123");
  world.resetCalls();
  await expect(set(text)).rejects.toThrow(message);
  expect(world.aws.calls).toEqual([]);
  expect(stored()).toBe("token_good123");
});

test("is sent as asked", async () => {
  await expect(set("token_good123", { auth: "bearer" })).resolves.toMatchObject({ workspaceName: "Local" });
});

test.each(["http://value.valmi.io/api/v1", "value.valmi.io"])(
  "is never sent in clear text: %s",
  async (controlPlaneUrl) => {
    const fetched = jest.spyOn(globalThis, "fetch");
    await expect(set("token_good123", { controlPlaneUrl })).rejects.toThrow(
      `--control-plane: must be an https URL (http only to a loopback address), got ${controlPlaneUrl}`,
    );
    expect(fetched).not.toHaveBeenCalled();
    fetched.mockRestore();
  },
);

test("what Secrets Manager refuses is not taken for a missing secret", async () => {
  world.aws.refuse("PutSecretValue", "AccessDeniedException");
  await expect(set("token_good123")).rejects.toMatchObject({ name: "AccessDeniedException" });
  expect(world.aws.calls).toEqual(["PutSecretValue"]);
});
