import fc from "fast-check";
import type { ControlPlaneAuth } from "../../../core/contract";
import { type ControlPlane, createControlPlane, MAX_PAGES } from "../../../core/control-plane/client";
import { ControlPlaneError, isControlPlaneError } from "../../../core/control-plane/errors";
import { AgentKey, ControlPlaneApiKey } from "../../../core/key/credential";
import { FrozenClock, HOUR, MINUTE } from "../../../local/clock";
import {
  type ControlPlaneServerOptions,
  type LocalControlPlane,
  startControlPlane,
} from "../../../local/control-plane/server";
import { START } from "../../../proofs/harness/builders";

const REFRESH = "POST /agent_instance/{agent_instance_id}/refresh";
const CREATE = "POST /agent_instance/create";
const GET_INSTANCE = "GET /agent_instance/{agent_instance_id}";

const running: LocalControlPlane[] = [];
afterEach(() => Promise.all(running.splice(0).map((server) => server.close())));

/** Our client and a Control Plane, over real HTTP; waiting moves both clocks. */
async function connected(
  options: ControlPlaneServerOptions & {
    clientAuth?: ControlPlaneAuth;
    text?: string;
    timeoutMs?: number;
    remainingMs?: number;
  } = {},
) {
  const clock = new FrozenClock(START);
  const server = await startControlPlane({ clock, ...options });
  running.push(server);
  const client = createControlPlane({
    baseUrl: server.url,
    auth: options.clientAuth ?? "api-key",
    apiKey: new ControlPlaneApiKey(options.text ?? server.apiKey),
    clock,
    budget: { remainingMs: () => options.remainingMs ?? 180_000 },
    sleep: async (ms) => clock.advanceBy(ms),
    random: () => 0,
    timeoutMs: options.timeoutMs ?? 10_000,
    maxBytes: 100_000,
  });
  return { server, clock, client };
}

/** A client without a server. */
const clientOptions = {
  baseUrl: "https://cp.example",
  auth: "api-key" as const,
  clock: new FrozenClock(START),
  budget: { remainingMs: () => 180_000 },
  sleep: async () => {},
  random: () => 0,
};

const FIELDS = {
  name: "dev-support",
  description: "answers customers",
  agentTypeId: "at_support",
  accountId: "acc_123",
  contactId: "con_123",
};

const create = (client: ControlPlane, name = FIELDS.name) =>
  client.createInstance({ ...FIELDS, name }, "idempotency-1");

async function failureOf(call: Promise<unknown>): Promise<ControlPlaneError> {
  const outcome = await call.catch((error: unknown) => error);
  if (isControlPlaneError(outcome)) return outcome;
  throw new Error("expected a ControlPlaneError", { cause: outcome });
}

describe.each([
  ["the documented field names", "current"],
  ["the field names of Valmi's own tool", "tool"],
] as const)("with %s", (_, fieldNames) => {
  test("an instance lives: create, find, get, refresh, update, deactivate, delete", async () => {
    const { client, server } = await connected({ fieldNames });
    const issued = await create(client);
    expect(server.state.isAccepted(issued.agentKey.reveal())).toBe(true);

    const expected = { ...FIELDS, id: issued.agentInstanceId, isActive: true };
    await expect(client.getInstance(issued.agentInstanceId)).resolves.toEqual(expected);
    await expect(client.findInstanceByName("dev-support")).resolves.toEqual({
      ...expected,
      description: undefined,
    });
    await expect(client.checkAgentKey(issued.agentKey)).resolves.toEqual({
      accepted: true,
      agentInstanceId: issued.agentInstanceId,
    });

    const refreshed = await client.refreshAgentKey(issued.agentInstanceId, "idempotency-2");
    expect(refreshed.agentInstanceId).toBe(issued.agentInstanceId);
    expect(refreshed.agentKey.equals(issued.agentKey)).toBe(false);
    await expect(client.checkAgentKey(refreshed.agentKey)).resolves.toMatchObject({ accepted: true });

    await client.updateInstance(issued.agentInstanceId, { name: "renamed", isActive: false });
    await expect(client.getInstance(issued.agentInstanceId)).resolves.toMatchObject({
      name: "renamed",
      description: "answers customers",
      isActive: false,
    });
    await expect(client.checkAgentKey(refreshed.agentKey)).resolves.toEqual({ accepted: false });

    await client.deleteInstance(issued.agentInstanceId);
    await client.deleteInstance(issued.agentInstanceId);
    await expect(client.getInstance(issued.agentInstanceId)).resolves.toBeUndefined();
    await expect(client.findInstanceByName("renamed")).resolves.toBeUndefined();
  });

  test("agent types are found by name", async () => {
    const { client } = await connected({ fieldNames });
    await expect(client.findAgentTypeByName("Research Assistant")).resolves.toBe("at_research");
    await expect(client.findAgentTypeByName("research assistant")).resolves.toBeUndefined();
  });
});

