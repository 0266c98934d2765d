import type { ProvisioningInput } from "../../core/contract";
import type { ControlPlane } from "../../core/control-plane/client";
import { ControlPlaneError } from "../../core/control-plane/errors";
import { dynamoDbIntentStore } from "../../core/intent-table/intent-store";
import { dynamoDbRefusalProofs } from "../../core/intent-table/refusal-proofs";
import { AgentKey } from "../../core/key/credential";
import { orderUpon } from "../../core/protocol/orders";
import { Stop } from "../../core/protocol/stops";
import type { RotationDeps } from "../../core/rotation/rotation";
import { secretsManagerStore } from "../../core/secrets/secret-store";
import { HOUR } from "../../local/clock";
import { Refusal } from "../../local/control-plane/refusal";
import { SAMPLE_WORKSPACE_ID } from "../../local/control-plane/seed";
import { dynamoDbClient, secretsManagerClient, tableClient } from "./in-memory-aws";
import { OPERATOR_KEY, type World } from "./world";

export type CallKind =
  | "secret-read"
  | "secret-write"
  | "intent-read"
  | "intent-write"
  | "control-read"
  | "control-write"
  | "time";

/** An attempt, as far as its ports need it: every call passes through it, so that anything may happen to it there. */
export interface Caller {
  readonly serial: number;
  call<T>(kind: CallKind, label: string, apply: () => T): Promise<T>;
  remainingMs(): number;
  sleep(milliseconds: number): Promise<void>;
}

/** What the shipped code is given: its own stores over the state machines, called in memory. */
export function portsOf(world: World, caller: Caller): RotationDeps {
  const secrets = secretsManagerStore(
    secretsManagerClient((operation, input) =>
      caller.call(
        operation === "DescribeSecret" || operation === "GetSecretValue" ? "secret-read" : "secret-write",
        `${operation} ${input.VersionStages ?? String(input.VersionId ?? "").slice(-4)}`,
        () => world.call(operation, input),
      ),
    ),
  );
  const dynamoDb = tableClient((operation, input) =>
    caller.call(/^(GetItem|Query)$/.test(operation) ? "intent-read" : "intent-write", operation, () =>
      world.intents.perform(operation, input),
    ),
  );
  const intents = dynamoDbIntentStore(dynamoDb, "intents", (milliseconds) => caller.sleep(milliseconds));
  let ids = 0;
  return {
    secrets,
    intents,
    proofs: dynamoDbRefusalProofs(dynamoDb, "intents"),
    clock: world.clock,
    connect: async () => {
      const key = await secrets.readCurrent(world.operatorKeyArn);
      if (key !== OPERATOR_KEY) throw new Stop("operator-key-missing");
      return controlPlaneOf(world, caller);
    },
    gracePeriodMs: world.configuration.configuredGraceHours * HOUR,
    budget: { remainingMs: () => caller.remainingMs() },
    sleep: (milliseconds) => caller.sleep(milliseconds),
    newId: () => `attempt-${caller.serial}-${++ids}`,
    log: { info: () => {}, warn: () => {}, error: () => {} },
  };
}

