import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { Hono } from "hono";
import {
  FUNCTION_TIMEOUT_SECONDS,
  INTENT_TABLE_KEYS,
  type ProvisioningInput,
  type ProvisioningResult,
  SECRET_TAGS,
} from "../../core/contract";
import { dynamoDbIntentStore } from "../../core/intent-table/intent-store";
import { dynamoDbRefusalProofs } from "../../core/intent-table/refusal-proofs";
import { type AgentKeyRecord, parseRecord } from "../../core/key/stored-value";
import type { Log } from "../../core/log";
import type { IntentStore } from "../../core/protocol/intent";
import type { RefusalProof, RefusalProofs } from "../../core/protocol/refusal-proof";
import { ensureInstance } from "../../core/provisioning/convergence";
import type { ProvisioningDeps } from "../../core/provisioning/provisioning";
import type { RotationDeps, RotationStep } from "../../core/rotation/rotation";
import { runStep } from "../../core/rotation/steps";
import { secretsManagerStore, versionWith } from "../../core/secrets/secret-store";
import { invocationPorts } from "../../lambda/runtime";
import { FrozenClock, HOUR, MINUTE } from "../../local/clock";
import { type ControlPlaneApiOptions, controlPlaneApi } from "../../local/control-plane/api";
import { SAMPLE_WORKSPACE_ID } from "../../local/control-plane/seed";
import { ControlPlaneState, type ControlPlaneStateOptions } from "../../local/control-plane/state";
import { seededTokens } from "../../local/control-plane/tokens";
import { countedIds } from "../../local/secrets-manager/ids";
import type { Undocumented } from "../../local/secrets-manager/model";
import { SecretsManagerState } from "../../local/secrets-manager/state";
import { provisioningInput, SECRET_NAME } from "./builders";
import { connectionReset, InMemoryAws } from "./in-memory-aws";
import { InMemoryTable } from "./in-memory-table";

export const FUNCTION_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:valmi-dev-rotation";
const API_KEY = "token_operator123";
const API_KEY_SECRET = "valmi/dev/control-plane-api-key";
const CREDENTIALS = { accessKeyId: "local", secretAccessKey: "local" };
const INVOCATION_MS = FUNCTION_TIMEOUT_SECONDS * 1_000;

export interface LocalWorldOptions
  extends Omit<ControlPlaneStateOptions, "clock" | "tokens">,
    Omit<ControlPlaneApiOptions, "state" | "clock"> {
  /** What the functions are configured with. @default - what the Control Plane does, `graceHours` */
  readonly configuredGraceHours?: number;
  readonly undocumented?: Partial<Undocumented>;
}

export interface LogEntry {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

type ControlPlaneFault = "lost-answer" | "never-arrived" | { readonly status: number };

/**
 * Secrets Manager, DynamoDB and the Control Plane in this process, on one clock that only moves by `sleep` or by hand,
 * with the functions' own parts wired to them. Holds one empty secret of an agent key, and the operator's API key.
 */
export class LocalWorld {
  readonly clock = new FrozenClock();
  readonly controlPlane: ControlPlaneState;
  readonly secretsManager: SecretsManagerState;
  readonly table = new InMemoryTable("intents", [INTENT_TABLE_KEYS.partition, INTENT_TABLE_KEYS.sort]);
  readonly aws: InMemoryAws;
  readonly dynamoDb = new InMemoryAws(this.table.perform);
  readonly client: SecretsManagerClient;
  private readonly intents: IntentStore;
  readonly proofs: RefusalProofs;
  readonly secretArn: string;
  readonly apiKeySecretArn: string;
  readonly controlPlaneCalls: string[] = [];
  readonly logged: LogEntry[] = [];
  private readonly api: Hono;
  private readonly faults: {
    readonly route: string;
    readonly fault: ControlPlaneFault | (() => Promise<unknown>);
  }[] = [];
  private readonly gracePeriodMs: number;
  private ids = 0;

