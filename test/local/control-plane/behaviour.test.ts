import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HOUR, MINUTE, SECOND } from "../../../local/clock";
import { type Behaviour, DOCUMENTED_BEHAVIOUR } from "../../../local/control-plane/behaviour";
import { type RunningControlPlane, run, stopAll } from "./running";

/*
 * Everything that public documents leave open, or contradict each other about, as a client meets it: chosen at the start, and
 * changed while it runs.
 */

afterEach(stopAll);

/** A Control Plane that behaves so: by its options, or by the route. */
const ways: [string, (behaviour: Partial<Behaviour>) => Promise<RunningControlPlane>][] = [
  ["chosen at the start", (behaviour) => run(behaviour)],
  [
    "changed by `/_local/behaviour`",
    async (behaviour) => {
      const controlPlane = await run();
      expect((await change(controlPlane, behaviour)).status).toBe(200);
      return controlPlane;
    },
  ],
];

const change = ({ url }: RunningControlPlane, behaviour: unknown) =>
  fetch(new URL("/_local/behaviour", url), {
    method: "POST",
    body: typeof behaviour === "string" ? behaviour : JSON.stringify(behaviour),
  });

describe.each(ways)("%s", (_way, start) => {
  test.each([
    [0, 0],
    [30 / 3_600, 30 * SECOND],
    [5 / 60, 5 * MINUTE],
    [24, 24 * HOUR],
  ])("a grace period of %d hours lasts %d ms", async (graceHours, milliseconds) => {
    const { createInstance, call, infoStatus, clock } = await start({ graceHours });
    const { id, agentKey } = await createInstance("a");
    await call(`POST /agent_instance/${id}/refresh`);
    if (milliseconds > 0) {
      clock.advanceBy(milliseconds - 1);
      expect(await infoStatus(agentKey)).toBe(200);
      clock.advanceBy(1);
    }
    expect(await infoStatus(agentKey)).toBe(401);
  });

  test.each([
    ["A", [200, 200, 200]],
    ["B", [401, 200, 200]],
    ["D", [200, 200]],
    ["E", [200, 401, 200]],
  ] as const)("a second refresh inside the grace, %s", async (secondRefresh, statuses) => {
    const { createInstance, call, infoStatus } = await start({ secondRefresh });
    const { id, agentKey } = await createInstance("a");
    const keys = [agentKey];
    for (let time = 0; time < 2; time += 1) {
      const { status, body } = await call(`POST /agent_instance/${id}/refresh`);
      if (status === 200) keys.push(body.secret);
    }
    expect(await Promise.all(keys.map(infoStatus))).toEqual(statuses);
  });

  test.each([0, 20, 60])("a new key works after %d s", async (activationSeconds) => {
    const { createInstance, infoStatus, clock } = await start({ activationSeconds });
    const { agentKey } = await createInstance("a");
    if (activationSeconds > 0) {
      clock.advanceBy(activationSeconds * SECOND - 1);
      expect(await infoStatus(agentKey)).toBe(401);
      clock.advanceBy(1);
    }
    expect(await infoStatus(agentKey)).toBe(200);
  });

  test.each([true, false])("Idempotency-Key honoured: %p", async (honoursIdempotencyKey) => {
    const { createInstance, call, apiKey } = await start({ honoursIdempotencyKey });
    const { id } = await createInstance("a");
    const again = () =>
      call(`POST /agent_instance/${id}/refresh`, {
        headers: { "api-key": apiKey, "Idempotency-Key": "once" },
      });
    const [first, second] = [await again(), await again()];
    expect(second.body.secret === first.body.secret).toBe(honoursIdempotencyKey);
  });

  test.each([
    ["paused", [401, 200]],
    ["ended", [401, 401]],
    ["accepted", [200, 200]],
  ] as const)("the keys of an inactive instance are %s", async (inactiveKeys, [inactive, again]) => {
    const { createInstance, call, infoStatus } = await start({ inactiveKeys });
    const { id, agentKey } = await createInstance("a");
    const activate = (is_active: boolean) => call(`PUT /agent_instance/${id}`, { body: { is_active } });
    await activate(false);
    expect(await infoStatus(agentKey)).toBe(inactive);
    await activate(true);
    expect(await infoStatus(agentKey)).toBe(again);

    const { body } = await call(`POST /agent_instance/${id}/refresh`);
    expect(await infoStatus(body.secret)).toBe(200);
    expect(await infoStatus(agentKey)).toBe(again);
  });

  test("the names of the answers' fields, current, of Valmi's tool, or any others", async () => {
    const controlPlane = await start({ fieldNames: { secret: "api_secret", id: "uuid", valid: "ok" } });
    const { call } = controlPlane;
    const body = { name: "a", agent_type_id: "at_support" };
    const created = await call("POST /agent_instance/create", { body });
    expect(Object.keys(created.body)).toEqual(["uuid", "name", "api_secret"]);
    const secret = created.body.api_secret;
    const info = await call("GET /agent_instance/info", { headers: { "X-Agent-Secret": secret } });
    expect(info.body.uuid).toBe(created.body.uuid);
    expect((await call("GET /agent_instance/all")).body.agent_instances[0].uuid).toBe(created.body.uuid);
    expect((await call("POST /agent_instance/validate-secret", { body: { secret } })).body).toEqual({
      ok: true,
    });
    await change(controlPlane, { fieldNames: "tool" });
    expect(Object.keys((await call(`POST /agent_instance/${created.body.uuid}/refresh`)).body)).toEqual([
      "agent_instance_id",
      "name",
      "secret_token",
    ]);
  });

  test.each([-3_600, 0, 90])("a Date that is %d s off", async (dateOffsetSeconds) => {
    const { call, clock } = await start({ dateOffsetSeconds });
    const date = new Date(clock.now() + dateOffsetSeconds * SECOND).toUTCString();
    for (const route of ["GET /auth/me", "GET /agent_instance/info", "GET /products"]) {
      expect((await call(route)).headers.get("date")).toBe(date);
    }
  });

  test("an edge that has cached for 5 minutes that a key is accepted goes on accepting it", async () => {
    const { createInstance, call, infoStatus, clock } = await start({ graceHours: 0, edgeCacheSeconds: 300 });
    const { id, agentKey } = await createInstance("a");
    const other = await createInstance("b");
    expect(await infoStatus(agentKey)).toBe(200);
    clock.advanceBy(MINUTE);
    await call(`POST /agent_instance/${id}/refresh`);
    await call(`DELETE /agent_instance/${other.id}`);

    clock.advanceBy(4 * MINUTE - 1);
    expect(await infoStatus(agentKey)).toBe(200);
    // Nobody had asked about this one before it died, and the operator's call is not cached.
    expect(await infoStatus(other.agentKey)).toBe(401);
    const validated = await call("POST /agent_instance/validate-secret", { body: { secret: agentKey } });
    expect(validated.body).toEqual({ valid: false });
    clock.advanceBy(1);
    expect(await infoStatus(agentKey)).toBe(401);
  });

  test("429 in the middle, by a rate of its own", async () => {
    const { call, clock } = await start({ requestsPerMinute: 2 });
    const statuses = [];
    for (let time = 0; time < 3; time += 1) statuses.push((await call("GET /auth/me")).status);
    expect(statuses).toEqual([200, 200, 429]);
    clock.advanceBy(MINUTE);
    expect((await call("GET /auth/me")).status).toBe(200);
  });
});