test("account and contact may be left to the Control Plane", async () => {
  const { client, server } = await connected();
  await client.createInstance({ ...FIELDS, accountId: undefined, contactId: undefined }, "idempotency-1");
  expect(server.state.allInstances()[0]).toMatchObject({ accountId: null, contactId: null });
  await expect(client.findInstanceByName(FIELDS.name)).resolves.toMatchObject({
    accountId: "",
    contactId: "",
  });
});

test("finds what stands beyond the first page, and asks for no page after the last one", async () => {
  const { client, server } = await connected();
  for (let number = 1; number <= 200; number++) {
    server.state.createInstance("ws_local", {
      ...FIELDS,
      name: `instance-${number}`,
      accountId: null,
      contactId: null,
    });
  }
  await expect(client.findInstanceByName("instance-101")).resolves.toMatchObject({ name: "instance-101" });
  expect(server.calls["GET /agent_instance/all"]).toBe(2);
  await expect(client.findInstanceByName("instance-201")).resolves.toBeUndefined();
  expect(server.calls["GET /agent_instance/all"]).toBe(4);
});

/** A Control Plane of 120 instances that gives 50 of them at the most, whatever it is asked for. */
function cappedPages(total: { total?: number }) {
  const asked: string[] = [];
  const client = createControlPlane({
    ...clientOptions,
    apiKey: new ControlPlaneApiKey("token_operator123"),
    fetch: async (url) => {
      const { searchParams } = new URL(String(url));
      const skip = Number(searchParams.get("skip"));
      asked.push(String(searchParams));
      const ids = Array.from(
        { length: Math.max(0, Math.min(50, 120 - skip)) },
        (_, index) => skip + index + 1,
      );
      return Response.json({ ...total, agent_instances: ids.map((id) => ({ id, name: `instance-${id}` })) });
    },
  });
  return { client, asked };
}

describe("where pages are shorter than was asked for", () => {
  test.each([
    ["the total says when all were seen", { total: 120 }, [0, 50, 100]],
    ["an empty page does, where there is no total", {}, [0, 50, 100, 120]],
  ])("%s", async (_, total, skips) => {
    const { client, asked } = cappedPages(total);
    await expect(client.findInstanceByName("instance-119")).resolves.toMatchObject({ id: "119" });
    expect(asked).toHaveLength(3);
    asked.length = 0;
    await expect(client.findInstanceByName("instance-121")).resolves.toBeUndefined();
    expect(asked).toEqual(skips.map((skip) => `skip=${skip}&limit=100`));
  });
});

test("a Control Plane that gives the same page whatever is skipped is found out, not asked for ever", async () => {
  let asked = 0;
  const client = createControlPlane({
    ...clientOptions,
    apiKey: new ControlPlaneApiKey("token_operator123"),
    fetch: async () => {
      if (++asked > 10) throw new Error("asked for ever");
      return Response.json({ agent_instances: [{ id: "ai_1", name: "instance-1" }] });
    },
  });
  await expect(client.findInstanceByName("instance-1")).resolves.toMatchObject({ id: "ai_1" });
  asked = 0;
  const error = await failureOf(client.findInstanceByName("instance-2"));
  expect(error).toMatchObject({ kind: "unreadable" });
  expect(error.message).toContain(
    "/agent_instance/all?skip=1: the answer lacks a readable field: agent_instances beyond 1",
  );
  expect(asked).toBe(2);
});