  constructor(options: LocalWorldOptions = {}) {
    const { clock } = this;
    this.gracePeriodMs = (options.configuredGraceHours ?? options.graceHours ?? 24) * HOUR;
    this.controlPlane = new ControlPlaneState({
      apiKeys: [{ key: API_KEY, workspaceId: SAMPLE_WORKSPACE_ID, status: "valid" }],
      ...options,
      clock,
      tokens: seededTokens("world"),
    });
    this.api = controlPlaneApi({ ...options, state: this.controlPlane, clock }) as unknown as Hono;
    this.secretsManager = new SecretsManagerState({
      clock,
      accountId: "123456789012",
      ids: countedIds,
      undocumented: options.undocumented ?? {},
    });
    this.aws = new InMemoryAws((operation, input) => this.secretsManager.call(operation, input));
    this.client = new SecretsManagerClient(this.clientOptions(this.aws));
    const dynamoDb = new DynamoDBClient(this.clientOptions(this.dynamoDb));
    this.intents = dynamoDbIntentStore(dynamoDb, this.table.name);
    this.proofs = dynamoDbRefusalProofs(dynamoDb, this.table.name);
    this.secretArn = this.createSecret(SECRET_NAME, {
      Tags: [
        { Key: SECRET_TAGS.environment, Value: "dev" },
        { Key: SECRET_TAGS.subscription, Value: "sub_1" },
        { Key: SECRET_TAGS.pricing, Value: "price_1" },
        { Key: SECRET_TAGS.controlPlaneUrl, Value: "https://value.valmi.io/api/v1" },
      ],
    });
    this.apiKeySecretArn = this.createSecret(API_KEY_SECRET, { SecretString: API_KEY });
  }

  /** What one invocation is wired with; its time runs from now. */
  invocation(milliseconds = INVOCATION_MS): RotationDeps & ProvisioningDeps {
    const endsAt = this.clock.now() + milliseconds;
    return invocationPorts(
      {
        settings: {
          controlPlaneUrl: "https://value.valmi.io/api/v1",
          controlPlaneAuth: "api-key",
          apiKeySecretArn: this.apiKeySecretArn,
          gracePeriodMs: this.gracePeriodMs,
          intentTable: this.table.name,
        },
        secrets: secretsManagerStore(this.client),
        intents: this.intents,
        proofs: this.proofs,
        clock: this.clock,
        logger: this.log,
      },
      { getRemainingTimeInMillis: () => endsAt - this.clock.now() },
      {
        sleep: async (ms) => this.clock.advanceBy(ms),
        random: () => 0.5,
        newId: () => `id-${++this.ids}`,
        fetch: this.fetch,
      },
    );
  }

  /** Terraform's call for the one instance, in an invocation of its own. */
  provision(
    overrides: Partial<ProvisioningInput> = {},
    deps = this.invocation(),
  ): Promise<ProvisioningResult> {
    return ensureInstance(deps, provisioningInput({ secretArn: this.secretArn, ...overrides }));
  }

  /** A world in which the instance has its first key, and rotation is on. */
  static async ready(options: LocalWorldOptions = {}): Promise<LocalWorld> {
    const world = new LocalWorld(options);
    await world.provision();
    world.clock.advanceBy(2 * MINUTE);
    await world.enableRotation();
    world.resetCalls();
    return world;
  }

  // Secrets Manager

  /** An id that Secrets Manager and DynamoDB accept as a version's. */
  newToken(): string {
    return `token-${String(++this.ids).padStart(30, "0")}`;
  }

  /** Switches rotation on, and runs the test that comes with it. */
  async enableRotation(): Promise<void> {
    this.requestRotation(this.newToken(), { immediately: false });
    const [outcome] = await this.runDueSteps();
    if (outcome?.error) throw outcome.error;
  }

  /** Registers a version under AWSPENDING, as `RotateSecret` does, and gives its token. */
  requestRotation(token = this.newToken(), { immediately = true } = {}): string {
    this.secretsManager.call("RotateSecret", {
      SecretId: this.secretArn,
      ClientRequestToken: token,
      RotationLambdaARN: FUNCTION_ARN,
      RotationRules: { AutomaticallyAfterDays: 90 },
      RotateImmediately: immediately,
    });
    return token;
  }

  /** Runs the rotation function on whatever Secrets Manager has due, as it would. */
  async runDueSteps(): Promise<{ step: RotationStep; error?: unknown }[]> {
    const outcomes: { step: RotationStep; error?: unknown }[] = [];
    for (let due = this.secretsManager.nextInvocation(); due; due = this.secretsManager.nextInvocation()) {
      const { Step: step, ClientRequestToken } = due.event;
      try {
        await this.step(step, ClientRequestToken);
        this.secretsManager.invocationSucceeded(due.id);
        outcomes.push({ step });
      } catch (error) {
        this.secretsManager.invocationFailed(due.id);
        outcomes.push({ step, error });
      }
    }
    return outcomes;
  }

