import * as v from "valibot";
import type { ControlPlaneAuth } from "../contract";
import { AgentKey, type ControlPlaneApiKey } from "../key/credential";
import { ControlPlaneError, isControlPlaneError } from "./errors";
import { createHttp, type HttpAnswer, type HttpOptions, isPassing } from "./http";

export interface AgentInstance {
  readonly id: string;
  readonly name: string;
  readonly agentTypeId: string;
  readonly accountId: string;
  readonly contactId: string;
  /** Not in lists; there where the Control Plane gives it for one instance. */
  readonly description: string | undefined;
  readonly isActive: boolean;
}

export interface AgentInstanceFields {
  readonly name: string;
  readonly description: string;
  readonly agentTypeId: string;
  readonly accountId: string | undefined;
  readonly contactId: string | undefined;
}

export type KeyCheck =
  | { readonly accepted: true; readonly agentInstanceId: string }
  | { readonly accepted: false };

/** What the functions ask of the Control Plane. Every method throws `ControlPlaneError`. */
export interface ControlPlane {
  /**
   * The time on the Control Plane's clock: the `Date` of its last answer, and what passed since. The one clock for every
   * decision about the grace period. Throws where it has not answered yet. A `Date` that differs by more than 10 minutes from
   * the own clock is not believed: then it is the own clock's time.
   */
  now(): number;
  /** Whether the last `Date` was not believed. No key is minted then. */
  clockDiffers(): boolean;
  /** The name of the workspace that the operator's API key is for: the cheapest proof that it is accepted. */
  workspaceName(): Promise<string>;
  findAgentTypeByName(name: string): Promise<string | undefined>;
  findInstanceByName(name: string): Promise<AgentInstance | undefined>;
  /** `undefined` where there is none of that id. */
  getInstance(agentInstanceId: string): Promise<AgentInstance | undefined>;
  /** Never repeated here: a `conflict` says that the name is taken, perhaps by this very call's first try. */
  createInstance(fields: AgentInstanceFields, idempotencyKey: string): Promise<IssuedKey>;
  updateInstance(
    agentInstanceId: string,
    fields: Partial<AgentInstanceFields> & { isActive?: boolean },
  ): Promise<void>;
  /** Already gone is success. */
  deleteInstance(agentInstanceId: string): Promise<void>;
  /** Issues a new key and starts the old one's grace period. Never repeated here, whatever happens. */
  refreshAgentKey(agentInstanceId: string, idempotencyKey: string): Promise<IssuedKey>;
  /**
   * Whether the key is accepted now, and whose it is; by the call with which Valmi's own SDK starts up. Only a 401 of the
   * Control Plane's own is a refusal. Anything else that is no success throws, `unreadable` if it is not even a failure
   * that the API documents for this call: nobody knows then whether keys are accepted.
   */
  checkAgentKey(agentKey: AgentKey): Promise<KeyCheck>;
  /**
   * Whether `validate-secret` says that the key is valid. The shape of its answers is not documented: it is asked only about a
   * key that is refused, and can only contradict that. Never throws: what it doesn't say, it doesn't say.
   */
  vouchesFor(agentKey: AgentKey): Promise<boolean>;
}

/** The list of all instances: costs a call for each hundred of the whole workspace. */
export interface InstanceDirectory {
  /** Without descriptions, which lists don't give. */
  instances(): AsyncIterable<AgentInstance>;
}

export interface IssuedKey {
  readonly agentKey: AgentKey;
  readonly agentInstanceId: string;
}

export interface ControlPlaneOptions extends HttpOptions {
  readonly apiKey: ControlPlaneApiKey;
  readonly auth: ControlPlaneAuth;
}

/** The documented maximum of one page. */
export const PAGE_SIZE = 100;

/** A list that has more pages than this is not believed: 100,000 entries, where pages are as long as they may be. */
export const MAX_PAGES = 1_000;

/** No page is asked for when less than this is left: the caller still has to say what went wrong. */
const PAGE_RESERVE_MS = 3_000;

/** Beyond these JavaScript rounds a number, and it would name another instance. */
const safeNumber = v.pipe(v.number(), v.safeInteger());
const idText = v.pipe(
  v.union([v.string(), safeNumber]),
  v.transform((id) => String(id)),
  v.nonEmpty(),
);
const nullableText = v.pipe(
  v.nullish(v.union([v.string(), safeNumber]), ""),
  v.transform((text) => String(text)),
);
/** Valmi's own programs disagree on field names; each known one is read, and only here. */
const wireInstance = v.looseObject({
  id: v.optional(idText),
  agent_instance_id: v.optional(idText),
  name: nullableText,
  agent_type_id: nullableText,
  account_id: nullableText,
  contact_id: nullableText,
  description: v.nullish(v.string()),
  is_active: v.nullish(v.boolean(), true),
});
const wireAgentType = v.looseObject({
  id: v.optional(idText),
  agent_type_id: v.optional(idText),
  name: nullableText,
});
const wireKey = v.looseObject({
  id: v.optional(idText),
  agent_instance_id: v.optional(idText),
  secret: v.nullish(v.string()),
  secret_token: v.nullish(v.string()),
});

