import type { Budget, Sleep } from "../budget";
import type { ControlPlaneAuth, ProvisioningInput, ProvisioningResult } from "../contract";
import type { AgentInstance, AgentInstanceFields, ControlPlane, KeyCheck } from "../control-plane/client";
import { isControlPlaneError } from "../control-plane/errors";
import { locateSecret, markDescription, ownershipOf, type SecretLocation } from "../key/ownership";
import {
  type AgentKeyRecord,
  composeRecord,
  parseRecord,
  UnreadableSecretValueError,
} from "../key/stored-value";
import type { Log } from "../log";
import { decideMint } from "../protocol/decision";
import { graceEndsAt } from "../protocol/grace-period";
import {
  fixedVersionId,
  type Intent,
  type IntentStore,
  NO_VERSION,
  openIntent,
  succeed,
} from "../protocol/intent";
import { MINT_RESERVE_MS, type Mint, mintAndStore, settleOrWarn } from "../protocol/mint";
import { Stop } from "../protocol/stops";
import { ACTIVATION_MS } from "../protocol/timing";
import {
  type SecretDescription,
  type SecretStore,
  VersionConflictError,
  versionWith,
} from "../secrets/secret-store";

export interface ProvisioningDeps {
  readonly secrets: Pick<SecretStore, "describe" | "readCurrent" | "putVersion">;
  readonly intents: IntentStore;
  readonly connect: () => Promise<ControlPlane>;
  readonly gracePeriodMs: number;
  /** For the command that the user is told to run where the present key is to be provided. */
  readonly apiKeySecretArn: string;
  readonly controlPlaneAuth: ControlPlaneAuth;
  readonly budget: Budget;
  readonly sleep: Sleep;
  readonly newId: () => string;
  readonly log: Log;
}

/** The instance cannot be provisioned or removed as asked. The text says why and what to do; it never holds a key. */
export class ProvisioningError extends Error {
  override readonly name = "ProvisioningError";
}

/** From one look to the next, at whether a key is live yet or another attempt has stored one. */
const POLL_MS = 2_000;
const LONGEST_POLL_MS = 15_000;

/**
 * Brings the instance at the Control Plane and its secret's first key to what the input says, whatever an earlier attempt
 * left. Safe to run twice, also at once. Mints nothing where the stored key is good.
 */
export async function ensureInstance(
  deps: ProvisioningDeps,
  input: ProvisioningInput,
): Promise<ProvisioningResult> {
  const secret = locateSecret(input.secretArn);
  const controlPlane = await deps.connect();
  const job: Job = { input, secret, controlPlane, description: await deps.secrets.describe(input.secretArn) };
  const instance = (await findStored(deps, job)) ?? (await provisionFirstKey(deps, job));
  await converge(job, instance);
  return {
    status: "ready",
    digest: input.digest,
    secretArn: input.secretArn,
    agentInstanceId: instance.id,
    reason: "",
  };
}

/** Takes instance away as `removal` says. Already gone is success. */
export async function retireInstance(
  deps: ProvisioningDeps,
  input: ProvisioningInput,
): Promise<ProvisioningResult> {
  if (input.removal === "protect") {
    throw new ProvisioningError(
      `agent instance ${input.environment}/${input.id} is protected: put it back into the environment, or set its ` +
        `environment's removal to 'deactivate' or 'delete', deploy that, and then remove it`,
    );
  }
  const controlPlane = await deps.connect();
  const instance = await findOwned(deps, input, controlPlane);
  if (instance) {
    if (input.removal === "delete") await controlPlane.deleteInstance(instance.id);
    else if (instance.isActive) await controlPlane.updateInstance(instance.id, { isActive: false });
  }
  deps.log.info("retired", { id: input.id, removal: input.removal, agentInstanceId: instance?.id ?? "none" });
  return {
    status: "removed",
    digest: input.digest,
    secretArn: input.secretArn,
    agentInstanceId: instance?.id ?? "",
    reason: "",
  };
}

interface Job {
  readonly input: ProvisioningInput;
  readonly secret: SecretLocation;
  readonly controlPlane: ControlPlane;
  readonly description: SecretDescription;
}