describe("a list without an end", () => {
  const instance = (id: number) => ({ id: `ai_${id}`, name: `instance-${id}` });
  /** Each page takes a second. */
  const without = (pageAfter: (skip: number, asked: number) => object[], budgetMs: number) => {
    const clock = new FrozenClock(START);
    const endsAt = START + budgetMs;
    const asked: number[] = [];
    const client = createControlPlane({
      ...clientOptions,
      clock,
      budget: { remainingMs: () => endsAt - clock.now() },
      apiKey: new ControlPlaneApiKey("token_operator123"),
      fetch: async (url) => {
        const skip = Number(new URL(String(url)).searchParams.get("skip"));
        asked.push(skip);
        clock.advanceBy(1_000);
        return Response.json({ total: 1e9, agent_instances: pageAfter(skip, asked.length) });
      },
    });
    return { client, asked };
  };

  test("whose pages alternate brings nothing new with the third", async () => {
    const { client, asked } = without((_, count) => [instance(count % 2)], 180_000);
    const error = await failureOf(client.findInstanceByName("missing"));
    expect(error).toMatchObject({ kind: "unreadable", applied: "unknown" });
    expect(error.message).toContain("lacks a readable field: agent_instances beyond 2");
    expect(asked).toEqual([0, 1, 2]);
  });

  test(`is given up after ${MAX_PAGES} pages, where there is time for more`, async () => {
    const { client, asked } = without((skip) => [instance(skip)], 1e9);
    const error = await failureOf(client.findInstanceByName("missing"));
    expect(error.kind).toBe("unreadable");
    expect(error.message).toContain(`an end of agent_instances, within ${MAX_PAGES} pages`);
    expect(asked).toHaveLength(MAX_PAGES);
  });

  test("is given up when the invocation's time is", async () => {
    const { client, asked } = without((skip) => [instance(skip)], 20_000);
    const error = await failureOf(client.findInstanceByName("missing"));
    expect(error).toMatchObject({ kind: "unreachable", applied: "no" });
    expect(error.message).toContain("no time is left for another page");
    expect(asked.length).toBeLessThan(20);
  });
});

test("an id that JavaScript would round is refused, since it would name another instance", async () => {
  const answering = (body: string) =>
    createControlPlane({
      ...clientOptions,
      apiKey: new ControlPlaneApiKey("token_operator123"),
      fetch: async () => new Response(body),
    });
  const rounded = answering('{"id": 12345678901234567890, "name": "a"}');
  await expect(failureOf(rounded.getInstance("ai_1"))).resolves.toMatchObject({ kind: "unreadable" });
  const exact = answering('{"id": 9007199254740991, "name": "a"}');
  await expect(exact.getInstance("ai_1")).resolves.toMatchObject({ id: "9007199254740991" });
});

test.each(["..", ".", "\ud800"])(
  "an instance of the id %j is never asked for: the path would lead elsewhere",
  async (id) => {
    let asked = 0;
    const client = createControlPlane({
      ...clientOptions,
      baseUrl: "https://cp.example/api/v1",
      apiKey: new ControlPlaneApiKey("token_operator123"),
      fetch: async () => {
        asked += 1;
        return Response.json({ id, name: "a", secret: "agent_new12345" });
      },
    });
    for (const call of [
      client.getInstance(id),
      client.deleteInstance(id),
      client.refreshAgentKey(id, "key-1"),
    ]) {
      await expect(failureOf(call)).resolves.toMatchObject({ kind: "invalid", applied: "no" });
    }
    expect(asked).toBe(0);
  },
);

test("sends an idempotency key with create and refresh", async () => {
  const { client, server } = await connected({ honoursIdempotencyKey: true });
  const first = await create(client);
  const second = await client.refreshAgentKey(first.agentInstanceId, "idempotency-2");
  const replayed = await client.refreshAgentKey(first.agentInstanceId, "idempotency-2");
  expect(replayed.agentKey.equals(second.agentKey)).toBe(true);
  expect(server.requests.map(({ idempotencyKey }) => idempotencyKey)).toEqual([
    "idempotency-1",
    "idempotency-2",
    "idempotency-2",
  ]);
});

