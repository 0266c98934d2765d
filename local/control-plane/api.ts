import { type Context, Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { matchedRoutes } from "hono/route";
import type { RouterRoute } from "hono/types";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import * as v from "valibot";
import type { Clock } from "../../core/clock";
import { SECOND } from "../clock";
import type { Behaviour } from "./behaviour";
import { Edge } from "./edge";
import type { AgentInstance, AgentType, InstanceChange, IssuedKey, Page } from "./model";
import { RateLimit } from "./rate-limit";
import { type FieldProblem, invalidField, Refusal } from "./refusal";
import type { ControlPlaneState } from "./state";

export interface ControlPlaneApiOptions {
  readonly state: ControlPlaneState;
  /** Gives the `Date` header and the rate limit's minutes; the state's own clock. */
  readonly clock: Clock;
}

const MAX_PAGE = 100;

const name = v.pipe(v.string(), v.minLength(1));
const optionalText = v.optional(v.nullable(v.string()), null);
const agentTypeBody = v.object({ name, description: v.optional(v.string(), "") });
const agentTypeChange = v.partial(v.object({ name, description: v.string() }));
const instanceBody = v.object({
  name,
  description: v.optional(v.string(), ""),
  agent_type_id: v.string(),
  account_id: optionalText,
  contact_id: optionalText,
});
const instanceChange = v.partial(
  v.object({
    name,
    description: v.string(),
    agent_type_id: v.string(),
    account_id: v.nullable(v.string()),
    contact_id: v.nullable(v.string()),
    is_active: v.boolean(),
  }),
);
// The documentation doesn't name the field, so each name that Valmi uses for a key elsewhere will do.
const secretBody = v.union([
  v.object({ secret: v.string() }),
  v.object({ secret_token: v.string() }),
  v.object({ agent_secret: v.string() }),
]);

const ERROR_CODES: Record<number, string> = {
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  422: "validation_error",
  429: "rate_limited",
  501: "not_imitated",
};

/**
 * The documented API below its base URL, over the state and nothing else: no socket, no timer. Serve it, or give its
 * `request` to a client in the place of `fetch`.
 */
export function controlPlaneApi({ state, clock }: ControlPlaneApiOptions) {
  const rateLimit = new RateLimit(clock);
  const edge = new Edge<AgentInstance>(clock);
  const api = new Hono<{ Variables: { workspaceId: string } }>();

  const refuse = (c: Context, status: ContentfulStatusCode, detail: string | readonly FieldProblem[]) => {
    const message = typeof detail === "string" ? detail : new Refusal(422, detail).message;
    const body =
      state.behaviour.errorDialect === "earlier"
        ? { error: { code: ERROR_CODES[status] ?? "error", message } }
        : { detail };
    return c.json(body, status);
  };

  /** Lets a request through with an operator's API key that may do this. */
  const operator = (access: "read" | "write") =>
    createMiddleware<{ Variables: { workspaceId: string } }>(async (c, next) => {
      const apiKey = apiKeyOf(c, state.behaviour.auth);
      const workspace = state.authenticate(apiKey, access);
      const standing = rateLimit.count(apiKey ?? "", state.behaviour.requestsPerMinute);
      c.header("X-RateLimit-Limit", String(standing.limit));
      c.header("X-RateLimit-Remaining", String(standing.remaining));
      c.header("X-RateLimit-Reset", String(standing.resetAt));
      if (!standing.allowed) {
        c.header("Retry-After", String(standing.retryAfter));
        return refuse(c, 429, "Rate limit exceeded");
      }
      c.set("workspaceId", workspace.id);
      await next();
    });

  const named = (of: "agent_type" | "agent_instance", fields: Readonly<Record<string, unknown>>) =>
    renamed(fields, namesFor(of, state.behaviour.fieldNames));
  const agentType = (type: AgentType) =>
    named("agent_type", {
      id: type.id,
      name: type.name,
      description: type.description,
      created_at: timestamp(type.createdAt),
    });
  const instanceFields = (instance: AgentInstance) => ({
    id: instance.id,
    name: instance.name,
    agent_type_id: instance.agentTypeId,
    account_id: instance.accountId,
    contact_id: instance.contactId,
    is_active: instance.isActive,
    created_at: timestamp(instance.createdAt),
  });
  const listedInstance = (instance: AgentInstance) => named("agent_instance", instanceFields(instance));
  const instanceDetail = (instance: AgentInstance) =>
    named("agent_instance", { ...instanceFields(instance), description: instance.description });
  const issuedKey = ({ instance, agentKey }: IssuedKey) =>
    named("agent_instance", { id: instance.id, name: instance.name, secret: agentKey });

  api.use(async (c, next) => {
    await next();
    c.header("Date", dateHeader(state, clock));
  });
  api.onError((error, c) => {
    if (!(error instanceof Refusal)) throw error;
    return refuse(c, error.status, error.detail);
  });

  api.get("/auth/me", operator("read"), (c) => {
    const workspace = state.workspace(c.var.workspaceId);
    return c.json({
      workspace_id: workspace?.id,
      organization_id: workspace?.organizationId,
      workspace_name: workspace?.name,
    });
  });

  api.get("/agent_type/all", operator("read"), (c) => {
    const { total, agentTypes } = state.listAgentTypes(c.var.workspaceId, pageOf(c));
    return c.json({ total, agent_types: agentTypes.map(agentType) });
  });
  api.post("/agent_type/create", operator("write"), async (c) =>
    c.json(agentType(state.createAgentType(c.var.workspaceId, await bodyOf(c, agentTypeBody)))),
  );
  api.put("/agent_type/:agent_type_id", operator("write"), async (c) => {
    const change = await bodyOf(c, agentTypeChange);
    return c.json(
      agentType(state.updateAgentType(c.var.workspaceId, c.req.param("agent_type_id"), given(change))),
    );
  });
  api.delete("/agent_type/:agent_type_id", operator("write"), (c) => {
    state.deleteAgentType(c.var.workspaceId, c.req.param("agent_type_id"));
    return c.body(null, 204);
  });

  api.get("/agent_instance/info", (c) => {
    const agentKey = c.req.header("X-Agent-Secret");
    const { edgeCacheSeconds, fieldNames } = state.behaviour;
    const instance = edge.answer(agentKey ?? "", edgeCacheSeconds, () => state.identify(agentKey));
    const fields = {
      organization_id: state.workspace(instance.workspaceId)?.organizationId,
      workspace_id: instance.workspaceId,
      name: instance.name,
      id: instance.id,
    };
    // Valmi's tool doesn't make this call: its names are known for others only.
    return c.json(fieldNames === "tool" ? fields : named("agent_instance", fields));
  });
  api.get("/agent_instance/all", operator("read"), (c) => {
    const { total, instances } = state.listInstances(c.var.workspaceId, pageOf(c));
    return c.json({ total, agent_instances: instances.map(listedInstance) });
  });
  api.post("/agent_instance/create", operator("write"), async (c) => {
    const body = await bodyOf(c, instanceBody);
    const input = {
      name: body.name,
      description: body.description,
      agentTypeId: body.agent_type_id,
      accountId: body.account_id,
      contactId: body.contact_id,
    };
    return c.json(issuedKey(state.createInstance(c.var.workspaceId, input, idempotencyKeyOf(c))));
  });
  api.post("/agent_instance/validate-secret", operator("read"), async (c) => {
    const [agentKey = ""] = Object.values(await bodyOf(c, secretBody));
    return c.json(named("agent_instance", { valid: state.validate(c.var.workspaceId, agentKey) }));
  });
  api.post("/agent_instance/:agent_instance_id/refresh", operator("write"), (c) =>
    c.json(
      issuedKey(state.refresh(c.var.workspaceId, c.req.param("agent_instance_id"), idempotencyKeyOf(c))),
    ),
  );
  api.get("/agent_instance/:agent_instance_id", operator("read"), (c) =>
    c.json(instanceDetail(state.getInstance(c.var.workspaceId, c.req.param("agent_instance_id")))),
  );
  api.put("/agent_instance/:agent_instance_id", operator("write"), async (c) => {
    const body = await bodyOf(c, instanceChange);
    const change: InstanceChange = given({
      name: body.name,
      description: body.description,
      agentTypeId: body.agent_type_id,
      accountId: body.account_id,
      contactId: body.contact_id,
      isActive: body.is_active,
    });
    return c.json(
      instanceDetail(state.updateInstance(c.var.workspaceId, c.req.param("agent_instance_id"), change)),
    );
  });
  api.delete("/agent_instance/:agent_instance_id", operator("write"), (c) => {
    state.deleteInstance(c.var.workspaceId, c.req.param("agent_instance_id"));
    return c.body(null, 204);
  });

  api.all("*", (c) => refuse(c, 501, `Not imitated: ${c.req.method} ${c.req.path}`));
  return api;
}

/** The documented name of the route that answers a request, such as `GET /agent_instance/{agent_instance_id}`. */
export function routeOf(c: Context, basePath: string): string {
  const route = matchedRoutes(c).find(({ method }) => method === c.req.method);
  return route ? documented(route, basePath) : `${c.req.method} (not imitated)`;
}

/** The documented name of every route of the API. */
export function documentedRoutes(routes: readonly RouterRoute[]): string[] {
  const own = routes.filter(({ method }) => method !== "ALL").map((route) => documented(route));
  return [...new Set(own)];
}

function documented({ method, path }: RouterRoute, basePath = ""): string {
  return `${method} ${path.slice(basePath.length).replace(/:(\w+)/g, "{$1}")}`;
}

/** The `Date` of an answer: the clock's time, as far off as it is to be. */
export function dateHeader({ behaviour }: ControlPlaneState, clock: Clock): string {
  return new Date(clock.now() + behaviour.dateOffsetSeconds * SECOND).toUTCString();
}

function namesFor(
  of: "agent_type" | "agent_instance",
  fieldNames: Behaviour["fieldNames"],
): Readonly<Record<string, string>> {
  if (fieldNames === "current") return {};
  return fieldNames === "tool" ? { id: `${of}_id`, secret: "secret_token" } : fieldNames;
}

function renamed(fields: Readonly<Record<string, unknown>>, names: Readonly<Record<string, string>>) {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [names[name] ?? name, value]));
}

