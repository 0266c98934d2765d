import { AgentKey } from "../../../core/key/credential";
import { FrozenClock, HOUR, MINUTE } from "../../../local/clock";
import { controlPlaneApi } from "../../../local/control-plane/api";
import { ControlPlaneState } from "../../../local/control-plane/state";
import { run, stopAll } from "./running";

afterEach(stopAll);

const INSTANCE = {
  name: "dev-support",
  description: "answers customers",
  agent_type_id: "at_support",
  account_id: "acc_123",
  contact_id: "con_123",
};
const TIMESTAMP = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/);

describe("operator authentication", () => {
  test("understands both headers by default", async () => {
    const { call, apiKey } = await run();
    const me = { workspace_id: "ws_local", organization_id: "org_local", workspace_name: "Local" };
    for (const headers of [{ "api-key": apiKey }, { Authorization: `Bearer ${apiKey}` }])
      expect(await call("GET /auth/me", { headers })).toMatchObject({ status: 200, body: me });
  });

  test.each(["api-key", "bearer"] as const)("understands only %s where so configured", async (auth) => {
    const { call, apiKey } = await run({ auth });
    const asApiKey = await call("GET /auth/me", { headers: { "api-key": apiKey } });
    const asBearer = await call("GET /auth/me", { headers: { Authorization: `Bearer ${apiKey}` } });
    expect([asApiKey.status, asBearer.status]).toEqual(auth === "api-key" ? [200, 401] : [401, 200]);
  });

  test.each([
    ["no", {}],
    ["an unknown", { "api-key": "token_unknown" }],
  ])("refuses every operator's route with %s API key", async (_which, headers: Record<string, string>) => {
    const { call, createInstance, state } = await run();
    const { id } = await createInstance("a");
    const before = state.snapshot();
    for (const route of [
      "GET /auth/me",
      "GET /agent_type/all",
      "POST /agent_type/create",
      "PUT /agent_type/at_support",
      "DELETE /agent_type/at_research",
      "GET /agent_instance/all",
      "POST /agent_instance/create",
      "POST /agent_instance/validate-secret",
      `POST /agent_instance/${id}/refresh`,
      `GET /agent_instance/${id}`,
      `PUT /agent_instance/${id}`,
      `DELETE /agent_instance/${id}`,
    ])
      expect([route, await call(route, { headers })]).toMatchObject([
        route,
        { status: 401, body: { detail: "Unauthorized: Invalid api key" } },
      ]);
    expect(state.snapshot()).toEqual(before);
  });

  test("answers 403 to a restricted API key, and to a read-only one that wants to write", async () => {
    const apiKeys = (["restricted", "read-only", "valid"] as const).map((status) => ({
      key: `token_${status}`,
      workspaceId: "ws_local",
      status,
    }));
    const { call, createInstance } = await run({ apiKeys });
    const { id } = await createInstance("a");
    const statusOf = async (route: string, key: string) =>
      (await call(route, { headers: { "api-key": key } })).status;

    expect(await statusOf("GET /agent_instance/all", "token_restricted")).toBe(403);
    expect(await statusOf("GET /agent_instance/all", "token_read-only")).toBe(200);
    const refused = await call(`POST /agent_instance/${id}/refresh`, {
      headers: { "api-key": "token_read-only" },
    });
    expect(refused).toMatchObject({
      status: 403,
      body: { detail: "Restricted: This endpoint is not allowed for your API key" },
    });
  });

  test("speaks the earlier error bodies where so configured", async () => {
    const { call } = await run({ errorDialect: "earlier" });
    expect(await call("GET /auth/me", { headers: {} })).toMatchObject({
      status: 401,
      body: { error: { code: "unauthorized", message: "Unauthorized: Invalid api key" } },
    });
    const invalid = await call("POST /agent_instance/create", { body: { agent_type_id: "at_support" } });
    expect(invalid).toMatchObject({
      status: 422,
      body: { error: { code: "validation_error", message: "body.name: Field required" } },
    });
  });
});

