import { strict as assert } from "node:assert";
import fc from "fast-check";
import { type ControlPlane, createControlPlane, MAX_PAGES } from "../../core/control-plane/client";
import { ControlPlaneError } from "../../core/control-plane/errors";
import { AgentKey, ControlPlaneApiKey } from "../../core/key/credential";
import { FrozenClock } from "../../local/clock";
import { altered, garbled, jsonText, MARKERS, type Outcome, refusedBy, target, tellsNoKey } from "./target";

/** Whatever the Control Plane answers, every call of the client gives a right result or a `ControlPlaneError`. */

const NAMES = [
  "id",
  "agent_instance_id",
  "agent_type_id",
  "name",
  "secret",
  "secret_token",
  "detail",
  "loc",
  "msg",
  "error",
  "message",
  "total",
  "agent_instances",
  "agent_types",
  "is_active",
  "workspace_name",
  "description",
];
const INSTANCE = {
  id: "ai_1",
  name: "dev-support",
  agent_type_id: "at_1",
  account_id: null,
  is_active: true,
  secret: MARKERS.agentKey,
};
const body = fc.oneof(
  jsonText(...NAMES),
  altered(INSTANCE, ...NAMES),
  // A number that has been rounded already.
  altered({ ...INSTANCE, id: 2 ** 53 + 2 }, ...NAMES),
  altered({ total: 1, agent_instances: [INSTANCE], agent_types: [INSTANCE] }, ...NAMES),
  altered({ detail: `not accepted: ${MARKERS.apiKey} and ${MARKERS.agentKey}` }, ...NAMES),
  altered(
    { detail: [{ loc: ["header", MARKERS.apiKey], msg: MARKERS.agentKey, input: MARKERS.apiKey }] },
    ...NAMES,
  ),
  altered({ error: { code: "unauthorized", message: `Bearer ${MARKERS.apiKey}` } }, ...NAMES),
  garbled(altered(INSTANCE, ...NAMES)),
  fc.string(),
);
const headers = fc.dictionary(
  fc.constantFrom("date", "retry-after", "x-ratelimit-reset", "location", "content-type", "content-length"),
  fc.oneof(
    fc.constantFrom(
      "",
      "0",
      "-5",
      "1e300",
      "1e999",
      "soon",
      "Thu, 01 Jan 2026 00:00:00 GMT",
      "+275760-09-13",
    ),
    fc.string().map((text) => text.replace(/[^\x20-\x7e]/g, "")),
  ),
  { maxKeys: 3, noNullPrototype: true },
);
const answer = fc.record({
  status: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(200, 201) },
    { weight: 2, arbitrary: fc.constantFrom(204, 301, 307, 400, 401, 403, 404, 409, 422, 429, 500, 503) },
    { weight: 1, arbitrary: fc.integer({ min: 200, max: 599 }) },
  ),
  headers,
  body,
});
type Answer = typeof answer extends fc.Arbitrary<infer T> ? T : never;

/** Each call, and what has to be true of a result given the JSON of the last answer. */
const CALLS: Readonly<Record<string, (client: ControlPlane) => Promise<(last: Answer) => void>>> = {
  workspaceName: async (client) => isText(await client.workspaceName()),
  findAgentTypeByName: async (client) => isIdOrNothing(await client.findAgentTypeByName("dev-support")),
  findInstanceByName: async (client) => {
    const found = await client.findInstanceByName("dev-support");
    assert.equal(found?.name ?? "dev-support", "dev-support");
    return isIdOrNothing(found?.id);
  },
  getInstance: async (client) => {
    const found = await client.getInstance("ai_1");
    return (last) => {
      assert.equal(found === undefined, last.status === 404);
      isIdOrNothing(found?.id)(last);
    };
  },
  createInstance: async (client) => {
    const fields = { name: "dev-support", description: "", agentTypeId: "at_1", accountId: undefined };
    const issued = await client.createInstance({ ...fields, contactId: undefined }, "idempotency-key");
    return isTheKey(issued.agentKey);
  },
  refreshAgentKey: async (client) => {
    const issued = await client.refreshAgentKey("ai_1", "idempotency-key");
    assert.equal(issued.agentInstanceId, "ai_1");
    return isTheKey(issued.agentKey);
  },
  checkAgentKey: async (client) => {
    const check = await client.checkAgentKey(new AgentKey(MARKERS.agentKey));
    return (last) => assert.equal(check.accepted, last.status < 300);
  },
  updateInstance: async (client) => {
    await client.updateInstance("ai_1", { isActive: true });
    return isSuccess();
  },
  deleteInstance: async (client) => {
    await client.deleteInstance("ai_1");
    return (last) => assert.ok(last.status < 300 || last.status === 404);
  },
};

const isSuccess = () => (last: Answer) => assert.ok(last.status < 300);
const isText = (text: unknown) => (last: Answer) => {
  assert.equal(typeof text, "string");
  assert.ok(last.status < 300);
};
const isIdOrNothing = (id: string | undefined) => (last: Answer) => {
  if (id === undefined) return;
  assert.notEqual(id, "");
  // As it stands in the answer: a number that JavaScript rounds is another instance's id.
  const isWritten = last.body.includes(id) || last.body.includes(JSON.stringify(id).slice(1, -1));
  assert.ok(isWritten || /^\d+$/.test(id), id);
  if (/^\d+$/.test(id) && !last.body.includes(`"${id}"`)) assert.ok(Number.isSafeInteger(Number(id)), id);
};
const isTheKey = (key: AgentKey) => (last: Answer) => {
  const { secret, secret_token } = JSON.parse(last.body);
  assert.equal(key.reveal(), secret_token ?? secret);
};

