import { createHash } from "node:crypto";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Context, Hono } from "hono";
import { createMiddleware } from "hono/factory";
import type { Clock } from "../../lambda/clock";
import { SettableClock } from "../clock";
import { type ControlPlaneApiOptions, controlPlaneApi, routeOf } from "./api";
import { type Fault, Faults } from "./faults";
import { SAMPLE_SEED } from "./seed";
import { ControlPlaneState, type ControlPlaneStateOptions, isLive } from "./state";
import { randomTokens } from "./tokens";

export const BASE_PATH = "/api/v1";

/** A clock that the local services share and that moves on demand. */
export type AdjustableClock = Clock & { advanceBy(milliseconds: number): void };

export interface ControlPlaneServerOptions
  extends Omit<ControlPlaneStateOptions, "clock">,
    Omit<ControlPlaneApiOptions, "state" | "clock"> {
  /** @default - a free port */
  readonly port?: number;
  /** @default - the machine's clock, moved by `POST /_local/clock` */
  readonly clock?: AdjustableClock;
}

/** One request of the API as it went; never a key. */
export interface RecordedRequest {
  /** By the server's clock, in milliseconds since the epoch. */
  readonly at: number;
  readonly route: string;
  /** `null` where the connection was cut. */
  readonly status: number | null;
  readonly idempotencyKey: string | null;
  readonly fault: Fault["effect"] | null;
}

export interface LocalControlPlane {
  /** The base URL, with `/api/v1`. */
  readonly url: string;
  /** A valid operator's API key. */
  readonly apiKey: string;
  readonly state: ControlPlaneState;
  readonly clock: AdjustableClock;
  readonly faults: Faults;
  /** Requests since the start by route, such as `POST /agent_instance/create`, refused ones included. */
  readonly calls: Readonly<Record<string, number>>;
  /** The latest requests, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** Frees the port and cuts what is still under way. */
  close(): Promise<void>;
}

const REDIRECT_TARGET = "/_local/redirect-target";
const MAX_RECORDED_REQUESTS = 10_000;