describe("agent types", () => {
  test("are created, listed, changed and deleted", async () => {
    const { call } = await run();
    const created = await call("POST /agent_type/create", {
      body: { name: "Translator", description: "translates", type: "chat" },
    });
    expect(created).toMatchObject({
      status: 200,
      body: {
        id: expect.stringMatching(/^at_/),
        name: "Translator",
        description: "translates",
        created_at: TIMESTAMP,
      },
    });
    const { id } = created.body;

    const changed = await call(`PUT /agent_type/${id}`, { body: { description: "translates well" } });
    expect(changed.body).toEqual({ ...created.body, description: "translates well" });
    const all = await call("GET /agent_type/all");
    expect(all.body).toMatchObject({
      total: 3,
      agent_types: [{ id: "at_support" }, { id: "at_research" }, { id }],
    });

    expect((await call(`DELETE /agent_type/${id}`)).status).toBe(204);
    expect((await call(`DELETE /agent_type/${id}`)).status).toBe(404);
    expect((await call("GET /agent_type/all")).body.total).toBe(2);
  });

  test("cannot share a name", async () => {
    const { call } = await run();
    const body = { name: "Research Assistant", description: "" };
    expect(await call("POST /agent_type/create", { body })).toMatchObject({
      status: 409,
      body: { detail: "Agent type with name 'Research Assistant' already exists" },
    });
  });
});

describe("agent instances", () => {
  test("show their key once, at creation, and nowhere else", async () => {
    const { call } = await run();
    const created = await call("POST /agent_instance/create", { body: INSTANCE });
    expect(created.status).toBe(200);
    expect(Object.keys(created.body)).toEqual(["id", "name", "secret"]);
    const { id, secret } = created.body;
    expect(id).toMatch(/^ai_/);
    expect(secret).toMatch(/^agent_[0-9a-f]{32}$/);

    const one = await call(`GET /agent_instance/${id}`);
    expect(one.body).toEqual({ id, ...INSTANCE, is_active: true, created_at: TIMESTAMP });
    const all = await call("GET /agent_instance/all");
    const { description: _notListed, ...listed } = one.body;
    expect(all.body).toEqual({ total: 1, agent_instances: [listed] });
    const changed = await call(`PUT /agent_instance/${id}`, { body: { name: "renamed" } });
    expect(JSON.stringify([one.body, all.body, changed.body])).not.toContain(secret);
  });

  test("need neither account nor contact", async () => {
    const { call } = await run();
    const { body } = await call("POST /agent_instance/create", {
      body: { name: "a", agent_type_id: "at_support" },
    });
    expect((await call(`GET /agent_instance/${body.id}`)).body).toMatchObject({
      account_id: null,
      contact_id: null,
    });
  });

  test("change by the fields that are sent, and keep the others", async () => {
    const { call } = await run();
    const { id } = (await call("POST /agent_instance/create", { body: INSTANCE })).body;
    const change = { description: "marked", account_id: "acc_456", contact_id: "con_456", is_active: false };
    const changed = await call(`PUT /agent_instance/${id}`, { body: change });
    expect(changed).toMatchObject({ status: 200, body: { ...INSTANCE, ...change, id } });
    expect((await call(`GET /agent_instance/${id}`)).body).toEqual(changed.body);
  });

  test("are gone once deleted, with their keys", async () => {
    const { call, createInstance, infoStatus } = await run();
    const { id, agentKey } = await createInstance("a");
    expect((await call(`DELETE /agent_instance/${id}`)).status).toBe(204);
    for (const route of ["GET", "PUT", "DELETE"])
      expect(await call(`${route} /agent_instance/${id}`, route === "PUT" ? { body: {} } : {})).toMatchObject(
        {
          status: 404,
          body: { detail: "Agent instance not found" },
        },
      );
    expect((await call(`POST /agent_instance/${id}/refresh`)).status).toBe(404);
    expect(await infoStatus(agentKey)).toBe(401);
  });

  test("cannot share a name", async () => {
    const { call } = await run();
    await call("POST /agent_instance/create", { body: INSTANCE });
    expect(await call("POST /agent_instance/create", { body: INSTANCE })).toMatchObject({
      status: 409,
      body: { detail: "Agent instance with name 'dev-support' already exists" },
    });
    const other = await call("POST /agent_instance/create", { body: { ...INSTANCE, name: "other" } });
    const renamed = await call(`PUT /agent_instance/${other.body.id}`, { body: { name: INSTANCE.name } });
    expect(renamed.status).toBe(409);
  });

  test.each<[string, unknown, (string | number)[], string]>([
    ["no JSON", "{", ["body"], "json_invalid"],
    ["no body", undefined, ["body"], "json_invalid"],
    ["no name", { agent_type_id: "at_support" }, ["body", "name"], "missing"],
    ["an empty name", { ...INSTANCE, name: "" }, ["body", "name"], "value_error"],
    ["a number as name", { ...INSTANCE, name: 7 }, ["body", "name"], "type_error"],
    [
      "an unknown agent type",
      { ...INSTANCE, agent_type_id: "at_x" },
      ["body", "agent_type_id"],
      "value_error",
    ],
    ["an unknown account", { ...INSTANCE, account_id: "acc_x" }, ["body", "account_id"], "value_error"],
    ["an unknown contact", { ...INSTANCE, contact_id: "con_x" }, ["body", "contact_id"], "value_error"],
  ])("are refused with %s", async (_what, body, loc, type) => {
    const { call, state } = await run();
    expect(await call("POST /agent_instance/create", { body })).toMatchObject({
      status: 422,
      body: { detail: [{ loc, msg: expect.any(String), type }] },
    });
    expect(state.allInstances()).toEqual([]);
  });

  test("are listed in pages of at most 100, oldest first", async () => {
    const { call, state } = await run();
    const names = Array.from({ length: 205 }, (_, i) => `instance-${i}`);
    for (const name of names)
      state.createInstance("ws_local", {
        name,
        description: "",
        agentTypeId: "at_support",
        accountId: null,
        contactId: null,
      });

    const listed: string[] = [];
    for (const skip of [0, 100, 200, 300]) {
      const { body } = await call(`GET /agent_instance/all?skip=${skip}&limit=100`);
      expect(body.total).toBe(205);
      listed.push(...body.agent_instances.map(({ name }: { name: string }) => name));
    }
    expect(listed).toEqual(names);
    expect((await call("GET /agent_instance/all")).body.agent_instances).toHaveLength(100);
  });

  test.each(["limit=101", "limit=0", "limit=x", "skip=-1"])("are not listed with %s", async (query) => {
    const { call } = await run();
    expect(await call(`GET /agent_instance/all?${query}`)).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ["query", query.split("=")[0]] }] },
    });
  });
});