/** The instance that the stored key belongs to, with its key checked; `undefined` where no key is stored yet. */
async function findStored(deps: ProvisioningDeps, job: Job): Promise<AgentInstance | undefined> {
  const { input, controlPlane, description } = job;
  const base = versionWith("AWSCURRENT", description.versionStages);
  if (base === undefined) return undefined;
  const value = await deps.secrets.readCurrent(input.secretArn);
  if (value === undefined)
    throw new ProvisioningError("the stored key cannot be read yet, though it is there: deploy again");
  const record = readRecord(job.secret, description.versionStages, value);
  if (input.adopt && input.adopt.agentInstanceId !== record.agentInstanceId) {
    throw new ProvisioningError(
      `adopt.agentInstanceId: the secret holds the key of instance ${record.agentInstanceId}, got ` +
        `${input.adopt.agentInstanceId}; an id is for one instance: give the other one an entry of its own`,
    );
  }
  const instance = await controlPlane.getInstance(record.agentInstanceId);
  if (!instance) {
    throw new ProvisioningError(
      `agent instance ${record.agentInstanceId} is gone from the Control Plane, and with it its key; restore it ` +
        `there, or remove '${input.id}' and add it under a new id`,
    );
  }
  if (ownershipOf(instance.description, job.secret) === "theirs") throw managedElsewhere(instance);
  if (!instance.isActive) await controlPlane.updateInstance(instance.id, { isActive: true });
  const check = await checkStored(deps, controlPlane, record);
  if (check.accepted) {
    if (check.agentInstanceId === instance.id) return instance;
    throw new ProvisioningError(
      `the stored key is accepted, but for instance ${check.agentInstanceId}, not ${instance.id}`,
    );
  }
  if (description.rotationEnabled) {
    throw new ProvisioningError(
      `the stored key ${record.agentKey.fingerprint} is refused by the Control Plane; a rotation heals it: ` +
        `aws secretsmanager rotate-secret --secret-id ${job.secret.secretName}`,
    );
  }
  if (input.adopt?.existingKey === "provided") {
    throw new ProvisioningError(
      `the stored key ${record.agentKey.fingerprint} is refused by the Control Plane, and existingKey: 'provided' means ` +
        `that none is minted. Store the present key by the following, which reads it from standard input, and deploy ` +
        `again; or set existingKey: 'refresh', which mints a new one and starts the present one's last hours:\n` +
        `  ${adoptCommand(deps, job)}`,
    );
  }
  await obtainKey(deps, job, { base, existing: instance });
  return instance;
}

/** Throws a `ProvisioningError` with the way on where the value under AWSCURRENT is not one of ours. */
function readRecord(
  { secretName }: SecretLocation,
  versionStages: SecretDescription["versionStages"],
  value: string,
): AgentKeyRecord {
  try {
    return parseRecord(value);
  } catch (error) {
    if (!(error instanceof UnreadableSecretValueError)) throw error;
    const current = versionWith("AWSCURRENT", versionStages);
    const previous = versionWith("AWSPREVIOUS", versionStages);
    throw new ProvisioningError(
      `the value under AWSCURRENT of ${secretName} is not one that this project wrote (${error.message}). ` +
        (previous
          ? `Put the version before it back, and deploy again: aws secretsmanager update-secret-version-stage --secret-id ` +
            `${secretName} --version-stage AWSCURRENT --move-to-version-id ${previous} --remove-from-version-id ${current}`
          : `There is none before it: delete the secret, which loses that value, and deploy again, which makes it anew: ` +
            `aws secretsmanager delete-secret --secret-id ${secretName} --force-delete-without-recovery`),
    );
  }
}

/** As long again as another attempt has taken so far: soon at first, and seldom where it takes minutes. */
function pollAfter(takenAt: number, now: number): number {
  return Math.min(LONGEST_POLL_MS, Math.max(POLL_MS, now - takenAt));
}

/** A key that was issued just now may not be live yet: that is no reason to mint another. */
async function checkStored(
  deps: ProvisioningDeps,
  controlPlane: ControlPlane,
  record: AgentKeyRecord,
): Promise<KeyCheck> {
  for (;;) {
    const check = await controlPlane.checkAgentKey(record.agentKey);
    if (check.accepted || controlPlane.now() >= record.issuedAt + ACTIVATION_MS) return check;
    await deps.sleep(POLL_MS);
  }
}

