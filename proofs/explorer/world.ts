import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock";
import { SECRET_TAGS } from "../../core/contract";
import { AgentKey } from "../../core/key/credential";
import { markDescription } from "../../core/key/ownership";
import { composeRecord, serialiseRecord } from "../../core/key/stored-value";
import { DAY, MINUTE, SECOND } from "../../local/clock";
import type { SecondRefresh } from "../../local/control-plane/model";
import { SAMPLE_SEED, SAMPLE_WORKSPACE_ID } from "../../local/control-plane/seed";
import { ControlPlaneState } from "../../local/control-plane/state";
import { seededTokens } from "../../local/control-plane/tokens";
import { countedIds } from "../../local/secrets-manager/ids";
import type { Secret, Snapshot, Undocumented } from "../../local/secrets-manager/model";
import { SecretsManagerState } from "../../local/secrets-manager/state";
import { IntentTable } from "./in-memory-aws";

/** One combination of what Valmi and AWS leave undocumented. */
export interface Configuration {
  readonly secondRefresh: SecondRefresh;
  readonly graceHours: number;
  /** What the function believes the grace period to be; the seed's 24 hours unless a test wants to know better. */
  readonly configuredGraceHours: number;
  readonly honoursIdempotencyKey: boolean;
  readonly activationSeconds: number;
  readonly retryToken: "same" | "new";
  readonly retryAfterMs: number;
  /** Whether operators pause rotations, at any moment. @default false */
  readonly pauses?: boolean;
  /** @default "completes" */
  readonly currentWithoutPending?: "completes" | "fails";
}

export class VirtualClock implements Clock {
  time = Date.UTC(2026, 0, 1);

  now(): number {
    return this.time;
  }
}

export const SECRET_NAME = "valmi/dev/support/agent-key";
export const OPERATOR_KEY = "token_operator_0001";
export const FUNCTION_ARN = "arn:aws:lambda:eu-west-1:000000000000:function:valmi-dev-agent-key-rotation";
const ACCOUNT = "000000000000";
const REGION = "eu-west-1";

/** Secrets Manager, Control Plane and intent table in one virtual time: the state machines that the servers serve. */
export class World {
  readonly clock = new VirtualClock();
  readonly secretsManager: SecretsManagerState;
  readonly controlPlane: ControlPlaneState;
  readonly intents = new IntentTable();
  readonly secretArn: string;
  readonly operatorKeyArn: string;
  /** The version under AWSCURRENT when the story begins; empty where the story is the first key's. */
  readonly baseVersionId: string;
  private tokens = 0;
  /** Whether a mint was asked for with the idempotency key of an earlier one: else it matters not whether they are honoured. */
  repeatsIdempotencyKey = false;
  /** Secrets Manager as it was before its last change, for a read that lags. */
  beforeLastWrite: { readonly snapshot: Snapshot; readonly at: number } | undefined;

  constructor(
    readonly configuration: Configuration,
    {
      provisioned,
      undocumented = {},
    }: { readonly provisioned: boolean; readonly undocumented?: Partial<Undocumented> },
  ) {
    this.secretsManager = new SecretsManagerState({
      clock: this.clock,
      ids: countedIds,
      eventLimit: 0,
      accountId: ACCOUNT,
      region: REGION,
      undocumented: {
        retryToken: configuration.retryToken,
        retryAfterMs: configuration.retryAfterMs,
        retryOnDemandForMs: 5 * MINUTE,
        attempts: 2,
        currentWithoutPending: configuration.currentWithoutPending ?? "completes",
        ...undocumented,
      },
    });
    this.controlPlane = new ControlPlaneState({
      clock: this.clock,
      tokens: seededTokens("model"),
      graceHours: configuration.graceHours,
      secondRefresh: configuration.secondRefresh,
      honoursIdempotencyKey: configuration.honoursIdempotencyKey,
      activationSeconds: configuration.activationSeconds,
    });
    const operatorKey = this.call("CreateSecret", { Name: "valmi/operator", SecretString: OPERATOR_KEY });
    this.operatorKeyArn = operatorKey.ARN;
    const tags = { [SECRET_TAGS.environment]: "dev", [SECRET_TAGS.id]: "support" };
    const secret = this.call("CreateSecret", {
      Name: SECRET_NAME,
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    });
    this.secretArn = secret.ARN;
    this.baseVersionId = provisioned ? this.provision(tags) : "";
  }