function controlPlaneOf(world: World, caller: Caller): ControlPlane {
  const { controlPlane, clock } = world;
  const workspace = SAMPLE_WORKSPACE_ID;
  const ask = <T>(kind: "control-read" | "control-write", label: string, apply: () => T) =>
    caller.call(kind, label, apply);
  const view = (instance: ReturnType<typeof controlPlane.getInstance>) => ({
    ...instance,
    accountId: instance.accountId ?? "",
    contactId: instance.contactId ?? "",
  });
  const issued = ({ instance, agentKey }: ReturnType<typeof controlPlane.refresh>) => ({
    agentKey: new AgentKey(agentKey),
    agentInstanceId: instance.id,
  });
  const noteRepeat = (idempotencyKey: string) => {
    world.repeatsIdempotencyKey ||= world.keys().some(({ mintedWith }) => mintedWith === idempotencyKey);
  };
  const find = (id: string) => controlPlane.allInstances().find((instance) => instance.id === id);
  return {
    now: () => clock.now(),
    clockDiffers: () => false,
    workspaceName: async () => "local",
    findAgentTypeByName: async () => undefined,
    findInstanceByName: (name) =>
      ask("control-read", "list instances", () => {
        const found = controlPlane.allInstances().find((instance) => instance.name === name);
        return found && { ...view(found), description: undefined };
      }),
    getInstance: (id) =>
      ask("control-read", "get instance", () => {
        const found = find(id);
        return found && view(found);
      }),
    createInstance: (fields, idempotencyKey) =>
      ask("control-write", "create", () => {
        noteRepeat(idempotencyKey);
        const { accountId = null, contactId = null } = fields;
        return issued(
          controlPlane.createInstance(workspace, { ...fields, accountId, contactId }, idempotencyKey),
        );
      }),
    updateInstance: (id, fields) =>
      ask("control-write", "update", () => void controlPlane.updateInstance(workspace, id, fields as object)),
    deleteInstance: (id) => ask("control-write", "delete", () => controlPlane.deleteInstance(workspace, id)),
    refreshAgentKey: (id, idempotencyKey) =>
      ask("control-write", "refresh", () => {
        noteRepeat(idempotencyKey);
        return issued(controlPlane.refresh(workspace, id, idempotencyKey));
      }),
    vouchesFor: async () => false,
    checkAgentKey: (agentKey) =>
      ask("control-read", `check ${agentKey.fingerprint.slice(0, 4)}`, () => {
        const text = agentKey.reveal();
        const owner = controlPlane.isAccepted(text) ? controlPlane.identify(text) : undefined;
        return owner ? { accepted: true as const, agentInstanceId: owner.id } : { accepted: false as const };
      }),
  };
}

/** What Terraform asks of the provisioning function for the world's one instance. */
export function provisioningInput(world: World, description = ""): ProvisioningInput {
  return {
    id: "support",
    environment: "dev",
    secretArn: world.secretArn,
    name: "dev-support",
    description,
    agentType: { id: "at_support" },
    removal: "delete",
    revision: 1,
    digest: "-",
  };
}

/** Carries a call out, and gives a refusal of the Control Plane the type that the client over HTTP would. */
export function carryOut<T>(world: World, kind: CallKind, apply: () => T): T {
  if (kind === "secret-write") {
    world.beforeLastWrite = { snapshot: world.secretsManager.snapshot(), at: world.clock.now() };
  }
  try {
    return apply();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new ControlPlaneError(error.status === 404 ? "not-found" : "conflict", String(error.status), "no");
  }
}

/** The error of a call that failed for no reason of its own, and `applied` it or perhaps did. */
export function failureOf(kind: CallKind, applied: "no" | "unknown"): Error {
  if (kind !== "control-read" && kind !== "control-write") return new Error("ServiceUnavailable");
  return applied === "no"
    ? new ControlPlaneError("rate-limited", "429", "no")
    : new ControlPlaneError("unreachable", "no answer", "unknown");
}

/** A read that does not see Secrets Manager's last change yet. */
export function readBeforeLastWrite<T>({ secretsManager, beforeLastWrite }: World, apply: () => T): T {
  if (!beforeLastWrite) return apply();
  const present = secretsManager.snapshot();
  secretsManager.restore(beforeLastWrite.snapshot);
  try {
    return apply();
  } finally {
    secretsManager.restore(present);
  }
}

/** A person stores the value under AWSCURRENT again. */
export function storeCurrentAgain(world: World): void {
  const value = world.secret().versions.find(({ labels }) => labels.includes("AWSCURRENT"))?.value;
  if (!value) return;
  world.call("PutSecretValue", { SecretId: world.secretArn, SecretString: value.data });
}

/** What an operator's pause does: an order upon the current version, where one can be placed. */
export async function pauseRotation(world: World, milliseconds: number): Promise<void> {
  const intents = dynamoDbIntentStore(
    dynamoDbClient(async (operation, input) => world.intents.perform(operation, input)),
    "intents",
  );
  const { secretArn } = world;
  const baseVersionId = world.versionWith("AWSCURRENT") ?? "";
  const standing = await intents.read(secretArn, baseVersionId);
  const now = world.clock.now();
  const order = orderUpon(standing, {
    kind: "paused",
    secretArn,
    baseVersionId,
    agentInstanceId: world.controlPlane.allInstances()[0]?.id ?? "",
    owner: `operator-${now}`,
    now,
    until: now + milliseconds,
  });
  if (order) await (standing ? intents.retake(order, standing) : intents.take(order));
}

/** For what may be refused without harm. */
export function attemptTo(action: () => unknown): void {
  try {
    action();
  } catch {
    // Refused: then there is nothing to lose.
  }
}