function apiKeyOf(c: Context, auth: Behaviour["auth"]): string | undefined {
  const bearer = /^Bearer (.+)$/i.exec(c.req.header("Authorization") ?? "")?.[1];
  if (auth === "bearer") return bearer;
  const apiKey = c.req.header("api-key");
  return auth === "api-key" ? apiKey : (apiKey ?? bearer);
}

function idempotencyKeyOf(c: Context): string | undefined {
  return c.req.header("Idempotency-Key");
}

function pageOf(c: Context): Page {
  const limit = queryInteger(c, "limit", MAX_PAGE);
  if (limit < 1) throw invalidField(["query", "limit"], "Input should be greater than or equal to 1");
  if (limit > MAX_PAGE)
    throw invalidField(["query", "limit"], `Input should be less than or equal to ${MAX_PAGE}`);
  return { skip: queryInteger(c, "skip", 0), limit };
}

function queryInteger(c: Context, name: string, absent: number): number {
  const text = c.req.query(name);
  if (text === undefined) return absent;
  if (!/^\d+$/.test(text))
    throw invalidField(["query", name], "Input should be a valid integer, 0 or more", "int_parsing");
  return Number(text);
}

/** Never repeats what it got in a refusal: a body can hold a key. */
async function bodyOf<S extends v.GenericSchema>(c: Context, schema: S): Promise<v.InferOutput<S>> {
  let json: unknown;
  try {
    json = JSON.parse(await c.req.text());
  } catch {
    throw invalidField(["body"], "JSON decode error", "json_invalid");
  }
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return parsed.output;
  throw new Refusal(
    422,
    parsed.issues.map(({ path, input, expected, kind }) => ({
      loc: ["body", ...(path ?? []).map(({ key }) => key as string | number)],
      msg: input === undefined ? "Field required" : `Input should be valid, expected: ${expected}`,
      type: input === undefined ? "missing" : kind === "schema" ? "type_error" : "value_error",
    })),
  );
}

/** Without the properties that are `undefined`. */
function given<T extends object>(properties: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
