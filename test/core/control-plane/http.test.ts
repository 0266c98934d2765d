import { ControlPlaneError } from "../../../core/control-plane/errors";
import { createHttp, type HttpOptions, type HttpRequest } from "../../../core/control-plane/http";
import { FrozenClock } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";

const READ: HttpRequest = { method: "GET", path: "/auth/me", safeToRepeat: true };
const MINT: HttpRequest = { method: "POST", path: "/agent_instance/ai_1/refresh", safeToRepeat: false };
const EXPLAINED = { detail: "as it is explained" };
const FOREIGN = ", not an answer of the Control Plane's own";
const API_KEY = "an-operator-key-of-no-known-shape";

type Reply = () => Response | Promise<Response>;

/** Gives the replies one after the other, the last one for ever. */
function server(replies: Reply[], options: Partial<HttpOptions> & { remainingMs?: number } = {}) {
  const clock = new FrozenClock(START);
  const endsAt = START + (options.remainingMs ?? 180_000);
  const requests: { url: string; init: RequestInit }[] = [];
  const slept: number[] = [];
  const http = createHttp({
    baseUrl: "https://cp.example/api/v1",
    clock,
    budget: { remainingMs: () => endsAt - clock.now() },
    sleep: async (ms) => {
      slept.push(ms);
      clock.advanceBy(ms);
    },
    random: () => 0,
    fetch: async (url, init = {}) => {
      requests.push({ url: String(url), init });
      return (replies[requests.length - 1] ?? (replies.at(-1) as Reply))();
    },
    ...options,
  });
  return { http, requests, slept };
}

const json =
  (status: number, body: unknown = {}, headers: Record<string, string> = {}): Reply =>
  () =>
    Response.json(body, { status, headers });
const text =
  (status: number, body: string): Reply =>
  () =>
    new Response(body, { status });
const noAnswer: Reply = () => {
  throw new TypeError(`fetch failed: ${API_KEY}`, {
    cause: Object.assign(new Error(API_KEY), { code: "ECONNRESET" }),
  });
};

async function failureOf(call: Promise<unknown>): Promise<ControlPlaneError> {
  const outcome = await call.then(
    (answer) => answer,
    (error: unknown) => error,
  );
  if (outcome instanceof ControlPlaneError) return outcome;
  throw new Error("expected a ControlPlaneError", { cause: outcome });
}

describe("a request", () => {
  test("goes below the base URL, without following redirects, and carries its headers and body", async () => {
    const { http, requests } = server([json(200)]);
    await http({ ...MINT, headers: { "api-key": API_KEY }, body: { name: "a" } });
    const [request] = requests;
    expect(request?.url).toBe("https://cp.example/api/v1/agent_instance/ai_1/refresh");
    expect(request?.init).toMatchObject({
      method: "POST",
      redirect: "manual",
      headers: { accept: "application/json", "content-type": "application/json", "api-key": API_KEY },
      body: '{"name":"a"}',
    });
  });

  test("without body says nothing of one", async () => {
    const { http, requests } = server([json(200)]);
    await http(READ);
    expect(requests[0]?.init.body).toBeUndefined();
    expect(requests[0]?.init.headers).not.toHaveProperty("content-type");
  });

  test.each<[string, Reply, object]>([
    ["JSON", json(200, { id: "a" }), { status: 200, body: { id: "a" }, date: undefined }],
    ["nothing", text(200, ""), { status: 200, body: undefined }],
    ["white space", text(200, " \n"), { status: 200, body: undefined }],
    ["204", () => new Response(null, { status: 204 }), { status: 204, body: undefined }],
    ["the date", json(200, {}, { date: "Thu, 01 Jan 2026 00:00:00 GMT" }), { date: START }],
    ["a date that is none", json(200, {}, { date: "soon" }), { date: undefined }],
    ["an accepted refusal", json(404, { detail: "none" }), { status: 404, body: { detail: "none" } }],
  ])("gives %s", async (_, reply, answer) => {
    await expect(server([reply]).http(READ, [404])).resolves.toMatchObject(answer);
  });
});