async function provisionFirstKey(deps: ProvisioningDeps, job: Job): Promise<AgentInstance> {
  const existing = job.input.adopt ? await adopted(deps, job) : await findByName(job);
  const id = await obtainKey(deps, job, { base: NO_VERSION, existing });
  const instance = await job.controlPlane.getInstance(id);
  if (!instance)
    throw new ProvisioningError(`agent instance ${id} was removed while it was provisioned; deploy again`);
  return instance;
}

async function adopted(deps: ProvisioningDeps, job: Job): Promise<AgentInstance> {
  const { input, secret, controlPlane } = job;
  const { agentInstanceId, existingKey } = input.adopt as NonNullable<ProvisioningInput["adopt"]>;
  const instance = await controlPlane.getInstance(agentInstanceId);
  if (!instance) {
    throw new ProvisioningError(
      `adopt.agentInstanceId: the Control Plane has no instance of that id, got ${agentInstanceId}`,
    );
  }
  if (ownershipOf(instance.description, secret) === "theirs") throw managedElsewhere(instance);
  if (existingKey === "provided") {
    throw new ProvisioningError(
      `agent instance ${agentInstanceId} waits for its present key. Run the following, which reads the key from ` +
        `standard input, checks it and stores it; then deploy again. Nothing was minted:\n` +
        `  ${adoptCommand(deps, job)}`,
    );
  }
  return instance;
}

/** Run by a person; stores the key that an adopted instance has now. */
function adoptCommand({ apiKeySecretArn, controlPlaneAuth }: ProvisioningDeps, { secret }: Job): string {
  return (
    `npx valmi-agent-keys adopt --secret ${secret.secretName} --region ${secret.region} ` +
    `--api-key-secret ${apiKeySecretArn} --auth ${controlPlaneAuth}`
  );
}

/** The instance of the configured name, if it is ours; refuses one that somebody else's users depend on. */
async function findByName({ input, secret, controlPlane }: Job): Promise<AgentInstance | undefined> {
  const name = requireCreateField(input.name, "name");
  const listed = await controlPlane.findInstanceByName(name);
  // Lists do not give the description.
  const instance = listed && (await controlPlane.getInstance(listed.id));
  if (!instance) return undefined;
  switch (ownershipOf(instance.description, secret)) {
    case "ours":
      return instance;
    case "theirs":
      throw managedElsewhere(instance);
    case "unmarked":
      throw new ProvisioningError(
        `name: the Control Plane has an instance named '${name}' already (${instance.id}), which this project did not ` +
          `make; refreshing its key would start the last hours of the key that its users hold. Choose another name, or ` +
          `adopt it: adopt: { agentInstanceId: '${instance.id}', existingKey: 'refresh' } mints a new key, and the ` +
          `present one lives for the grace period only; existingKey: 'provided' mints nothing and asks for the present key`,
      );
  }
}

function managedElsewhere(instance: AgentInstance): ProvisioningError {
  return new ProvisioningError(
    `agent instance ${instance.id} ('${instance.name}') carries the ownership marker of another secret; choose another ` +
      `name, or take it out of the environment that manages it`,
  );
}

/**
 * Mints the key and stores it as AWSCURRENT, or waits for the attempt that is doing so. Gives the instance's id.
 * Only called while no rotation is configured.
 */