describe("the operator's API key", () => {
  test.each<[ControlPlaneAuth, ControlPlaneAuth, boolean]>([
    ["api-key", "api-key", true],
    ["bearer", "bearer", true],
    ["api-key", "bearer", false],
    ["bearer", "api-key", false],
  ])("as %s, where %s is understood: %s", async (clientAuth, auth, accepted) => {
    const { client } = await connected({ clientAuth, auth });
    const outcome = await client.workspaceName().catch((error) => error.kind);
    expect(outcome).toBe(accepted ? "Local" : "unauthorized");
  });

  test.each([
    ["unknown", undefined, "unauthorized", "401"],
    ["revoked", "revoked", "unauthorized", "401"],
    ["restricted", "restricted", "forbidden", "403"],
  ] as const)("%s", async (_, status, kind, code) => {
    const key = "a-key-of-another-shape";
    const apiKeys = status ? [{ key, workspaceId: "ws_local", status }] : [];
    const { client } = await connected({ text: key, apiKeys });
    const error = await failureOf(client.workspaceName());
    expect(error).toMatchObject({ kind, applied: "no" });
    expect(error.message).toMatch(new RegExp(`^GET /auth/me: ${code}, `));
    expect(error.message).not.toContain(key);
  });

  test("is not sent along with an agent key, nor an agent key with it", async () => {
    const { client } = await connected();
    const { agentKey } = await create(client);
    const sent: Headers[] = [];
    const fetched = jest.spyOn(globalThis, "fetch").mockImplementation(async (_, init) => {
      sent.push(new Headers(init?.headers));
      return Response.json({ id: "ai_1" });
    });
    const watched = createControlPlane({
      ...clientOptions,
      apiKey: new ControlPlaneApiKey("token_operator123"),
    });
    await watched.checkAgentKey(agentKey);
    await watched.getInstance("ai_1");
    fetched.mockRestore();
    const carried = sent.map((headers) => [headers.get("api-key"), headers.get("x-agent-secret")]);
    expect(carried).toEqual([
      [null, agentKey.reveal()],
      ["token_operator123", null],
    ]);
  });
});

describe("refusals of create and refresh are certain, and say why", () => {
  test.each<[string, (client: ControlPlane) => Promise<unknown>, ControlPlaneError["kind"], string]>([
    ["a taken name", (client) => create(client).then(() => create(client)), "conflict", "already exists"],
    [
      "an unknown agent type",
      (client) => client.createInstance({ ...FIELDS, agentTypeId: "at_x" }, "k"),
      "invalid",
      "body.agent_type_id: Agent type at_x not found",
    ],
    [
      "an unknown account",
      (client) => client.createInstance({ ...FIELDS, accountId: "acc_x" }, "k"),
      "invalid",
      "body.account_id: Account acc_x not found",
    ],
    [
      "an unknown instance",
      (client) => client.refreshAgentKey("ai_x", "k"),
      "not-found",
      "Agent instance not found",
    ],
  ])("%s", async (_, call, kind, why) => {
    const { client } = await connected();
    const error = await failureOf(call(client));
    expect(error).toMatchObject({ kind, applied: "no" });
    expect(error.message).toContain(why);
  });

  test("a second refresh inside the grace period", async () => {
    const { client } = await connected({ secondRefresh: "D" });
    const { agentInstanceId } = await create(client);
    await client.refreshAgentKey(agentInstanceId, "k2");
    await expect(failureOf(client.refreshAgentKey(agentInstanceId, "k3"))).resolves.toMatchObject({
      kind: "conflict",
      applied: "no",
    });
  });
});

test.each<[string, Response]>([
  ["403 of its own", Response.json({ detail: "Restricted" }, { status: 403 })],
  ["404 of its own", Response.json({ detail: "Not found" }, { status: 404 })],
  ["somebody's 401", new Response("<html>Log in</html>", { status: 401 })],
  ["an empty 401", new Response("", { status: 401 })],
  ["a 401 in another shape", Response.json({ error: "unauthorized" }, { status: 401 })],
  ["a firewall's 403", new Response("<html>Forbidden</html>", { status: 403 })],
  ["a route that is gone", new Response("<html>Not found</html>", { status: 404 })],
  ["a redirect", new Response(null, { status: 302, headers: { location: "https://log.in" } })],
  ["a page for people", new Response("<html>Welcome</html>", { status: 200 })],
  ["nothing", new Response("", { status: 200 })],
  ["a renamed field", Response.json({ instance: "ai_1" })],
])("a key is neither accepted nor refused by %s", async (_, response) => {
  const client = createControlPlane({
    ...clientOptions,
    apiKey: new ControlPlaneApiKey("token_operator_1"),
    fetch: async () => response,
  });
  const error = await failureOf(client.checkAgentKey(new AgentKey("agent_abc12345")));
  expect(error).toMatchObject({ name: "ControlPlaneError", kind: "unreadable" });
  expect(error.message).toContain("GET /agent_instance/info");
});