describe("an answer that cannot be used", () => {
  test.each<[string, Reply, ControlPlaneError["kind"], ControlPlaneError["applied"]]>([
    ["400", json(400, EXPLAINED), "invalid", "no"],
    ["401", json(401, EXPLAINED), "unauthorized", "no"],
    ["403", json(403, EXPLAINED), "forbidden", "no"],
    ["404", json(404, EXPLAINED), "not-found", "no"],
    ["409", json(409, EXPLAINED), "conflict", "no"],
    ["418", json(418, EXPLAINED), "invalid", "no"],
    ["422", json(422, { detail: [{ loc: ["body"], msg: "bad" }] }), "invalid", "no"],
    ["401 in the earlier dialect", json(401, { error: { message: "no" } }), "unauthorized", "no"],
    // What others between here and there may answer is not the Control Plane's word.
    ["somebody's 401", json(401, { error: "unauthorized" }), "unreadable", "unknown"],
    ["a proxy's 403", text(403, "<html>Forbidden</html>"), "unreadable", "unknown"],
    ["a route that is gone", text(404, "<html>Not found</html>"), "unreadable", "unknown"],
    ["an empty 404", text(404, ""), "unreadable", "unknown"],
    ["422 without a word", json(422, { detail: [] }), "unreadable", "unknown"],
    ["429", json(429), "rate-limited", "no"],
    ["500", json(500), "unavailable", "unknown"],
    ["503", json(503), "unavailable", "unknown"],
    [
      "a redirect",
      () => new Response(null, { status: 307, headers: { location: "/" } }),
      "unreadable",
      "unknown",
    ],
    ["no JSON", text(200, "<html>"), "unreadable", "unknown"],
    ["half of its JSON", text(200, '{"secret": "agent_abc123'), "unreadable", "unknown"],
    ["a cut connection", noAnswer, "unreachable", "unknown"],
  ])("%s", async (_, reply, kind, applied) => {
    const error = await failureOf(server([reply]).http(MINT));
    expect(error).toMatchObject({ kind, applied });
    expect(error.message).toContain("POST /agent_instance/ai_1/refresh");
  });

  test("is refused past the size limit, without reading on", async () => {
    let pulled = 0;
    const large = () =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            pulled += 1;
            controller.enqueue(new Uint8Array(1_024));
            if (pulled === 100) controller.close();
          },
        }),
      );
    const error = await failureOf(server([large], { maxBytes: 10_000 }).http(MINT));
    expect(error).toMatchObject({ kind: "unreadable", applied: "unknown" });
    expect(error.message).toContain("larger than 10000 bytes");
    expect(pulled).toBeLessThan(20);
  });

  test("is given up after the time limit, and no more than is left of the invocation", async () => {
    const hangs: HttpOptions["fetch"] = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
      });
    for (const limits of [{ timeoutMs: 5 }, { remainingMs: 5 }]) {
      const error = await failureOf(server([], { ...limits, fetch: hangs }).http(MINT));
      expect(error).toMatchObject({ kind: "unreachable", applied: "unknown" });
      expect(error.message).toContain("no answer");
    }
  });

  test.each([
    ["the time limit of a call", { ...MINT }, 10_000],
    ["all that is left but 30 s, if it holds a key that is shown once", { ...MINT, mintsKey: true }, 150_000],
  ])("is waited for as long as %s", async (_, request, milliseconds) => {
    const timeout = jest.spyOn(AbortSignal, "timeout");
    await server([json(200, {})], { remainingMs: 180_000 }).http(request);
    expect(timeout.mock.calls).toEqual([[milliseconds]]);
    timeout.mockRestore();
  });
});

describe("a text about a failure", () => {
  test.each<[string, Reply, string]>([
    ["the present dialect", json(404, { detail: "Agent type not found" }), "404, Agent type not found"],
    [
      "the earlier dialect",
      json(401, { error: { code: "x", message: "Invalid API key" } }),
      "401, Invalid API key",
    ],
    [
      "a list of fields",
      json(422, {
        detail: [
          { loc: ["body", "account_id"], msg: "not found", input: "x" },
          { loc: "name", msg: "taken" },
        ],
      }),
      "422, body.account_id: not found; name: taken",
    ],
    ["no explanation", json(404, { something: "else" }), `404${FOREIGN}`],
    ["null", json(404, null), `404${FOREIGN}`],
    ["no JSON", text(404, "<html>"), `404${FOREIGN}`],
    ["a failure of its own", json(500, { detail: "Traceback" }), "500"],
  ])("repeats what explains it: %s", async (_, reply, ending) => {
    const error = await failureOf(server([reply], { attempts: 1 }).http(READ));
    expect(error.message).toBe(`GET /auth/me: ${ending}`);
  });

  test("is cut short", async () => {
    const error = await failureOf(server([json(404, { detail: "x".repeat(1_000) })]).http(READ));
    expect(error.message.length).toBeLessThan(400);
  });

  test.each<[string, Reply]>([
    ["the explanation repeats the key", json(401, { detail: `Invalid key: ${API_KEY}` })],
    ["the field's text repeats the key", json(422, { detail: [{ loc: ["header"], msg: `bad ${API_KEY}` }] })],
    ["the explanation repeats it next to other words", json(401, { detail: `key_${API_KEY}_is_bad` })],
    ["a network error repeats it", noAnswer],
    ["the body is broken", text(200, API_KEY)],
    ["the server fails", text(500, API_KEY)],
  ])("holds no key where %s", async (_, reply) => {
    const request = { ...READ, headers: { "api-key": API_KEY, authorization: `Bearer ${API_KEY}` } };
    const error = await failureOf(server([reply], { attempts: 1 }).http(request));
    expect(error.message).not.toContain(API_KEY);
    expect(error.cause).toBeUndefined();
  });

  test.each(["agent_type_id", "agent_instance_id", "agent_instance", "agent_secret", "secret_token"])(
    "names the API's own field %s",
    async (field) => {
      const error = await failureOf(
        server([json(422, { detail: [{ loc: ["body", field], msg: "not found" }] })]).http(READ),
      );
      expect(error.message).toBe(`GET /auth/me: 422, body.${field}: not found`);
    },
  );

  test.each([
    "agent_abc123xyz",
    "agent_abcdefgh",
    "agent_type_abc123",
    "secret_abc123xyz",
    "token_abc123xyz",
    "sk_api_abc123xyz",
  ])("masks %s, whoever put it there", async (key) => {
    const error = await failureOf(server([json(409, { detail: `'${key}' exists` })]).http(READ));
    expect(error.message).toBe("GET /auth/me: 409, '[masked]' exists");
  });
});