export const controlPlaneAnswers = target(
  "answers of the Control Plane",
  20_000,
  fc.record({
    call: fc.constantFrom(...Object.keys(CALLS)),
    auth: fc.constantFrom("api-key" as const, "bearer" as const),
    answers: fc.array(answer, { minLength: 1, maxLength: 3 }),
  }),
  async ({ call, auth, answers }): Promise<Outcome> => {
    const clock = new FrozenClock();
    const endsAt = clock.now() + 180_000;
    let asked = 0;
    const client = createControlPlane({
      baseUrl: "https://control-plane.example/api/v1",
      clock,
      budget: { remainingMs: () => endsAt - clock.now() },
      sleep: async (ms) => clock.advanceBy(ms),
      random: () => 0,
      auth,
      apiKey: new ControlPlaneApiKey(MARKERS.apiKey),
      fetch: async () => {
        const { status, headers, body: text } = answers[Math.min(asked++, answers.length - 1)] as Answer;
        // It can only tell what it was told: this call sends no operator's key.
        const body = call === "checkAgentKey" ? text.replaceAll(MARKERS.apiKey, MARKERS.agentKey) : text;
        return new Response([204, 205, 304].includes(status) ? null : body, { status, headers });
      },
    });
    try {
      const check = await (CALLS[call] as (typeof CALLS)[string])(client);
      check(answers[Math.min(asked, answers.length) - 1] as Answer);
      tellsNoKey(dated(client));
      return "read";
    } catch (error) {
      return refusedBy(error, ControlPlaneError);
    } finally {
      assert.ok(asked <= (ASKED_ONCE.includes(call) ? 1 : MOST_ASKED), `${call}: ${asked} requests`);
    }
  },
);

/** A list that has no end: the same page for ever, pages that take turns, one that grows, pages that are always new. */
const endless = fc.record({
  kind: fc.constantFrom("same", "turns", "grows", "new"),
  period: fc.integer({ min: 2, max: 20 }),
  pageSize: fc.integer({ min: 1, max: 10 }),
  total: fc.option(fc.constantFrom(-1, 1e9, 1e300, "many"), { nil: undefined }),
  answerMs: fc.constantFrom(0, 50, 1_000),
  budgetMs: fc.integer({ min: 1, max: 180_000 }),
});

export const endlessLists = target("lists without an end", 150, endless, async (list): Promise<Outcome> => {
  const { kind, period, pageSize, total, budgetMs } = list;
  // A page that grows for a thousand pages takes seconds to read; time ends that one.
  const answerMs = kind === "grows" ? 1_000 : list.answerMs;
  const clock = new FrozenClock();
  const endsAt = clock.now() + budgetMs;
  const page = { same: () => 0, turns: (n: number) => n % period, grows: () => 0, new: (n: number) => n }[
    kind
  ];
  let asked = 0;
  const client = createControlPlane({
    baseUrl: "https://control-plane.example/api/v1",
    clock,
    budget: { remainingMs: () => endsAt - clock.now() },
    sleep: async (ms) => clock.advanceBy(ms),
    random: () => 0,
    auth: "api-key",
    apiKey: new ControlPlaneApiKey(MARKERS.apiKey),
    fetch: async () => {
      if (asked > 2 * MAX_PAGES) throw new Error("asked for ever");
      const first = page(asked++) * pageSize;
      const length = kind === "grows" ? asked : pageSize;
      const agent_instances = Array.from({ length }, (_, n) => ({
        id: `ai_${first + n}`,
        name: `n-${first + n}`,
      }));
      clock.advanceBy(answerMs);
      return Response.json({ total, agent_instances });
    },
  });
  const most = { same: 2, turns: period + 1, grows: MAX_PAGES, new: MAX_PAGES }[kind];
  try {
    await client.findInstanceByName("missing");
    // An end that the answer itself claims is one.
    assert.equal(total, -1);
    return "read";
  } catch (error) {
    return refusedBy(error, ControlPlaneError);
  } finally {
    assert.ok(asked <= most, `${kind}: ${asked} requests, ${most} at most`);
    assert.ok(asked <= 1 + budgetMs / Math.max(1, answerMs), `${asked} requests in ${budgetMs} ms`);
  }
});

/** What is never asked twice, since a second one may end a key. */
const ASKED_ONCE = ["createInstance", "refreshAgentKey"];
/** Three different answers, each of them four times. */
const MOST_ASKED = 12;

/** The Control Plane's time has to be one that can be written down, also with the longest grace period added. */
function dated(client: ControlPlane): string {
  let now: number;
  try {
    now = client.now();
  } catch (error) {
    refusedBy(error, ControlPlaneError);
    return "";
  }
  return new Date(now + 1_000 * 24 * 3_600_000).toISOString();
}