/** The Control Plane's documented API: tolerant in what it reads, strict in what it writes. */
export function createControlPlane(options: ControlPlaneOptions): ControlPlane & InstanceDirectory {
  const http = createHttp(options);
  let lastSeen: { controlPlane: number; machine: number } | undefined;
  const requireSeen = () => {
    if (lastSeen) return lastSeen;
    throw new ControlPlaneError("unreadable", "no answer of the Control Plane had a Date header", "no");
  };
  const operator = (): Record<string, string> =>
    options.auth === "bearer"
      ? { authorization: `Bearer ${options.apiKey.reveal()}` }
      : { "api-key": options.apiKey.reveal() };

  const call: typeof http = async (request, accept) => {
    const answer = await http(request, accept);
    if (answer.date !== undefined) lastSeen = { controlPlane: answer.date, machine: options.clock.now() };
    return answer;
  };
  const get = (path: string, accept?: readonly number[]) =>
    call({ method: "GET", path, headers: operator(), safeToRepeat: true }, accept);

  /**
   * The entries of a list, page by page. Ends with an error where pages bring nothing new, where there are more than
   * `MAX_PAGES`, or where the budget is spent: whoever is asked for ever never says that a name is free.
   */
  async function* entries<T extends ListEntry>(
    path: string,
    field: string,
    parse: (item: unknown) => T,
  ): AsyncGenerator<T> {
    const known = new Set<string>();
    for (let skip = 0, page = 1; ; page++) {
      const what = `GET ${path}?skip=${skip}`;
      if (page > MAX_PAGES) throw unreadable(what, `an end of ${field}, within ${MAX_PAGES} pages`);
      if (page > 1 && options.budget.remainingMs() < PAGE_RESERVE_MS)
        throw new ControlPlaneError("unreachable", `${what}: no time is left for another page`, "no");
      const { body } = await get(`${path}?skip=${skip}&limit=${PAGE_SIZE}`);
      const answer = (body ?? {}) as Record<string, unknown>;
      const items = answer[field];
      if (!Array.isArray(items)) throw unreadable(`GET ${path}`, field);
      const knownBefore = known.size;
      for (const item of items) {
        const entry = parse(item);
        known.add(JSON.stringify([entry.id ?? "", entry.name]));
        yield entry;
      }
      if (items.length > 0 && known.size === knownBefore) throw unreadable(what, `${field} beyond ${skip}`);
      skip += items.length;
      // A short page need not be the last one: the Control Plane may give fewer than it is asked for.
      if (items.length === 0 || (typeof answer.total === "number" && skip >= answer.total)) return;
    }
  }

  const instances = () => {
    const path = "/agent_instance/all";
    return entries(path, "agent_instances", (item) => toInstance(item, `GET ${path}`));
  };

  return {
    now() {
      const seen = requireSeen();
      const own = options.clock.now();
      return clockDiffers(seen) ? own : seen.controlPlane + (own - seen.machine);
    },
    clockDiffers() {
      return clockDiffers(requireSeen());
    },
    async workspaceName() {
      const { body } = await get("/auth/me");
      return read(v.looseObject({ workspace_name: nullableText }), body, "GET /auth/me").workspace_name;
    },
    async findAgentTypeByName(name) {
      const path = "/agent_type/all";
      for await (const type of entries(path, "agent_types", (item) => toAgentType(item, `GET ${path}`))) {
        if (type.name === name) return requireField(type.id, `GET ${path}`, "id");
      }
      return undefined;
    },
    instances,
    async findInstanceByName(name) {
      for await (const found of instances()) {
        if (found.name === name) return found;
      }
      return undefined;
    },
    async getInstance(agentInstanceId) {
      const path = instancePath(agentInstanceId);
      const { status, body } = await get(path, [404]);
      return status === 404 ? undefined : toInstance(body, `GET ${path}`);
    },
    async createInstance(fields, idempotencyKey) {
      const answer = await call({
        method: "POST",
        path: "/agent_instance/create",
        headers: { ...operator(), "idempotency-key": idempotencyKey },
        body: toWire(fields),
        safeToRepeat: false,
        mintsKey: true,
      });
      return toIssuedKey(answer, "POST /agent_instance/create");
    },
    async updateInstance(agentInstanceId, fields) {
      const path = instancePath(agentInstanceId);
      await call({ method: "PUT", path, headers: operator(), body: toWire(fields), safeToRepeat: true });
    },
    async deleteInstance(agentInstanceId) {
      const path = instancePath(agentInstanceId);
      await call({ method: "DELETE", path, headers: operator(), safeToRepeat: true }, [404]);
    },
    async refreshAgentKey(agentInstanceId, idempotencyKey) {
      const path = `${instancePath(agentInstanceId)}/refresh`;
      const answer = await call({
        method: "POST",
        path,
        headers: { ...operator(), "idempotency-key": idempotencyKey },
        safeToRepeat: false,
        mintsKey: true,
      });
      return toIssuedKey(answer, `POST ${path}`, agentInstanceId);
    },
    async checkAgentKey(agentKey) {
      const path = "/agent_instance/info";
      const headers = { "x-agent-secret": agentKey.reveal() };
      try {
        const { status, body } = await call({ method: "GET", path, headers, safeToRepeat: true }, [401]);
        if (status === 401) return { accepted: false };
        return { accepted: true, agentInstanceId: toInstance(body, `GET ${path}`).id };
      } catch (error) {
        // No operator's key was sent: none was refused.
        if (!isControlPlaneError(error) || isPassing(error.kind)) throw error;
        throw new ControlPlaneError("unreadable", error.message, "no");
      }
    },
    async vouchesFor(agentKey) {
      const path = "/agent_instance/validate-secret";
      try {
        const { body } = await call({
          method: "POST",
          path,
          headers: operator(),
          body: { secret: agentKey.reveal() },
          safeToRepeat: true,
        });
        const { valid, is_valid } = Object(body) as { valid?: unknown; is_valid?: unknown };
        return valid === true || is_valid === true;
      } catch {
        return false;
      }
    },
  };
}