describe("a call that is safe to repeat", () => {
  test.each<[string, Reply]>([
    ["429", json(429)],
    ["500", json(500)],
    ["503", json(503)],
    ["a cut connection", noAnswer],
  ])("is repeated after %s", async (_, reply) => {
    const { http, requests } = server([reply, reply, json(200, { id: "a" })]);
    await expect(http(READ)).resolves.toMatchObject({ body: { id: "a" } });
    expect(requests).toHaveLength(3);
  });

  test.each<[string, Reply]>([
    ["400", json(400)],
    ["401", json(401)],
    ["403", json(403)],
    ["404", json(404)],
    ["409", json(409)],
    ["422", json(422)],
    ["a redirect", () => new Response(null, { status: 302 })],
    ["an answer that is no JSON", text(200, "<html>")],
  ])("is not repeated after %s", async (_, reply) => {
    const { http, requests } = server([reply]);
    await failureOf(http(READ));
    expect(requests).toHaveLength(1);
  });

  test("is given up after four attempts, with growing waits", async () => {
    const { http, requests, slept } = server([json(503)]);
    await failureOf(http(READ));
    expect(requests).toHaveLength(4);
    expect(slept).toEqual([125, 250, 500]);
  });

  test("waits up to twice as long by chance", async () => {
    const { http, slept } = server([json(503)], { random: () => 0.999 });
    await failureOf(http(READ));
    expect(slept.map(Math.round)).toEqual([250, 500, 1_000]);
  });

  test.each<[string, Record<string, string>, number]>([
    ["Retry-After in seconds", { "retry-after": "7" }, 7_000],
    ["Retry-After as a date", { "retry-after": new Date(START + 9_000).toUTCString() }, 9_000],
    [
      "Retry-After as a date by the server's clock",
      { date: new Date(START - 60_000).toUTCString(), "retry-after": new Date(START - 55_000).toUTCString() },
      5_000,
    ],
    ["Retry-After in the past", { "retry-after": new Date(START - 9_000).toUTCString() }, 0],
    [
      "X-RateLimit-Reset in seconds since the epoch",
      { "x-ratelimit-reset": String(START / 1_000 + 11) },
      11_000,
    ],
    ["X-RateLimit-Reset in seconds to wait", { "x-ratelimit-reset": "12" }, 12_000],
    ["Retry-After before X-RateLimit-Reset", { "retry-after": "3", "x-ratelimit-reset": "12" }, 3_000],
    ["no readable header", { "retry-after": "soon" }, 125],
  ])("waits as it is told: %s", async (_, headers, wait) => {
    const { http, slept } = server([json(429, {}, headers), json(200)]);
    await http(READ);
    expect(slept).toEqual([wait]);
  });

  test("does not wait longer than the invocation lasts", async () => {
    const { http, requests, slept } = server([json(429, {}, { "retry-after": "60" })], {
      remainingMs: 62_000,
    });
    const error = await failureOf(http(READ));
    expect(error).toMatchObject({ kind: "rate-limited", retryAfterMs: 60_000 });
    expect([requests.length, slept]).toEqual([1, []]);
  });
});

test.each<[string, Reply]>([
  ["429", json(429, {}, { "retry-after": "1" })],
  ["503", json(503)],
  ["a cut connection", noAnswer],
])("a call that is not safe to repeat is not repeated after %s", async (_, reply) => {
  const { http, requests } = server([reply, json(200)]);
  await failureOf(http(MINT));
  expect(requests).toHaveLength(1);
});

test.each([
  "Sat, 13 Sep 275760 00:00:00 GMT",
  "+275760-09-13T00:00:00Z",
  "Thu, 01 Jan 1960 00:00:00 GMT",
  "soon",
])("a Date header of '%s' is none: nothing could be reckoned from it", async (date) => {
  const { http } = server([json(200, {}, { date })]);
  await expect(http(READ)).resolves.toMatchObject({ date: undefined });
});

test.each([
  ['{"detail":[{"loc":[{"toString":1},"name"],"msg":{"toString":null}}]}', "GET /auth/me: 422, .name: "],
  [`{"detail":[{"loc":${"[".repeat(20_000)}${"]".repeat(20_000)},"msg":"no"}]}`, "GET /auth/me: 422, : no"],
  ['{"detail":[null,1]}', "GET /auth/me: 422, : ; : "],
])("an explanation that can't be told is left out: %#", async (body, message) => {
  const { http } = server([text(422, body)]);
  await expect(failureOf(http(READ))).resolves.toMatchObject({ kind: "invalid", message });
});