describe("agent keys", () => {
  test("are refreshed: both work for 24 hours, then the new one only", async () => {
    const { call, createInstance, infoStatus, clock } = await run();
    const { id, agentKey } = await createInstance("a");
    const refreshed = await call(`POST /agent_instance/${id}/refresh`);
    expect(refreshed).toMatchObject({ status: 200, body: { id, name: "a", secret: expect.any(String) } });
    const newKey = refreshed.body.secret;
    expect(newKey).not.toBe(agentKey);

    clock.advanceBy(24 * HOUR - 1);
    expect([await infoStatus(agentKey), await infoStatus(newKey)]).toEqual([200, 200]);
    clock.advanceBy(1);
    expect([await infoStatus(agentKey), await infoStatus(newKey)]).toEqual([401, 200]);
  });

  test("end at once with a grace of zero", async () => {
    const { call, createInstance, infoStatus } = await run({ graceHours: 0 });
    const { id, agentKey } = await createInstance("a");
    const { body } = await call(`POST /agent_instance/${id}/refresh`);
    expect([await infoStatus(agentKey), await infoStatus(body.secret)]).toEqual([401, 200]);
  });

  test("name their instance to whoever holds them, without an API key", async () => {
    const { call, createInstance } = await run();
    const { id, agentKey } = await createInstance("a");
    expect(await call("GET /agent_instance/info", { headers: { "X-Agent-Secret": agentKey } })).toMatchObject(
      {
        status: 200,
        body: { organization_id: "org_local", workspace_id: "ws_local", name: "a", id },
      },
    );
    for (const headers of [{}, { "X-Agent-Secret": "agent_unknown" }] as Record<string, string>[])
      expect(await call("GET /agent_instance/info", { headers })).toMatchObject({
        status: 401,
        body: { detail: "Unauthorized: Invalid agent secret" },
      });
  });

  test("are refused while their instance is inactive", async () => {
    const { call, createInstance, infoStatus } = await run();
    const { id, agentKey } = await createInstance("a");
    await call(`PUT /agent_instance/${id}`, { body: { is_active: false } });
    expect(await infoStatus(agentKey)).toBe(401);
    await call(`PUT /agent_instance/${id}`, { body: { is_active: true } });
    expect(await infoStatus(agentKey)).toBe(200);
  });

  test.each(["secret", "secret_token", "agent_secret"])("are validated, sent as %s", async (field) => {
    const { call, createInstance } = await run();
    const { agentKey } = await createInstance("a");
    const validate = (key: string) =>
      call("POST /agent_instance/validate-secret", { body: { [field]: key } });
    expect(await validate(agentKey)).toMatchObject({ status: 200, body: { valid: true } });
    expect(await validate("agent_unknown")).toMatchObject({ status: 200, body: { valid: false } });
  });

  test("are not repeated by the refusal of a body that holds one in the wrong field", async () => {
    const { call } = await run();
    const refused = await call("POST /agent_instance/validate-secret", { body: { key: "agent_abc123xyz" } });
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused.body)).not.toContain("agent_abc123xyz");
  });

  test("are minted anew by each refresh, unless Idempotency-Key is honoured", async () => {
    for (const honoursIdempotencyKey of [false, true]) {
      const { call, createInstance, apiKey } = await run({ honoursIdempotencyKey });
      const { id } = await createInstance("a");
      const headers = { "api-key": apiKey, "Idempotency-Key": "once" };
      const first = await call(`POST /agent_instance/${id}/refresh`, { headers });
      const second = await call(`POST /agent_instance/${id}/refresh`, { headers });
      expect(first.body.secret === second.body.secret).toBe(honoursIdempotencyKey);
    }
  });

  test("cannot be refreshed inside the grace under behaviour D", async () => {
    const { call, createInstance } = await run({ secondRefresh: "D" });
    const { id } = await createInstance("a");
    expect((await call(`POST /agent_instance/${id}/refresh`)).status).toBe(200);
    expect(await call(`POST /agent_instance/${id}/refresh`)).toMatchObject({
      status: 409,
      body: { detail: "An earlier secret of this agent instance is still in its grace period" },
    });
  });

  test("come under the names of Valmi's own tool where so configured", async () => {
    const { call } = await run({ fieldNames: "tool" });
    const created = await call("POST /agent_instance/create", { body: INSTANCE });
    expect(Object.keys(created.body)).toEqual(["agent_instance_id", "name", "secret_token"]);
    const id = created.body.agent_instance_id;
    expect(Object.keys((await call(`POST /agent_instance/${id}/refresh`)).body)).toContain("secret_token");
    expect((await call(`GET /agent_instance/${id}`)).body).toMatchObject({
      agent_instance_id: id,
      agent_type_id: "at_support",
    });
    expect((await call("GET /agent_type/all")).body.agent_types[0]).toMatchObject({
      agent_type_id: "at_support",
    });
  });
});

