import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { type AdjustableClock, SettableClock } from "../clock";
import { controlPlaneApi, dateHeader, documentedRoutes, routeOf } from "./api";
import { befall, type Fault, Faults } from "./faults";
import { localRoutes } from "./local-routes";
import { BASE_PATH, LOCAL_PATH } from "./paths";
import { SAMPLE_SEED } from "./seed";
import { ControlPlaneState, type ControlPlaneStateOptions } from "./state";
import { randomTokens } from "./tokens";

export interface ControlPlaneServerOptions extends Omit<ControlPlaneStateOptions, "clock"> {
  /** @default - a free port */
  readonly port?: number;
  /** @default - the machine's clock, moved by `POST /_local/clock` */
  readonly clock?: AdjustableClock;
  /** Waits for the fault `delay`; resolves at once when `signal` aborts. @default - real time */
  readonly sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
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

const MAX_RECORDED_REQUESTS = 10_000;

/** Starts a Control Plane on 127.0.0.1. Rejects where an option is out of its range or the port is taken. */
export async function startControlPlane(options: ControlPlaneServerOptions = {}): Promise<LocalControlPlane> {
  const { clock = new SettableClock(), sleep = sleepUnlessAborted } = options;
  const state = new ControlPlaneState({ ...options, clock });
  const apiKey = operatorApiKey(state, options);
  const api = controlPlaneApi({ state, clock });

  const calls: Record<string, number> = {};
  const requests: RecordedRequest[] = [];
  const closing = new AbortController();
  const app = new Hono<{ Bindings: HttpBindings }>();
  const faults = new Faults(documentedRoutes(api.routes), clock);

  const record = createMiddleware<{ Bindings: HttpBindings }>(async (c, next) => {
    const route = routeOf(c, BASE_PATH);
    calls[route] = (calls[route] ?? 0) + 1;
    const fault = faults.take(route);
    const at = clock.now();
    if (fault) await befall(fault, c, next, (milliseconds) => sleep(milliseconds, closing.signal));
    else await next();
    c.header("Date", dateHeader(state, clock));
    const status = c.env.incoming.socket.destroyed ? null : c.res.status;
    const idempotencyKey = c.req.header("Idempotency-Key") ?? null;
    requests.push({ at, route, status, idempotencyKey, fault: fault?.effect ?? null });
    if (requests.length > MAX_RECORDED_REQUESTS) requests.shift();
  });

  app.use(`${BASE_PATH}/*`, record);
  app.route(BASE_PATH, api);
  app.route(LOCAL_PATH, localRoutes({ state, clock, faults, calls }));
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

async function sleepUnlessAborted(milliseconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal }).catch(() => {});
}