/** Starts a Control Plane on 127.0.0.1. Rejects where an option is out of its range or the port is taken. */
export async function startControlPlane(options: ControlPlaneServerOptions = {}): Promise<LocalControlPlane> {
  const clock = options.clock ?? new SettableClock();
  const state = new ControlPlaneState({ ...options, clock });
  const apiKey = operatorApiKey(state, options);
  const api = controlPlaneApi({ ...options, state, clock });

  const calls: Record<string, number> = {};
  const requests: RecordedRequest[] = [];
  const closing = new AbortController();
  const app = new Hono<{ Bindings: HttpBindings }>();
  const faults = new Faults([
    ...new Set(
      api.routes
        .filter(({ method }) => method !== "ALL")
        .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`),
    ),
  ]);

  const record = createMiddleware<{ Bindings: HttpBindings }>(async (c, next) => {
    const route = routeOf(c, BASE_PATH);
    calls[route] = (calls[route] ?? 0) + 1;
    const fault = faults.take(route);
    const at = clock.now();
    if (fault) await befall(fault, c, next, closing.signal);
    else await next();
    const status = c.env.incoming.socket.destroyed ? null : c.res.status;
    const idempotencyKey = c.req.header("Idempotency-Key") ?? null;
    requests.push({ at, route, status, idempotencyKey, fault: fault?.effect ?? null });
    if (requests.length > MAX_RECORDED_REQUESTS) requests.shift();
  });

  app.use(`${BASE_PATH}/*`, record);
  app.route(BASE_PATH, api);
  app.route("/_local", localRoutes({ state, clock, faults, calls }));
  // A client that follows redirects would carry its API key here: counted, so that a test can see it.
  app.all(REDIRECT_TARGET, (c) => {
    calls[REDIRECT_TARGET] = (calls[REDIRECT_TARGET] ?? 0) + 1;
    return c.json({ detail: "A redirect was followed" });
  });
  app.notFound((c) => c.json({ detail: `Not imitated: ${c.req.method} ${c.req.path}` }, 501));

  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}${BASE_PATH}`,
    apiKey,
    state,
    clock,
    faults,
    calls,
    requests,
    close: () =>
      new Promise((resolve) => {
        closing.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The first valid API key among the given ones, or else a new one of the first workspace. */
function operatorApiKey(state: ControlPlaneState, options: ControlPlaneServerOptions): string {
  const given = options.apiKeys?.find(({ status }) => status === "valid");
  if (given) return given.key;
  const [workspace] = (options.seed ?? SAMPLE_SEED).workspaces;
  if (!workspace) throw new RangeError("`seed.workspaces` must hold at least one workspace");
  const key = `token_${randomTokens(0)}`;
  state.setApiKey({ key, workspaceId: workspace.id, status: "valid" });
  return key;
}

/** Carries a request out, or not, and spoils its answer. */
async function befall(
  fault: Fault,
  c: Context<{ Bindings: HttpBindings }>,
  next: () => Promise<void>,
  closing: AbortSignal,
): Promise<void> {
  const wait = () => delay(fault.delayMs, undefined, { signal: closing }).catch(() => {});
  if (fault.when === "after") await next();
  switch (fault.effect) {
    case "delay":
      await wait();
      // A request that still waits when the server closes must not happen.
      if (fault.when === "before" && !closing.aborted) await next();
      return;
    case "drop":
      c.env.incoming.socket.destroy();
      c.res = RESPONSE_ALREADY_SENT;
      return;
    case "status":
      c.res = Response.json({ detail: "Ordered fault" }, { status: fault.status });
      if (fault.status === 429) c.res.headers.set("Retry-After", "1");
      return;
    case "redirect":
      c.res = new Response(null, { status: 307, headers: { Location: REDIRECT_TARGET } });
      return;
    case "malformed":
    case "oversized": {
      const answer = fault.when === "after" ? await c.res.text() : '{"detail": "Ordered fault"}';
      const spoiled =
        fault.effect === "malformed"
          ? answer.slice(0, Math.ceil(answer.length / 2))
          : `{"padding": "${"x".repeat(fault.bytes)}", ${answer.slice(1)}`;
      c.res = new Response(spoiled, { headers: { "Content-Type": "application/json" } });
    }
  }
}

/** Routes for whoever runs the server. Not part of Valmi's API; they show fingerprints, never keys. */
function localRoutes({
  state,
  clock,
  faults,
  calls,
}: Pick<LocalControlPlane, "state" | "clock" | "faults" | "calls">) {
  const local = new Hono();
  const problem = (error: unknown) => (error instanceof Error ? error.message : String(error));

  local.get("/calls", (c) => c.json(calls));
  local.get("/clock", (c) => c.json({ now: new Date(clock.now()).toISOString() }));
  local.post("/clock", async (c) => {
    try {
      const { advanceMs } = await c.req.json();
      if (typeof advanceMs !== "number") throw new RangeError("`advanceMs` must be a number of milliseconds");
      clock.advanceBy(advanceMs);
    } catch (error) {
      return c.json({ detail: problem(error) }, 422);
    }
    return c.json({ now: new Date(clock.now()).toISOString() });
  });
  local.get("/faults", (c) => c.json(faults.list()));
  local.post("/faults", async (c) => {
    try {
      return c.json(faults.order(await c.req.json()));
    } catch (error) {
      return c.json({ detail: problem(error) }, 422);
    }
  });
  local.delete("/faults", (c) => {
    faults.clear();
    return c.body(null, 204);
  });
  local.get("/instances", (c) =>
    c.json(
      state.allInstances().map(({ keys, ...instance }) => ({
        ...instance,
        keys: keys.map((key) => ({
          fingerprint: fingerprint(key.value),
          mintedAt: new Date(key.mintedAt).toISOString(),
          liveFrom: new Date(key.liveFrom).toISOString(),
          diesAt: key.diesAt === null ? null : new Date(key.diesAt).toISOString(),
          isAccepted: instance.isActive && isLive(key, clock.now()),
        })),
      })),
    ),
  );
  return local;
}

/** The first 12 hexadecimal digits of a key's SHA-256: enough to tell keys apart, nothing to use. */
export function fingerprint(agentKey: string): string {
  return createHash("sha256").update(agentKey).digest("hex").slice(0, 12);
}
