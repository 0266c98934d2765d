import { HOUR } from "../../../local/clock";
import type { FaultOrder } from "../../../local/control-plane/faults";
import { run, stopAll } from "./running";

afterEach(stopAll);

const REFRESH = "POST /agent_instance/{agent_instance_id}/refresh";

/** A Control Plane with one instance, a fault ordered for its refresh, and delays that last until `wakeUp`. */
async function withFault(order: Omit<FaultOrder, "route">) {
  let wakeUp = () => {};
  const awake = new Promise<void>((resolve) => {
    wakeUp = resolve;
  });
  let fallAsleep = (_milliseconds: number) => {};
  const sleeping = new Promise<number>((resolve) => {
    fallAsleep = resolve;
  });
  const controlPlane = await run({
    sleep: (milliseconds) => {
      fallAsleep(milliseconds);
      return awake;
    },
  });
  const { id } = await controlPlane.createInstance("a");
  controlPlane.faults.order({ route: REFRESH, ...order });
  return {
    ...controlPlane,
    sleeping,
    wakeUp,
    refresh: (signal?: AbortSignal) =>
      controlPlane.call(`POST /agent_instance/${id}/refresh`, signal ? { signal } : {}),
    minted: () => controlPlane.state.getInstance("ws_local", id).keys.length - 1,
  };
}

describe.each([
  ["before", 0],
  ["after", 1],
] as const)("%s the request is carried out", (when, mintedByFault) => {
  test("`drop` cuts the connection, once", async () => {
    const { refresh, minted, requests } = await withFault({ effect: "drop", when });
    await expect(refresh()).rejects.toThrow("fetch failed");
    expect(minted()).toBe(mintedByFault);
    expect((await refresh()).status).toBe(200);
    expect(minted()).toBe(mintedByFault + 1);
    expect(requests.slice(1)).toMatchObject([
      { status: null, fault: "drop" },
      { status: 200, fault: null },
    ]);
  });

  test("`status` answers with it", async () => {
    const { refresh, minted } = await withFault({ effect: "status", status: 502, when });
    expect(await refresh()).toMatchObject({ status: 502, body: { detail: "Ordered fault" } });
    expect(minted()).toBe(mintedByFault);
  });

  test("`malformed` answers with half of it", async () => {
    const { refresh, minted } = await withFault({ effect: "malformed", when });
    const { status, body } = await refresh();
    expect([status, typeof body]).toEqual([200, "string"]);
    expect(minted()).toBe(mintedByFault);
  });

  test("`redirect` sends elsewhere on the same host", async () => {
    const { refresh, minted, url } = await withFault({ effect: "redirect", when });
    const { status, headers } = await refresh();
    expect([status, headers.get("location")]).toEqual([307, "/_local/redirect-target"]);
    expect(minted()).toBe(mintedByFault);
    expect((await fetch(new URL("/_local/redirect-target", url), { method: "POST" })).status).toBe(200);
    expect(await (await fetch(new URL("/_local/calls", url))).json()).toMatchObject({
      "/_local/redirect-target": 1,
    });
  });

  test("`oversized` pads a well-formed answer", async () => {
    const { refresh, minted } = await withFault({ effect: "oversized", bytes: 100_000, when });
    const { body } = await refresh();
    expect(body.padding).toHaveLength(100_000);
    expect(minted()).toBe(mintedByFault);
  });

  test("`delay` answers late, and it is carried out even where the client has gone", async () => {
    const { refresh, minted, sleeping, wakeUp, requests } = await withFault({
      effect: "delay",
      delayMs: 30_000,
      when,
    });
    const abandoned = new AbortController();
    const request = refresh(abandoned.signal);
    expect(await sleeping).toBe(30_000);
    expect(minted()).toBe(mintedByFault);

    abandoned.abort();
    await expect(request).rejects.toThrow(/abort/i);
    wakeUp();
    while (requests.length < 2) await new Promise(setImmediate);
    expect(minted()).toBe(1);
  });
});

test("a delayed answer comes once the delay is over", async () => {
  const { refresh, wakeUp } = await withFault({ effect: "delay", delayMs: 30_000 });
  wakeUp();
  expect((await refresh()).status).toBe(200);
});

test("a 429 has Retry-After", async () => {
  const { refresh } = await withFault({ effect: "status", status: 429 });
  const { status, headers } = await refresh();
  expect([status, headers.get("retry-after")]).toEqual([429, "1"]);
});

test("a spoiled answer keeps the clock's Date", async () => {
  const { refresh, clock, faults } = await withFault({ effect: "status", when: "before" });
  faults.order({ route: REFRESH, effect: "malformed" });
  clock.advanceBy(365 * 24 * HOUR);
  for (let i = 0; i < 2; i++)
    expect((await refresh()).headers.get("date")).toBe(new Date(clock.now()).toUTCString());
});

test("befall only the ordered route, as often as ordered, in the order given", async () => {
  const { refresh, call, faults } = await withFault({ effect: "status", status: 500, times: 2 });
  faults.order({ route: REFRESH, effect: "status", status: 503 });
  expect((await call("GET /auth/me")).status).toBe(200);
  const statuses = [];
  for (let i = 0; i < 4; i++) statuses.push((await refresh()).status);
  expect(statuses).toEqual([500, 500, 503, 200]);
});