  /** One rotation step, in an invocation of its own. */
  step(step: RotationStep, token: string, deps: RotationDeps = this.invocation()): Promise<void> {
    return runStep(deps, { step, secretArn: this.secretArn, token });
  }

  /** Staging labels by version id. */
  get stages(): Record<string, readonly string[]> {
    const { VersionIdsToStages } = this.secretsManager.call("DescribeSecret", {
      SecretId: this.secretArn,
    }) as {
      VersionIdsToStages?: Record<string, string[]>;
    };
    return VersionIdsToStages ?? {};
  }

  versionWith(label: "AWSCURRENT" | "AWSPENDING" | "AWSPREVIOUS"): string | undefined {
    return versionWith(label, this.stages);
  }

  /** What the version under AWSCURRENT holds. */
  get current(): AgentKeyRecord {
    return this.stored(this.versionWith("AWSCURRENT") ?? "");
  }

  stored(versionId: string): AgentKeyRecord {
    const version = this.secretsManager.secret(this.secretArn)?.versions.find(({ id }) => id === versionId);
    if (!version?.value) throw new Error(`version ${versionId} has no value`);
    return parseRecord(version.value.data);
  }

  hasValue(versionId: string): boolean {
    const version = this.secretsManager.secret(this.secretArn)?.versions.find(({ id }) => id === versionId);
    return version?.value != null;
  }

  /** Stores a value by hand. */
  put(versionId: string, value: string, stages: readonly string[] = ["AWSCURRENT"]): void {
    this.secretsManager.call("PutSecretValue", {
      SecretId: this.secretArn,
      ClientRequestToken: versionId,
      SecretString: value,
      VersionStages: stages,
    });
  }

  setOperatorKey(text: string): void {
    this.secretsManager.call("PutSecretValue", {
      SecretId: this.apiKeySecretArn,
      ClientRequestToken: this.newToken(),
      SecretString: text,
    });
  }

  // The Control Plane

  get instances() {
    return this.controlPlane.allInstances();
  }

  /** The one instance there is. */
  get instance() {
    const [only, ...others] = this.instances;
    if (!only || others.length > 0) throw new Error(`expected one instance, got ${this.instances.length}`);
    return only;
  }

  /** An instance that nobody of this project made, with its first key. */
  foreignInstance(name: string, description = "somebody else's") {
    const { instance, agentKey } = this.controlPlane.createInstance(SAMPLE_WORKSPACE_ID, {
      name,
      description,
      agentTypeId: "at_support",
      accountId: "acc_456",
      contactId: "con_456",
    });
    return { id: instance.id, agentKey };
  }

  /** What somebody does who clicks "Rotate Key" in the Control Plane. */
  clickRotate(agentInstanceId = this.instance.id): string {
    return this.controlPlane.refresh(SAMPLE_WORKSPACE_ID, agentInstanceId).agentKey;
  }

  /** What the auditor leaves if the Control Plane refuses the current key, and `by` shows that this is to be believed. */
  async proveRefusal(by: RefusalProof["by"] = "other-key"): Promise<void> {
    const { fingerprint } = this.current.agentKey;
    const base = this.versionWith("AWSCURRENT") ?? "";
    await this.proofs.write(this.secretArn, base, { fingerprint, at: this.clock.now(), by });
  }

  updateInstance(change: Parameters<ControlPlaneState["updateInstance"]>[2]): void {
    this.controlPlane.updateInstance(SAMPLE_WORKSPACE_ID, this.instance.id, change);
  }

  deleteInstance(): void {
    this.controlPlane.deleteInstance(SAMPLE_WORKSPACE_ID, this.instance.id);
  }

  /** Whether the Control Plane accepts the key that AWSCURRENT holds. */
  get currentIsAccepted(): boolean {
    return this.controlPlane.isAccepted(this.current.agentKey.reveal());
  }

  /** Keys that the one instance ever had. */
  get minted(): readonly string[] {
    return this.instance.keys.map(({ value }) => value);
  }

  /** Befalls the next request of a route, such as `POST /agent_instance/{id}/refresh`. */
  orderFault(route: string, fault: ControlPlaneFault, times = 1): void {
    for (let count = 0; count < times; count++) this.faults.push({ route, fault });
  }

