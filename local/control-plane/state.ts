import type { Clock } from "../../core/clock";
import { HOUR, SECOND } from "../clock";
import { type Behaviour, changeBehaviour, readBehaviour } from "./behaviour";
import { endedBy, isLive, replaced } from "./key-life";
import type {
  Account,
  AgentInstance,
  AgentKey,
  AgentType,
  ApiKey,
  Contact,
  ControlPlaneSeed,
  ControlPlaneSnapshot,
  InstanceChange,
  InstanceInput,
  IssuedKey,
  Page,
  Workspace,
} from "./model";
import { invalidField, Refusal } from "./refusal";
import { SAMPLE_SEED } from "./seed";
import { randomTokens, type TokenSource } from "./tokens";

export interface ControlPlaneStateOptions extends Partial<Behaviour> {
  readonly clock: Clock;
  /** @default - unpredictable ids and keys; give `seededTokens(…)` where a run must repeat exactly */
  readonly tokens?: TokenSource;
  readonly apiKeys?: readonly ApiKey[];
  /** @default - one workspace with two agent types, two accounts and a contact of each */
  readonly seed?: ControlPlaneSeed;
}

/**
 * The Control Plane as a state machine: no I/O, no timers, no promises. Each method is one call of the API and happens
 * at the injected clock's time, or throws a `Refusal` and changes nothing.
 */
export class ControlPlaneState {
  private readonly clock: Clock;
  private readonly tokens: TokenSource;
  private present: Behaviour;

  /** Counts the ids and keys given out. */
  private serial = 0;
  private apiKeys = new Map<string, ApiKey>();
  private workspaces = new Map<string, Workspace>();
  private agentTypes = new Map<string, AgentType>();
  private accounts = new Map<string, Account>();
  private contacts = new Map<string, Contact>();
  private instances = new Map<string, AgentInstance>();
  /** Instance id by agent key: an index over `instances`. */
  private keyOwners = new Map<string, string>();

  /** Throws a `RangeError` that names the option if one is out of its range. */
  constructor(options: ControlPlaneStateOptions) {
    const { seed = SAMPLE_SEED } = options;
    this.present = readBehaviour(options);
    this.clock = options.clock;
    this.tokens = options.tokens ?? randomTokens;

    const createdAt = this.clock.now();
    this.restore({
      serial: 0,
      apiKeys: options.apiKeys ?? [],
      workspaces: seed.workspaces,
      agentTypes: seed.agentTypes.map((type) => ({ ...type, createdAt })),
      accounts: seed.accounts,
      contacts: seed.contacts,
      instances: [],
    });
  }

  get behaviour(): Behaviour {
    return this.present;
  }

  /**
   * Behaves differently from now on. A key whose end is known already keeps it. Throws a `RangeError`, and changes nothing,
   * as `changeBehaviour` does.
   */
  behave(change: unknown): Behaviour {
    this.present = changeBehaviour(this.present, change);
    return this.present;
  }

  // Operators

  /** The workspace that an operator's API key opens. Refuses with 401 (unknown, revoked) or 403 (not allowed this). */
  authenticate(apiKey: string | undefined, access: "read" | "write"): Workspace {
    const known = apiKey === undefined ? undefined : this.apiKeys.get(apiKey);
    const workspace = known && this.workspaces.get(known.workspaceId);
    if (!workspace || known.status === "revoked") throw new Refusal(401, "Unauthorized: Invalid api key");
    if (known.status === "restricted" || (known.status === "read-only" && access === "write"))
      throw new Refusal(403, "Restricted: This endpoint is not allowed for your API key");
    return workspace;
  }

  /** Adds an API key, or gives a known one another status. */
  setApiKey(apiKey: ApiKey): void {
    this.apiKeys.set(apiKey.key, apiKey);
  }

  // Agent types

  listAgentTypes(workspaceId: string, page: Page): { total: number; agentTypes: AgentType[] } {
    const all = within(workspaceId, this.agentTypes);
    return { total: all.length, agentTypes: slice(all, page) };
  }

  createAgentType(workspaceId: string, input: { name: string; description: string }): AgentType {
    this.refuseTakenName("Agent type", workspaceId, this.agentTypes, input.name);
    const type = { id: this.nextId("at_"), workspaceId, ...input, createdAt: this.clock.now() };
    this.agentTypes.set(type.id, type);
    return type;
  }