  /** As provisioning leaves it: a first key that is stored and live, and rotation switched on and tested. */
  private provision(tags: Record<string, string>): string {
    const { instance, agentKey } = this.controlPlane.createInstance(SAMPLE_WORKSPACE_ID, {
      name: "dev-support",
      description: markDescription("", { accountId: ACCOUNT, region: REGION, secretName: SECRET_NAME }),
      agentTypeId: SAMPLE_SEED.agentTypes[0]?.id ?? "",
      accountId: null,
      contactId: null,
    });
    const record = composeRecord(
      { agentKey: new AgentKey(agentKey), issuedAt: this.clock.now() },
      { ...instance, accountId: "", contactId: "" },
      tags,
    );
    const put = this.call("PutSecretValue", {
      SecretId: this.secretArn,
      SecretString: serialiseRecord(record),
    });
    this.call("RotateSecret", {
      SecretId: this.secretArn,
      RotationLambdaARN: FUNCTION_ARN,
      RotationRules: { AutomaticallyAfterDays: 90 },
      RotateImmediately: false,
    });
    const test = this.secretsManager.nextInvocation();
    if (test) this.secretsManager.invocationSucceeded(test.id);
    this.clock.time += DAY;
    return put.VersionId;
  }

  call(operation: string, input: object): Record<string, string> & { ARN: string; VersionId: string } {
    return this.secretsManager.call(operation, this.withToken(operation, input)) as never;
  }

  /** The SDK fills a missing token in; here every one is numbered. */
  private withToken(operation: string, input: object): object {
    if (!/^(CreateSecret|PutSecretValue|RotateSecret)$/.test(operation)) return input;
    const ClientRequestToken = `00000000-0000-4000-8f00-${String(++this.tokens).padStart(12, "0")}`;
    return { ClientRequestToken, ...input };
  }

  /** `RotateSecret`, as a person or the auditor sends it; refused ones have queued the unfinished rotation again. */
  requestRotation(): void {
    try {
      this.call("RotateSecret", { SecretId: this.secretArn });
    } catch {
      // "A previous rotation isn't complete. That rotation will be reattempted."
    }
  }

  secret(): Secret {
    return this.secretsManager.secret(this.secretArn) as Secret;
  }

  versionWith(label: string): string | undefined {
    return this.secret().versions.find(({ labels }) => labels.includes(label))?.id;
  }

  /** A rotation under way, or one that was left behind. */
  get isPendingApart(): boolean {
    const pending = this.versionWith("AWSPENDING");
    return pending !== undefined && pending !== this.versionWith("AWSCURRENT");
  }

  /** The key stored under a version, if the value is one of ours. */
  keyUnder(versionId: string | undefined): string | undefined {
    const value = this.secret().versions.find(({ id }) => id === versionId)?.value;
    return value ? this.readValue(value.data).key : undefined;
  }

  /** When the key under a version was issued; 0 where that cannot be read. */
  issuedAt(versionId: string | undefined): number {
    const value = this.secret().versions.find(({ id }) => id === versionId)?.value;
    return value ? this.readValue(value.data).issuedAt : 0;
  }

  /** Looked at after every call: parsed once. */
  private readonly read = new Map<string, { readonly key: string | undefined; readonly issuedAt: number }>();

  private readValue(data: string) {
    const known = this.read.get(data);
    if (known) return known;
    let parsed: { VALMI_AGENT_KEY?: string; issuedAt?: string } = {};
    try {
      parsed = JSON.parse(data);
    } catch {
      // Not one of ours.
    }
    const value = {
      key: parsed.VALMI_AGENT_KEY,
      issuedAt: parsed.issuedAt ? Date.parse(parsed.issuedAt) : 0,
    };
    this.read.set(data, value);
    return value;
  }

  /** The intents in the table, as it holds them. */
  intentRecords() {
    return [...this.intents.items.values()].filter(({ secretArn }) => secretArn?.S?.startsWith("arn:"));
  }

  /** All keys that the Control Plane ever issued, oldest first. */
  keys() {
    return this.controlPlane.allInstances().flatMap(({ keys }) => keys);
  }

  /** Everything that decides how the story goes on, but for what running attempts remember. */
  fingerprint(memory: string): string {
    const { secrets, pendingRotations } = this.secretsManager.snapshot();
    const state = [
      secrets[1],
      pendingRotations,
      this.controlPlane.allInstances(),
      this.clock.time,
      [...this.intents.items],
      memory,
    ];
    return createHash("md5").update(JSON.stringify(state)).digest("base64");
  }
}

export const READ_LAG_BOUND = 10 * SECOND;