describe("rate limit", () => {
  test("counts each API key for a minute and answers 429 past it", async () => {
    const { call, createInstance, clock, infoStatus, state } = await run({ requestsPerMinute: 3 });
    const { id, agentKey } = await createInstance("a");
    clock.advanceBy(15_000);
    const counted = await call("GET /auth/me");
    expect(Object.fromEntries(counted.headers)).toMatchObject({
      "x-ratelimit-limit": "3",
      "x-ratelimit-remaining": "1",
      "x-ratelimit-reset": String((clock.now() + 45_000) / 1_000),
    });
    expect((await call("GET /auth/me")).status).toBe(200);

    const before = state.snapshot();
    const refused = await call(`POST /agent_instance/${id}/refresh`);
    expect(refused).toMatchObject({ status: 429, body: { detail: "Rate limit exceeded" } });
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      "x-ratelimit-remaining": "0",
      "retry-after": "45",
    });
    expect(state.snapshot()).toEqual(before);
    // An agent's own call is not counted against the operator.
    expect(await infoStatus(agentKey)).toBe(200);

    clock.advanceBy(MINUTE);
    expect((await call("GET /auth/me")).status).toBe(200);
  });

  test("is 1,000 requests a minute by default", async () => {
    const { call } = await run();
    expect((await call("GET /auth/me")).headers.get("x-ratelimit-limit")).toBe("1000");
  });
});