  updateAgentType(
    workspaceId: string,
    id: string,
    change: Partial<{ name: string; description: string }>,
  ): AgentType {
    const type = find("Agent type", workspaceId, this.agentTypes, id);
    if (change.name !== undefined)
      this.refuseTakenName("Agent type", workspaceId, this.agentTypes, change.name, id);
    const changed = { ...type, ...change };
    this.agentTypes.set(id, changed);
    return changed;
  }

  /** Refuses with 409 while an instance is of this type. */
  deleteAgentType(workspaceId: string, id: string): void {
    find("Agent type", workspaceId, this.agentTypes, id);
    for (const instance of this.instances.values())
      if (instance.agentTypeId === id) throw new Refusal(409, `Agent type ${id} has agent instances`);
    this.agentTypes.delete(id);
  }

  // Agent instances

  listInstances(workspaceId: string, page: Page): { total: number; instances: AgentInstance[] } {
    const all = within(workspaceId, this.instances);
    return { total: all.length, instances: slice(all, page) };
  }

  getInstance(workspaceId: string, id: string): AgentInstance {
    return find("Agent instance", workspaceId, this.instances, id);
  }

  createInstance(workspaceId: string, input: InstanceInput, idempotencyKey?: string): IssuedKey {
    const earlier = within(workspaceId, this.instances).find((instance) => instance.name === input.name);
    const firstKey = earlier?.keys[0];
    if (earlier && firstKey && this.isReplay(firstKey, idempotencyKey))
      return { instance: earlier, agentKey: firstKey.value };
    if (earlier) throw new Refusal(409, `Agent instance with name '${input.name}' already exists`);
    this.checkReferences(workspaceId, input);

    const now = this.clock.now();
    const id = this.nextId("ai_");
    const key = this.mint(now, idempotencyKey);
    const instance = { id, workspaceId, ...input, isActive: true, createdAt: now, keys: [key] };
    this.instances.set(id, instance);
    this.keyOwners.set(key.value, id);
    return { instance, agentKey: key.value };
  }

  updateInstance(workspaceId: string, id: string, change: InstanceChange): AgentInstance {
    const changed = this.withKeysEnded({ ...this.getInstance(workspaceId, id), ...change });
    this.refuseTakenName("Agent instance", workspaceId, this.instances, changed.name, id);
    this.checkReferences(workspaceId, changed);
    this.instances.set(id, changed);
    return changed;
  }

  deleteInstance(workspaceId: string, id: string): void {
    for (const key of this.getInstance(workspaceId, id).keys) this.keyOwners.delete(key.value);
    this.instances.delete(id);
  }

  /** Mints a new key and starts the grace period of the one that it replaces. */
  refresh(workspaceId: string, id: string, idempotencyKey?: string): IssuedKey {
    const instance = this.getInstance(workspaceId, id);
    const replayed = instance.keys.slice(1).find((key) => this.isReplay(key, idempotencyKey));
    if (replayed) return { instance, agentKey: replayed.value };

    const now = this.clock.now();
    const { graceHours, secondRefresh } = this.present;
    const rules = { graceMs: Math.round(graceHours * HOUR), secondRefresh };
    const earlier = replaced(instance.keys, now, rules);
    const key = this.mint(now, idempotencyKey);
    const refreshed = { ...instance, keys: [...earlier, key] };
    this.instances.set(id, refreshed);
    this.keyOwners.set(key.value, id);
    return { instance: refreshed, agentKey: key.value };
  }

  // Agent keys

  /** The instance that an accepted key belongs to. Refuses with 401: unknown, dead, not live yet, or not active. */
  identify(agentKey: string | undefined): AgentInstance {
    const instance = agentKey === undefined ? undefined : this.accepted(agentKey);
    if (!instance) throw new Refusal(401, "Unauthorized: Invalid agent secret");
    return instance;
  }

  /** Whether a key is accepted now and belongs to an instance of this workspace. */
  validate(workspaceId: string, agentKey: string): boolean {
    return this.accepted(agentKey)?.workspaceId === workspaceId;
  }

  // For those who look on: no call of the API

  isAccepted(agentKey: string): boolean {
    return this.accepted(agentKey) !== undefined;
  }

  workspace(id: string): Workspace | undefined {
    return this.workspaces.get(id);
  }

  allInstances(): readonly AgentInstance[] {
    return [...this.instances.values()];
  }