  /** Something else happens first, while the next request of a route is on its way. */
  meanwhile(route: string, fault: () => Promise<unknown>): void {
    this.faults.push({ route, fault });
  }

  /** Forgets what was counted so far. */
  resetCalls(): void {
    this.aws.calls.length = 0;
    this.dynamoDb.calls.length = 0;
    this.controlPlaneCalls.length = 0;
  }

  /** The records of the intent table, oldest first, as plain values. */
  get history(): Record<string, unknown>[] {
    const records = [...this.table.items.values()].filter(({ secretArn }) => secretArn?.S === this.secretArn);
    return records.map((item) =>
      Object.fromEntries(
        Object.entries(item).map(([name, { S, N, BOOL, L }]) => [name, S ?? BOOL ?? L ?? Number(N)]),
      ),
    );
  }

  /** Everything that left the functions and is not a secret's value: it must not hold any key. */
  said(errors: readonly unknown[] = []): string {
    return JSON.stringify([
      this.logged,
      [...this.table.items.values()],
      errors.map((error) => (error instanceof Error ? [error.name, error.message, error.stack] : error)),
    ]);
  }

  /** Every key of every instance, and the operator's. */
  get credentials(): readonly string[] {
    return [API_KEY, ...this.instances.flatMap(({ keys }) => keys.map(({ value }) => value))];
  }

  /** What is answered on a route in the Control Plane's place, as long as it stands here: nothing is carried out. */
  foreignAnswers: Readonly<Record<string, { readonly status: number; readonly body: string }>> = {};
  /** What becomes of each answer's body on its way. */
  controlPlaneAnswers: ((body: unknown) => unknown) | undefined;
  /** How far the `Date` of each answer is off. */
  dateOffMs = 0;

  /** The Control Plane in the place of the platform's `fetch`. */
  readonly fetch: typeof fetch = async (url, init) => {
    const { pathname, search } = new URL(String(url));
    const path = pathname.slice("/api/v1".length);
    const route = `${init?.method} ${path.replace(/^\/agent_instance\/ai_[^/]+/, "/agent_instance/{id}")}`;
    this.controlPlaneCalls.push(route);
    const index = this.faults.findIndex((order) => order.route === route);
    const [order] = index < 0 ? [] : this.faults.splice(index, 1);
    const foreign = this.foreignAnswers[route];
    const carryOut = async () =>
      foreign
        ? new Response(foreign.body, { status: foreign.status })
        : this.asSent(await this.api.request(path + search, init));
    if (typeof order?.fault === "function") {
      await order.fault();
    } else if (order?.fault === "lost-answer") {
      await carryOut();
      throw new TypeError("fetch failed", { cause: connectionReset() });
    } else if (order?.fault === "never-arrived") {
      throw new TypeError("fetch failed", { cause: connectionReset() });
    } else if (order) {
      return Response.json({ detail: "Ordered fault" }, { status: order.fault.status });
    }
    return carryOut();
  };

  /** An answer as whatever lies between makes of it. */
  private async asSent(answer: Response): Promise<Response> {
    const change = this.controlPlaneAnswers;
    if (!change && this.dateOffMs === 0) return answer;
    const headers = new Headers(answer.headers);
    const date = Date.parse(headers.get("date") ?? new Date(this.clock.now()).toUTCString());
    headers.set("date", new Date(date + this.dateOffMs).toUTCString());
    const text = await answer.text();
    const body = change && text !== "" ? JSON.stringify(change(JSON.parse(text))) : text;
    return new Response(body === "" ? null : body, { status: answer.status, headers });
  }

  private readonly log: Log = {
    info: (message, fields = {}) => void this.logged.push({ level: "info", message, fields }),
    warn: (message, fields = {}) => void this.logged.push({ level: "warn", message, fields }),
    error: (message, fields = {}) => void this.logged.push({ level: "error", message, fields }),
  };

  private createSecret(name: string, fields: object): string {
    const request = { Name: name, ClientRequestToken: this.newToken(), ...fields };
    return (this.secretsManager.call("CreateSecret", request) as { ARN: string }).ARN;
  }

  /** One attempt, so that each fault that is ordered is one that the functions see. */
  private clientOptions({ requestHandler }: InMemoryAws) {
    return { region: "eu-west-1", credentials: CREDENTIALS, requestHandler, maxAttempts: 1 };
  }
}