function instancePath(agentInstanceId: string): string {
  if (/\p{Surrogate}/u.test(agentInstanceId))
    throw new ControlPlaneError("invalid", "an agent instance's id is not well-formed text", "no");
  return `/agent_instance/${encodeURIComponent(agentInstanceId)}`;
}

function toWire(fields: Partial<AgentInstanceFields> & { isActive?: boolean }): Record<string, unknown> {
  const wire = {
    name: fields.name,
    description: fields.description,
    agent_type_id: fields.agentTypeId,
    account_id: fields.accountId,
    contact_id: fields.contactId,
    is_active: fields.isActive,
  };
  return Object.fromEntries(Object.entries(wire).filter(([, value]) => value !== undefined));
}

interface ListEntry {
  readonly id: string | undefined;
  readonly name: string;
}

function toAgentType(item: unknown, what: string): ListEntry {
  const { id, agent_type_id, name } = read(wireAgentType, item, what);
  return { id: id ?? agent_type_id, name };
}

function toInstance(body: unknown, what: string): AgentInstance {
  const wire = read(wireInstance, body, what);
  return {
    id: requireField(wire.id ?? wire.agent_instance_id, what, "id"),
    name: wire.name,
    agentTypeId: wire.agent_type_id,
    accountId: wire.account_id,
    contactId: wire.contact_id,
    description: wire.description ?? undefined,
    isActive: wire.is_active,
  };
}

/** The longest that the own clock and the Control Plane's may differ, for both to be believed. */
const CLOCKS_DIFFER_MS = 10 * 60_000;

function clockDiffers({ controlPlane, machine }: { controlPlane: number; machine: number }): boolean {
  return Math.abs(controlPlane - machine) > CLOCKS_DIFFER_MS;
}

/** A success without its key is `unreadable-key`: the key exists, and nobody has it. */
function toIssuedKey(answer: HttpAnswer, what: string, agentInstanceId?: string): IssuedKey {
  try {
    const wire = read(wireKey, answer.body, what);
    const text = requireField(wire.secret_token ?? wire.secret ?? undefined, what, "secret");
    const id = agentInstanceId ?? requireField(wire.id ?? wire.agent_instance_id, what, "id");
    return { agentKey: toAgentKey(text, what), agentInstanceId: id };
  } catch (error) {
    if (!isControlPlaneError(error, "unreadable")) throw error;
    throw new ControlPlaneError("unreadable-key", error.message, "unknown");
  }
}

function toAgentKey(text: string, what: string): AgentKey {
  try {
    return new AgentKey(text);
  } catch {
    throw unreadable(what, "secret");
  }
}

function read<S extends v.GenericSchema>(schema: S, value: unknown, what: string): v.InferOutput<S> {
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  throw unreadable(what, v.getDotPath(parsed.issues[0]) ?? "(whole answer)");
}

function requireField(value: string | undefined, what: string, field: string): string {
  if (value === undefined || value === "") throw unreadable(what, field);
  return value;
}

function unreadable(what: string, field: string): ControlPlaneError {
  return new ControlPlaneError(
    "unreadable",
    `${what}: the answer lacks a readable field: ${field}`,
    "unknown",
  );
}