describe("a call that mints", () => {
  test.each([
    ["a dropped answer", { effect: "drop" }, "unreachable", "unknown"],
    ["503 after it was carried out", { effect: "status" }, "unavailable", "unknown"],
    ["503 instead", { effect: "status", when: "before" }, "unavailable", "unknown"],
    ["429", { effect: "status", when: "before", status: 429 }, "rate-limited", "no"],
    ["half an answer", { effect: "malformed" }, "unreadable-key", "unknown"],
    ["too long an answer", { effect: "oversized", bytes: 200_000 }, "unreadable-key", "unknown"],
    ["a redirect", { effect: "redirect" }, "unreadable", "unknown"],
  ] as const)("is never repeated after %s", async (_, fault, kind, applied) => {
    const { client, server } = await connected();
    const { agentInstanceId } = await create(client);
    server.faults.order({ route: REFRESH, ...fault });
    server.faults.order({ route: CREATE, ...fault });
    await expect(failureOf(client.refreshAgentKey(agentInstanceId, "k2"))).resolves.toMatchObject({
      kind,
      applied,
    });
    await expect(failureOf(create(client, "dev-other"))).resolves.toMatchObject({ kind, applied });
    expect(server.calls).toMatchObject({ [REFRESH]: 1, [CREATE]: 2 });
    expect(server.calls["/_local/redirect-target"]).toBeUndefined();
  });

  test("is given up only when the invocation has just time left to store a key", async () => {
    const { client, server } = await connected({ timeoutMs: 1, remainingMs: 30_040 });
    server.faults.order({ route: CREATE, effect: "delay", delayMs: 5_000 });
    await expect(failureOf(create(client))).resolves.toMatchObject({
      kind: "unreachable",
      applied: "unknown",
    });
  });
});

describe("a call that is safe to repeat", () => {
  test.each([
    ["a dropped answer", { effect: "drop" }],
    ["503", { effect: "status" }],
    ["429", { effect: "status", status: 429 }],
  ] as const)("is repeated after %s", async (_, fault) => {
    const { client, server } = await connected();
    const { agentInstanceId } = await create(client);
    server.faults.order({ route: GET_INSTANCE, times: 2, ...fault });
    await expect(client.getInstance(agentInstanceId)).resolves.toMatchObject({ name: "dev-support" });
    expect(server.calls[GET_INSTANCE]).toBe(3);
  });

  test("is still done once where it had been carried out: update and delete", async () => {
    const { client, server } = await connected();
    const { agentInstanceId } = await create(client);
    server.faults.order({ route: "PUT /agent_instance/{agent_instance_id}", effect: "drop" });
    await client.updateInstance(agentInstanceId, { name: "renamed" });
    server.faults.order({ route: "DELETE /agent_instance/{agent_instance_id}", effect: "drop" });
    await client.deleteInstance(agentInstanceId);
    expect(server.state.allInstances()).toEqual([]);
  });

  test("waits for the rate limit's next minute", async () => {
    const { client, clock } = await connected({ requestsPerMinute: 1 });
    await client.workspaceName();
    await client.workspaceName();
    expect(clock.now()).toBe(START + MINUTE);
  });

  test("does not follow a redirect, which would carry the key elsewhere", async () => {
    const { client, server } = await connected();
    server.faults.order({ route: "GET /auth/me", effect: "redirect" });
    const error = await failureOf(client.workspaceName());
    expect(error).toMatchObject({ kind: "unreadable" });
    expect(error.message).toBe("GET /auth/me: 307, and redirects are refused");
    expect(server.calls["/_local/redirect-target"]).toBeUndefined();
  });
});