describe("time", () => {
  test("of every answer is the clock's, in its Date header", async () => {
    const { call, clock, createInstance } = await run();
    const { agentKey } = await createInstance("a");
    clock.advanceBy(90 * 24 * HOUR);
    const date = new Date(clock.now()).toUTCString();
    for (const [route, headers] of [
      ["GET /auth/me", undefined],
      ["GET /auth/me", {}],
      ["GET /agent_instance/info", { "X-Agent-Secret": agentKey }],
      ["GET /products", undefined],
    ] as [string, Record<string, string> | undefined][])
      expect((await call(route, headers && { headers })).headers.get("date")).toBe(date);
  });

  test("moves forward on demand", async () => {
    const { url, clock } = await run();
    const at = clock.now();
    const post = (body: unknown) =>
      fetch(new URL("/_local/clock", url), { method: "POST", body: JSON.stringify(body) });
    const moved = await post({ advanceMs: 24 * HOUR });
    expect(await moved.json()).toEqual({ now: new Date(at + 24 * HOUR).toISOString() });
    expect(clock.now()).toBe(at + 24 * HOUR);
    for (const advanceMs of ["1", null, -1, 1e300]) {
      const refused = await post({ advanceMs });
      expect([refused.status, await refused.json()]).toEqual([
        422,
        { detail: expect.stringMatching(/^`advanceMs` must be a number of milliseconds, 0 or more, /) },
      ]);
    }
    expect(clock.now()).toBe(at + 24 * HOUR);
    expect((await fetch(new URL("/_local/clock", url))).status).toBe(200);
  });
});

test("needs no socket", async () => {
  const clock = new FrozenClock();
  const apiKeys = [{ key: "token_test", workspaceId: "ws_local", status: "valid" as const }];
  const api = controlPlaneApi({ clock, state: new ControlPlaneState({ clock, apiKeys }) });
  const answer = await api.request("/auth/me", { headers: { "api-key": "token_test" } });
  expect([answer.status, answer.headers.get("date")]).toEqual([200, new Date(clock.now()).toUTCString()]);
  expect((await api.request("/auth/me")).status).toBe(401);
});

describe("what is not imitated", () => {
  test.each(["GET /products", "POST /account/create", "PATCH /agent_type/at_support", "GET /agent_instance"])(
    "%s answers 501 and says so",
    async (route) => {
      const { call } = await run();
      const [method, path] = route.split(" ");
      expect(await call(route)).toMatchObject({
        status: 501,
        body: { detail: `Not imitated: ${method} /api/v1${path}` },
      });
    },
  );

  test("neither is anything outside the base path", async () => {
    const { url } = await run();
    const response = await fetch(new URL("/docs", url));
    expect([response.status, await response.json()]).toEqual([501, { detail: "Not imitated: GET /docs" }]);
  });
});

describe("for a look", () => {
  test("counts the calls of each route, refused ones too, and records them", async () => {
    const { call, createInstance, calls, requests, url, apiKey } = await run();
    const { id } = await createInstance("a");
    await call(`POST /agent_instance/${id}/refresh`, {
      headers: { "api-key": apiKey, "Idempotency-Key": "once" },
    });
    await call(`POST /agent_instance/${id}/refresh`, { headers: {} });
    await call("GET /products");

    const expected = {
      "POST /agent_instance/create": 1,
      "POST /agent_instance/{agent_instance_id}/refresh": 2,
      "GET (not imitated)": 1,
    };
    expect(calls).toEqual(expected);
    expect(await (await fetch(new URL("/_local/calls", url))).json()).toEqual(expected);
    expect(requests.map(({ status, idempotencyKey }) => [status, idempotencyKey])).toEqual([
      [200, null],
      [200, "once"],
      [401, null],
      [501, null],
    ]);
  });

  test("shows instances with fingerprints of their keys, and never a key", async () => {
    const { call, createInstance, url } = await run();
    const { id, agentKey } = await createInstance("a");
    const newKey = (await call(`POST /agent_instance/${id}/refresh`)).body.secret;
    const text = await (await fetch(new URL("/_local/instances", url))).text();
    expect(JSON.parse(text)).toMatchObject([
      {
        id,
        name: "a",
        keys: [
          { fingerprint: new AgentKey(agentKey).fingerprint, diesAt: TIMESTAMP, isAccepted: true },
          { fingerprint: new AgentKey(newKey).fingerprint, diesAt: null, isAccepted: true },
        ],
      },
    ]);
    expect(text).not.toContain(agentKey);
    expect(text).not.toContain(newKey);
  });
});