  snapshot(): ControlPlaneSnapshot {
    return {
      serial: this.serial,
      apiKeys: [...this.apiKeys.values()],
      workspaces: [...this.workspaces.values()],
      agentTypes: [...this.agentTypes.values()],
      accounts: [...this.accounts.values()],
      contacts: [...this.contacts.values()],
      instances: [...this.instances.values()],
    };
  }

  /** Replaces the whole state. Clock and options are not part of it. */
  restore(snapshot: ControlPlaneSnapshot): void {
    this.serial = snapshot.serial;
    this.apiKeys = new Map(snapshot.apiKeys.map((apiKey) => [apiKey.key, apiKey]));
    this.workspaces = byId(snapshot.workspaces);
    this.agentTypes = byId(snapshot.agentTypes);
    this.accounts = byId(snapshot.accounts);
    this.contacts = byId(snapshot.contacts);
    this.instances = byId(snapshot.instances);
    this.keyOwners = new Map(
      snapshot.instances.flatMap(({ id, keys }) => keys.map((key) => [key.value, id])),
    );
  }

  /** The active instance to which a live key belongs. */
  private accepted(agentKey: string): AgentInstance | undefined {
    const instance = this.instances.get(this.keyOwners.get(agentKey) ?? "");
    const key = instance?.keys.find(({ value }) => value === agentKey);
    const isHeard = instance?.isActive || this.present.inactiveKeys === "accepted";
    return isHeard && key && isLive(key, this.clock.now()) ? instance : undefined;
  }

  /** Of an inactive instance, if that is what becomes of them. */
  private withKeysEnded(instance: AgentInstance): AgentInstance {
    if (instance.isActive || this.present.inactiveKeys !== "ended") return instance;
    const now = this.clock.now();
    return { ...instance, keys: instance.keys.map((key) => endedBy(key, now)) };
  }

  private mint(now: number, idempotencyKey: string | undefined): AgentKey {
    return {
      value: `${this.present.keyPrefix}${this.nextToken()}`,
      mintedAt: now,
      liveFrom: now + this.present.activationSeconds * SECOND,
      diesAt: null,
      mintedWith: idempotencyKey ?? null,
    };
  }

  private isReplay(key: AgentKey, idempotencyKey: string | undefined): boolean {
    const { honoursIdempotencyKey } = this.present;
    return honoursIdempotencyKey && idempotencyKey !== undefined && key.mintedWith === idempotencyKey;
  }

  private checkReferences(
    workspaceId: string,
    { agentTypeId, accountId, contactId }: Pick<InstanceInput, "agentTypeId" | "accountId" | "contactId">,
  ): void {
    if (this.agentTypes.get(agentTypeId)?.workspaceId !== workspaceId)
      throw invalidField(["body", "agent_type_id"], `Agent type ${agentTypeId} not found`);
    if (accountId !== null && this.accounts.get(accountId)?.workspaceId !== workspaceId)
      throw invalidField(["body", "account_id"], `Account ${accountId} not found`);
    if (contactId !== null && this.contacts.get(contactId)?.accountId !== accountId)
      throw invalidField(["body", "contact_id"], `Contact ${contactId} not found in account ${accountId}`);
  }

  private refuseTakenName(
    what: string,
    workspaceId: string,
    among: ReadonlyMap<string, Named>,
    name: string,
    exceptId?: string,
  ): void {
    for (const item of among.values())
      if (item.workspaceId === workspaceId && item.name === name && item.id !== exceptId)
        throw new Refusal(409, `${what} with name '${name}' already exists`);
  }

  private nextId(prefix: string): string {
    return `${prefix}${this.nextToken().slice(0, 16)}`;
  }

  private nextToken(): string {
    this.serial += 1;
    return this.tokens(this.serial);
  }
}

interface Named {
  readonly id: string;
  readonly workspaceId: string;
  readonly name: string;
}

function within<T extends Named>(workspaceId: string, items: ReadonlyMap<string, T>): T[] {
  return [...items.values()].filter((item) => item.workspaceId === workspaceId);
}

function find<T extends Named>(
  what: string,
  workspaceId: string,
  items: ReadonlyMap<string, T>,
  id: string,
): T {
  const item = items.get(id);
  // One workspace can't tell another's ids from ids that don't exist.
  if (item?.workspaceId !== workspaceId) throw new Refusal(404, `${what} not found`);
  return item;
}

function slice<T>(items: readonly T[], { skip, limit }: Page): T[] {
  return items.slice(skip, skip + limit);
}

function byId<T extends { readonly id: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.id, item]));
}