describe("over HTTP", () => {
  test("it is told, and changed field by field", async () => {
    const controlPlane = await run({ graceHours: 0 });
    const tell = async () => (await fetch(new URL("/_local/behaviour", controlPlane.url))).json();
    expect(await tell()).toEqual({ ...DOCUMENTED_BEHAVIOUR, graceHours: 0 });
    const changed = await change(controlPlane, { secondRefresh: "E" });
    expect(await changed.json()).toEqual(await tell());
    expect(await tell()).toEqual({ ...DOCUMENTED_BEHAVIOUR, graceHours: 0, secondRefresh: "E" });
  });

  test.each<[unknown, RegExp]>([
    [{ graceHours: -1 }, /^`graceHours` must be a number, 0 or more, got: -1$/],
    [{ graceHours: "24" }, /^`graceHours` must be a number, 0 or more, got: "24"$/],
    [{ secondRefresh: "C" }, /^`secondRefresh` must be one of A, B, D, E, got: "C"$/],
    [{ activationSeconds: 61 }, /^`activationSeconds` must be from 0 to 60, got: 61$/],
    [{ inactiveKeys: "gone" }, /^`inactiveKeys` must be one of paused, ended, accepted, got: "gone"$/],
    [
      { fieldNames: "old" },
      /^`fieldNames` must be current, tool, or new names by the current ones, got: "old"$/,
    ],
    [{ requestsPerMinute: 0.5 }, /^`requestsPerMinute` must be a whole number, 0 or more, got: 0.5$/],
    [{ dateOffsetSeconds: null }, /^`dateOffsetSeconds` must be a number, got: null$/],
    [{ edgeCacheSeconds: -1 }, /^`edgeCacheSeconds` must be a number, 0 or more, got: -1$/],
    [{ honoursIdempotencyKey: 1 }, /^`honoursIdempotencyKey` must be true or false, got: 1$/],
    [{ keyPrefix: "no spaces" }, /^`keyPrefix` must be visible ASCII without spaces, got: "no spaces"$/],
    [{ grace: 1 }, /^`grace` is no behaviour; there are: graceHours, /],
    [[], /^it must be an object/],
    ["{", /JSON/],
  ])("%j changes nothing, and is told why", async (behaviour, detail) => {
    const controlPlane = await run();
    const answer = await change(controlPlane, behaviour);
    expect([answer.status, await answer.json()]).toEqual([422, { detail: expect.stringMatching(detail) }]);
    expect(controlPlane.state.behaviour).toEqual(DOCUMENTED_BEHAVIOUR);
  });
});

test("the page lists every behaviour, with the option that chooses it", () => {
  const readme = readFileSync(join(__dirname, "../../../local/control-plane/README.md"), "utf8");
  const [, section = ""] = readme.split("## How it behaves\n");
  const listed = [...(section.split("\n## ")[0] ?? "").matchAll(/^\| `(\w+)` +\| `(--[\w-]+)/gm)];
  expect(listed.map(([, name]) => name).sort()).toEqual(Object.keys(DOCUMENTED_BEHAVIOUR).sort());
});