async function obtainKey(
  deps: ProvisioningDeps,
  job: Job,
  { base, existing }: { readonly base: string; readonly existing: AgentInstance | undefined },
): Promise<string> {
  const { input, controlPlane } = job;
  const agentTypeId = existing ? existing.agentTypeId : await resolveAgentType(job);
  for (;;) {
    if (deps.budget.remainingMs() < MINT_RESERVE_MS) {
      throw new Stop("out-of-time", `'${input.environment}/${input.id}', deploy again`);
    }
    const attempt = openIntent(
      {
        secretArn: input.secretArn,
        baseVersionId: base,
        versionId: fixedVersionId(input.secretArn, base),
        agentInstanceId: existing?.id ?? NO_VERSION,
      },
      { now: controlPlane.now(), remainingMs: deps.budget.remainingMs(), newId: deps.newId },
    );
    const { taken, intent: standing } = await deps.intents.take(attempt);
    if (taken) return mintFirst(deps, job, standing, existing, agentTypeId);

    const appeared = await otherAttemptsKey(deps, job, base);
    if (appeared !== undefined) return appeared;
    const now = controlPlane.now();
    const course = decideMint({
      standing,
      stored: "empty",
      storedAt: 0,
      storedHere: false,
      wasPromoted: false,
      baseIsCurrent: true,
      now,
    });
    if (course.course === "mint-again") {
      const again = await deps.intents.retake(succeed(standing, attempt), standing);
      if (again.taken) return mintFirst(deps, job, again.intent, await known(job, existing), agentTypeId);
      continue;
    }
    if (course.course !== "stop") throw new Stop("mint-in-flight");
    const wait = pollAfter(standing.takenAt, now);
    if (deps.budget.remainingMs() < MINT_RESERVE_MS + wait) {
      throw new ProvisioningError(
        `mint-in-flight: another attempt may still be minting the first key of '${input.environment}/${input.id}'; ` +
          `nothing was changed: deploy again after ${new Date(course.until).toISOString()}`,
      );
    }
    deps.log.info("waiting for another attempt's key", {
      id: input.id,
      until: new Date(course.until).toISOString(),
    });
    await deps.sleep(wait);
    // Any answer gives the Control Plane's time anew.
    await known(job, existing);
  }
}

/** The instance as it is now: an attempt before this one may have created it meanwhile. */
async function known(job: Job, existing: AgentInstance | undefined): Promise<AgentInstance | undefined> {
  return existing ? job.controlPlane.getInstance(existing.id) : findByName(job);
}

async function otherAttemptsKey(deps: ProvisioningDeps, job: Job, base: string): Promise<string | undefined> {
  const { input } = job;
  const { versionStages } = await deps.secrets.describe(input.secretArn);
  const current = versionWith("AWSCURRENT", versionStages);
  if (current === undefined || current === base) return undefined;
  const value = await deps.secrets.readCurrent(input.secretArn);
  return value === undefined ? undefined : readRecord(job.secret, versionStages, value).agentInstanceId;
}

async function mintFirst(
  deps: ProvisioningDeps,
  job: Job,
  intent: Intent,
  existing: AgentInstance | undefined,
  agentTypeId: string,
): Promise<string> {
  const { input, controlPlane } = job;
  try {
    const minted = await mintAndStore(deps, {
      intent,
      first: existing ? refresh(deps, job, intent, existing) : creation(job, agentTypeId),
      // Only a create shows that it was applied: the name is there, with our marker.
      second: async () => {
        const created = existing ? undefined : await findByName(job);
        return created && refresh(deps, job, intent, created);
      },
      place: { secretId: input.secretArn, stage: "AWSCURRENT" },
      newId: deps.newId,
      now: () => controlPlane.now(),
    });
    const { agentKey, agentInstanceId } = minted.record;
    await settleOrWarn(deps, minted.intent, {
      outcome: "promoted",
      settledAt: controlPlane.now(),
      fingerprint: agentKey.fingerprint,
    });
    deps.log.info("first key stored", { id: input.id, fingerprint: agentKey.fingerprint });
    return agentInstanceId;
  } catch (error) {
    if (!(error instanceof VersionConflictError)) throw error;
    // Another attempt stored its key first: that one is the secret's.
    const stored = await otherAttemptsKey(deps, job, intent.baseVersionId);
    if (stored === undefined) throw new Stop("mint-in-flight");
    return stored;
  }
}

/** A refresh has replaced a key, which may have users. */
function refresh(deps: ProvisioningDeps, job: Job, intent: Intent, instance: AgentInstance): Mint {
  return {
    send: (idempotencyKey) => job.controlPlane.refreshAgentKey(instance.id, idempotencyKey),
    toRecord: ({ agentKey, agentInstanceId }) =>
      composeRecord(
        {
          agentKey,
          issuedAt: job.controlPlane.now(),
          previousKeyExpiresAt: graceEndsAt(intent, deps.gracePeriodMs),
        },
        { ...instance, id: agentInstanceId },
        job.description.tags,
      ),
  };
}

