/*
 * The data of the local Control Plane. Everything is plain and read-only, so that a snapshot can share what it holds with
 * the living state. Times are milliseconds since the epoch.
 */

/**
 * What a second refresh does while an earlier key is still in its grace period. Valmi doesn't document it, so each
 * possibility can be played. Without such an earlier key, all four are the same.
 *
 * - `A`: the key just replaced gets its grace, every earlier key keeps its own clock
 * - `B`: the key just replaced gets its grace, every earlier key dies at once
 * - `D`: the refresh is refused with 409 until the grace has ended
 * - `E`: the key just replaced dies at once, every earlier key keeps its own clock
 */
export type SecondRefresh = "A" | "B" | "D" | "E";
export const SECOND_REFRESH: readonly SecondRefresh[] = ["A", "B", "D", "E"];

/** `read-only` may make GET calls and validate a key; `restricted` is known but allowed nothing (403). */
export type ApiKeyStatus = "valid" | "read-only" | "restricted" | "revoked";

/** An operator's credential for the Control Plane; never an agent key. */
export interface ApiKey {
  readonly key: string;
  readonly workspaceId: string;
  readonly status: ApiKeyStatus;
}

export interface Workspace {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
}

export interface AgentType {
  readonly id: string;
  readonly workspaceId: string;
  /** Unique among the workspace's agent types. */
  readonly name: string;
  readonly description: string;
  readonly createdAt: number;
}

export interface Account {
  readonly id: string;
  readonly workspaceId: string;
  readonly name: string;
}

export interface Contact {
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
}

/** One agent key of one instance. It is accepted from `liveFrom` until just before `diesAt`. */
export interface AgentKey {
  readonly value: string;
  readonly mintedAt: number;
  readonly liveFrom: number;
  /** `null` as long as no refresh has replaced it. */
  readonly diesAt: number | null;
  /** The `Idempotency-Key` that it was minted with, where those are honoured. */
  readonly mintedWith: string | null;
}

export interface AgentInstance {
  readonly id: string;
  readonly workspaceId: string;
  /** Unique among the workspace's instances. */
  readonly name: string;
  readonly description: string;
  readonly agentTypeId: string;
  readonly accountId: string | null;
  readonly contactId: string | null;
  readonly isActive: boolean;
  readonly createdAt: number;
  /** Every key it ever had, oldest first; the last one is the current one. */
  readonly keys: readonly AgentKey[];
}

/** What is there from the start: Valmi documents no call here that would make it. */
export interface ControlPlaneSeed {
  readonly workspaces: readonly Workspace[];
  readonly agentTypes: readonly Omit<AgentType, "createdAt">[];
  readonly accounts: readonly Account[];
  readonly contacts: readonly Contact[];
}

export interface Page {
  readonly skip: number;
  readonly limit: number;
}

export interface InstanceInput {
  readonly name: string;
  readonly description: string;
  readonly agentTypeId: string;
  readonly accountId: string | null;
  readonly contactId: string | null;
}

export type InstanceChange = Partial<InstanceInput & { readonly isActive: boolean }>;

/** The answer to a create or a refresh: the only place where a key is shown. */
export interface IssuedKey {
  readonly instance: AgentInstance;
  readonly agentKey: string;
}

/** The whole state as plain JSON data. Records are immutable and shared, so taking one is cheap. */
export interface ControlPlaneSnapshot {
  readonly serial: number;
  readonly apiKeys: readonly ApiKey[];
  readonly workspaces: readonly Workspace[];
  readonly agentTypes: readonly AgentType[];
  readonly accounts: readonly Account[];
  readonly contacts: readonly Contact[];
  readonly instances: readonly AgentInstance[];
}