describe("the time", () => {
  test("is the Control Plane's, and goes on with the machine's clock", async () => {
    const ahead = 9 * MINUTE;
    const { server, client: _ } = await connected({ clock: new FrozenClock(START + ahead) });
    const machine = new FrozenClock(START);
    const client = createControlPlane({
      baseUrl: server.url,
      auth: "api-key",
      apiKey: new ControlPlaneApiKey(server.apiKey),
      clock: machine,
      budget: { remainingMs: () => 180_000 },
      sleep: async () => {},
      random: () => 0,
    });
    await client.workspaceName();
    expect(client.now()).toBe(START + ahead);
    expect(client.clockDiffers()).toBe(false);
    machine.advanceBy(1_500);
    expect(client.now()).toBe(START + ahead + 1_500);
  });

  test.each([11 * MINUTE, -11 * MINUTE, 3 * 365 * 24 * HOUR])(
    "is the own clock's, and said to differ, if the Control Plane's is %d ms off",
    async (off) => {
      const { server, client: _ } = await connected({ clock: new FrozenClock(START + off) });
      const machine = new FrozenClock(START);
      const client = createControlPlane({
        baseUrl: server.url,
        auth: "api-key",
        apiKey: new ControlPlaneApiKey(server.apiKey),
        clock: machine,
        budget: { remainingMs: () => 180_000 },
        sleep: async () => {},
        random: () => 0,
      });
      await client.workspaceName();
      expect(client.clockDiffers()).toBe(true);
      machine.advanceBy(1_500);
      expect(client.now()).toBe(START + 1_500);
    },
  );

  test("is not guessed before there was an answer", async () => {
    const { client } = await connected();
    expect(() => client.now()).toThrow(ControlPlaneError);
  });
});

describe("whatever the Control Plane answers", () => {
  /** A client whose every call is answered with this. */
  const answering = (body: string, status = 200) =>
    createControlPlane({
      ...clientOptions,
      apiKey: new ControlPlaneApiKey("token_operator123"),
      attempts: 1,
      fetch: async () => new Response(body, { status }),
    });

  test.each<[string, unknown, string]>([
    ["no key", { id: "ai_1" }, "secret"],
    ["an empty key", { id: "ai_1", secret: "" }, "secret"],
    ["null for a key", { id: "ai_1", secret: null, secret_token: null }, "secret"],
    ["a key that no header can carry", { id: "ai_1", secret: "agent_abc 123xyz" }, "secret"],
    ["a number for a key", { id: "ai_1", secret: 12345678 }, "secret"],
    ["no id", { secret: "agent_abc123xyz" }, "id"],
    ["an empty id", { id: "", secret: "agent_abc123xyz" }, "id"],
    ["a list", [{ id: "ai_1", secret: "agent_abc123xyz" }], "secret"],
    ["a text", "agent_abc123xyz", "(whole answer)"],
  ])("a create answered with %s names the field, and may have been carried out", async (_, body, field) => {
    const error = await failureOf(create(answering(JSON.stringify(body))));
    expect(error).toMatchObject({ kind: "unreadable-key", applied: "unknown" });
    expect(error.message).toBe(`POST /agent_instance/create: the answer lacks a readable field: ${field}`);
  });

  test("ids may be numbers", async () => {
    const issued = await create(answering('{"id": 17, "secret": "agent_abc123xyz"}'));
    expect(issued.agentInstanceId).toBe("17");
  });

  test("a list without its field is not an empty list", async () => {
    const error = await failureOf(answering('{"items": []}').findInstanceByName("a"));
    expect(error.message).toContain("agent_instances");
  });

  test("every call gives a result of its own or a ControlPlaneError, and repeats no key", async () => {
    const marker = "agent_marker123456";
    const value = fc.oneof(
      fc.constant(marker),
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.object({ maxDepth: 1 }),
    );
    const names = [
      "id",
      "agent_instance_id",
      "name",
      "secret",
      "secret_token",
      "detail",
      "error",
      "total",
      "agent_instances",
      "agent_types",
      "is_active",
      "workspace_name",
    ];
    const body = fc.oneof(
      fc.json(),
      fc.string(),
      fc
        .dictionary(fc.constantFrom(...names), fc.oneof(value, fc.array(value, { maxLength: 3 })))
        .map((each) => JSON.stringify(each)),
    );
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom(200, 201, 400, 401, 404, 422, 500), async (text, status) => {
        const client = answering(text, status);
        for (const call of [
          () => create(client),
          () => client.refreshAgentKey("ai_1", "k"),
          () => client.getInstance("ai_1"),
          () => client.findInstanceByName("a"),
          () => client.findAgentTypeByName("a"),
          () => client.checkAgentKey(new AgentKey(marker)),
          () => client.workspaceName(),
        ]) {
          const outcome = await call().catch((error: unknown) => error);
          if (!(outcome instanceof Error)) continue;
          expect(outcome).toBeInstanceOf(ControlPlaneError);
          expect(outcome.message).not.toContain(marker);
        }
      }),
    );
  });
});