function creation({ input, secret, controlPlane, description }: Job, agentTypeId: string): Mint {
  const fields = desiredFields(input, secret, agentTypeId);
  return {
    send: async (idempotencyKey) => {
      try {
        return await controlPlane.createInstance(fields, idempotencyKey);
      } catch (error) {
        if (!isControlPlaneError(error, "unreachable", "unavailable")) throw error;
        // Names are unique, so a create may be repeated: at most one of the two is carried out. If the name is taken now,
        // it was the first, and its answer is lost.
        return await controlPlane.createInstance(fields, idempotencyKey).catch((second) => {
          throw isControlPlaneError(second, "conflict") ? error : second;
        });
      }
    },
    toRecord: ({ agentKey, agentInstanceId }) =>
      composeRecord(
        { agentKey, issuedAt: controlPlane.now() },
        {
          id: agentInstanceId,
          name: fields.name,
          agentTypeId: fields.agentTypeId,
          accountId: fields.accountId ?? "",
          contactId: fields.contactId ?? "",
        },
        description.tags,
      ),
  };
}

/** Name, description, account and contact follow the input; the agent type is fixed when an instance is created. */
async function converge({ input, secret, controlPlane }: Job, instance: AgentInstance): Promise<void> {
  if (input.adopt) {
    // An adopted instance keeps its own fields, and from now on says whose it is.
    if (ownershipOf(instance.description, secret) === "ours") return;
    const description = markDescription(instance.description ?? "", secret);
    return controlPlane.updateInstance(instance.id, { description });
  }
  const wanted = desiredFields(input, secret, instance.agentTypeId);
  const changes = {
    ...(wanted.name === instance.name ? {} : { name: wanted.name }),
    ...(wanted.description === instance.description ? {} : { description: wanted.description }),
    ...((wanted.accountId ?? instance.accountId) === instance.accountId
      ? {}
      : { accountId: wanted.accountId }),
    ...((wanted.contactId ?? instance.contactId) === instance.contactId
      ? {}
      : { contactId: wanted.contactId }),
  };
  if (Object.keys(changes).length > 0) await controlPlane.updateInstance(instance.id, changes);
}

function desiredFields(
  input: ProvisioningInput,
  secret: SecretLocation,
  agentTypeId: string,
): AgentInstanceFields {
  return {
    name: requireCreateField(input.name, "name"),
    description: markDescription(input.description ?? "", secret),
    agentTypeId,
    accountId: input.accountId,
    contactId: input.contactId,
  };
}

async function resolveAgentType({ input, controlPlane }: Job): Promise<string> {
  const agentType = requireCreateField(input.agentType, "agentType");
  if ("id" in agentType) return agentType.id;
  const id = await controlPlane.findAgentTypeByName(agentType.name);
  if (id !== undefined) return id;
  throw new ProvisioningError(
    `agentType.name: the Control Plane has no agent type of that name, got '${agentType.name}'; create it there, or ` +
      `correct the name`,
  );
}

function requireCreateField<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw new ProvisioningError(`${field}: required for an instance that is not adopted`);
}

/** For removal: the instance whose key is stored, else the one of that name with our marker. */
async function findOwned(
  deps: ProvisioningDeps,
  input: ProvisioningInput,
  controlPlane: ControlPlane,
): Promise<AgentInstance | undefined> {
  const secret = locateSecret(input.secretArn);
  const record = await storedRecord(deps, input);
  if (record) {
    const instance = await controlPlane.getInstance(record.agentInstanceId);
    return instance && ownershipOf(instance.description, secret) !== "theirs" ? instance : undefined;
  }
  const listed = input.name === undefined ? undefined : await controlPlane.findInstanceByName(input.name);
  const instance = listed && (await controlPlane.getInstance(listed.id));
  return instance && ownershipOf(instance.description, secret) === "ours" ? instance : undefined;
}

/** `undefined` also where the secret is being deleted or holds another's value: the instance has to go all the same. */
async function storedRecord(
  { secrets, log }: ProvisioningDeps,
  { id, secretArn }: ProvisioningInput,
): Promise<AgentKeyRecord | undefined> {
  try {
    const value = await secrets.readCurrent(secretArn);
    return value === undefined ? undefined : parseRecord(value);
  } catch (error) {
    const reason = error instanceof Error ? error.name : "unknown";
    if (!["InvalidRequestException", "UnreadableSecretValueError"].includes(reason)) throw error;
    log.warn("the stored key cannot be read: looking for the instance by its name and marker", {
      id,
      reason,
    });
    return undefined;
  }
}