describe("lasting faults", () => {
  const GET = "GET /agent_instance/all";
  const statusesOf = async (call: (route: string) => Promise<{ status: number }>, count: number) => {
    const statuses = [];
    for (let i = 0; i < count; i++) statuses.push((await call(GET)).status);
    return statuses;
  };

  test.each([403, 404, 429, 500, 503])("a %d for ever, on one endpoint", async (status) => {
    const { call, faults } = await run();
    faults.order({ route: GET, effect: "status", status, times: "always" });
    expect(new Set(await statusesOf(call, 30))).toEqual(new Set([status]));
    expect((await call("GET /auth/me")).status).toBe(200);
    faults.clear();
    expect((await call(GET)).status).toBe(200);
  });

  test("for a time, by the server's clock", async () => {
    const { call, faults, clock } = await run();
    faults.order({ route: GET, effect: "status", lastsMs: 60_000 });
    expect(await statusesOf(call, 3)).toEqual([503, 503, 503]);
    clock.advanceBy(59_999);
    expect(await statusesOf(call, 1)).toEqual([503]);
    clock.advanceBy(1);
    expect(await statusesOf(call, 1)).toEqual([200]);
    expect(faults.list()).toEqual([]);
  });

  test("for a time, and no more often than ordered", async () => {
    const { call, faults } = await run();
    faults.order({ route: GET, effect: "status", lastsMs: 60_000, times: 2 });
    expect(await statusesOf(call, 3)).toEqual([503, 503, 200]);
  });

  test("429 in the middle: a few requests are let through first", async () => {
    const { call, faults } = await run();
    faults.order({ route: GET, effect: "status", status: 429, skip: 2, times: 2 });
    expect(await statusesOf(call, 5)).toEqual([200, 200, 429, 429, 200]);
  });

  test("two on one endpoint: the first ordered, as long as it lasts", async () => {
    const { call, faults } = await run();
    faults.order({ route: GET, effect: "status", status: 500, times: 1 });
    faults.order({ route: GET, effect: "status", status: 502, times: "always" });
    expect(await statusesOf(call, 3)).toEqual([500, 502, 502]);
  });

  test("an HTML page, as a proxy or a gateway answers", async () => {
    const { call, faults } = await run();
    faults.order({ route: GET, effect: "html", status: 200, times: "always" });
    const { status, headers, body } = await call(GET);
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(body).toMatch(/^<!doctype html>/i);
  });

  test("a field that is missing", async () => {
    const { refresh, minted, faults } = await withFault({ effect: "missing-field", field: "secret" });
    const { status, body } = await refresh();
    expect([status, Object.keys(body)]).toEqual([200, ["id", "name"]]);
    expect(minted()).toBe(1);
    expect(Object.keys((await refresh()).body)).toContain("secret");
    faults.order({ route: REFRESH, effect: "missing-field", field: "nothing" });
    expect(Object.keys((await refresh()).body)).toEqual(["id", "name", "secret"]);
  });

  test("slow by some seconds, for ever", async () => {
    const slept: number[] = [];
    const { call, faults } = await run({ sleep: async (milliseconds) => void slept.push(milliseconds) });
    faults.order({ route: GET, effect: "delay", delayMs: 7_000, times: "always" });
    expect(await statusesOf(call, 3)).toEqual([200, 200, 200]);
    expect(slept).toEqual([7_000, 7_000, 7_000]);
  });
});

test("are ordered, listed and cleared over HTTP", async () => {
  const { call, url } = await run();
  const faults = new URL("/_local/faults", url);
  const order = { route: "GET /auth/me", effect: "status", status: 500, times: 3 };
  expect((await fetch(faults, { method: "POST", body: JSON.stringify(order) })).status).toBe(200);
  expect((await call("GET /auth/me")).status).toBe(500);
  expect(await (await fetch(faults)).json()).toMatchObject([{ ...order, times: 2, when: "after" }]);
  expect((await fetch(faults, { method: "DELETE" })).status).toBe(204);
  expect((await call("GET /auth/me")).status).toBe(200);
});

test.each([
  ["an unknown route", { route: "GET /nope", effect: "drop" }, "`route` must be one of"],
  ["an unknown effect", { route: REFRESH, effect: "explode" }, "`effect`"],
  ["a misspelt field", { route: REFRESH, effect: "delay", delay: 5 }, "`delay`"],
  ["no field to leave out", { route: REFRESH, effect: "missing-field" }, "`field`"],
  ["a status that is none", { route: REFRESH, effect: "status", status: 200 }, "`status`"],
  ["no times", { route: REFRESH, effect: "drop", times: 0 }, "`times`"],
  ["a length below nothing", { route: REFRESH, effect: "drop", lastsMs: -1 }, "`lastsMs`"],
  ["no JSON", undefined, "JSON"],
])("refuse an order with %s", async (_what, order, message) => {
  const { url } = await run();
  const response = await fetch(new URL("/_local/faults", url), {
    method: "POST",
    body: order === undefined ? "{" : JSON.stringify(order),
  });
  expect(response.status).toBe(422);
  expect(await response.json()).toEqual({ detail: expect.stringContaining(message) });
});

test("closing ends what is delayed", async () => {
  let closing: AbortSignal | undefined;
  const controlPlane = await run({
    sleep: (_milliseconds, signal) => {
      closing = signal;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  });
  controlPlane.faults.order({ route: "GET /auth/me", effect: "delay" });
  const failed = expect(controlPlane.call("GET /auth/me")).rejects.toThrow("fetch failed");
  while (!closing) await new Promise(setImmediate);
  await controlPlane.close();
  await failed;
  expect(closing.aborted).toBe(true);
});
