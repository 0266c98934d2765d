import type { ProvisioningInput, ProvisioningResult } from "../contract";
import type { AgentInstance } from "../control-plane/client";
import { locateSecret, markDescription, ownershipOf } from "../key/ownership";
import type { AgentKeyRecord } from "../key/stored-value";
import { NO_VERSION } from "../protocol/intent";
import { isProven } from "../protocol/refusal-proof";
import { Stop } from "../protocol/stops";
import { versionWith } from "../secrets/secret-store";
import { adoptCommand, instanceToTakeOver, managedElsewhere } from "./adoption";
import { obtainKey } from "./first-key";
import { desiredFields } from "./instance-fields";
import { type Job, type ProvisioningDeps, ProvisioningError } from "./provisioning";
import { checkOnceLive, readRecord } from "./stored-key";

/**
 * Brings the instance at the Control Plane and its secret's first key to what the input says, whatever an earlier attempt
 * left. Safe to run twice, also at once. Mints nothing if the stored key is good.
 */
export async function ensureInstance(
  deps: ProvisioningDeps,
  input: ProvisioningInput,
): Promise<ProvisioningResult> {
  const secret = locateSecret(input.secretArn);
  const controlPlane = await deps.connect();
  const job: Job = { input, secret, controlPlane, description: await deps.secrets.describe(input.secretArn) };
  const instance = (await instanceOfStoredKey(deps, job)) ?? (await provisionFirstKey(deps, job));
  await converge(job, instance);
  return {
    status: "ready",
    digest: input.digest,
    secretArn: input.secretArn,
    agentInstanceId: instance.id,
    reason: "",
  };
}

async function provisionFirstKey(deps: ProvisioningDeps, job: Job): Promise<AgentInstance> {
  const existing = await instanceToTakeOver(deps, job);
  const id = await obtainKey(deps, job, { base: NO_VERSION, existing });
  const instance = await job.controlPlane.getInstance(id);
  if (instance) return instance;
  throw new ProvisioningError(`agent instance ${id} was removed while it was provisioned; deploy again`);
}

/** The instance of the stored key, active and with a key that is accepted; `undefined` if no key is stored yet. */
async function instanceOfStoredKey(deps: ProvisioningDeps, job: Job): Promise<AgentInstance | undefined> {
  const { input, controlPlane, description } = job;
  const base = versionWith("AWSCURRENT", description.versionStages);
  if (base === undefined) return undefined;
  const value = await deps.secrets.readCurrent(input.secretArn);
  if (value === undefined)
    throw new ProvisioningError("the stored key cannot be read yet, though it is there: deploy again");
  const record = readRecord(job.secret, description.versionStages, value);
  const instance = await instanceOf(job, record);
  if (!instance.isActive) await controlPlane.updateInstance(instance.id, { isActive: true });
  const check = await checkOnceLive(deps, job, record);
  if (!check.accepted) await replaceRefused(deps, job, { base, record, instance });
  else if (check.agentInstanceId !== instance.id) {
    throw new ProvisioningError(
      `the stored key is accepted, but for instance ${check.agentInstanceId}, not ${instance.id}`,
    );
  }
  return instance;
}

async function instanceOf(
  { input, secret, controlPlane }: Job,
  record: AgentKeyRecord,
): Promise<AgentInstance> {
  if (input.adopt && input.adopt.agentInstanceId !== record.agentInstanceId) {
    throw new ProvisioningError(
      `adopt.agentInstanceId: the secret holds the key of instance ${record.agentInstanceId}, got ` +
        `${input.adopt.agentInstanceId}; an id is for one instance: give the other one an entry of its own`,
    );
  }
  const instance = await controlPlane.getInstance(record.agentInstanceId);
  if (!instance) {
    if ((await controlPlane.checkAgentKey(record.agentKey)).accepted) {
      throw new ProvisioningError(
        `the stored key ${record.agentKey.fingerprint} works, and the operator's API key sees no instance ` +
          `${record.agentInstanceId}: it is for another workspace. Store the right one, and deploy again`,
      );
    }
    throw new ProvisioningError(
      `agent instance ${record.agentInstanceId} is gone from the Control Plane, and with it its key; restore it ` +
        `there, or remove '${input.id}' and add it under a new id`,
    );
  }
  if (ownershipOf(instance.description, secret) === "theirs") throw managedElsewhere(instance);
  return instance;
}

/** Mints a key in the place of one that is refused, unless that is for a rotation or a person to do. */
async function replaceRefused(
  deps: ProvisioningDeps,
  job: Job,
  {
    base,
    record,
    instance,
  }: {
    readonly base: string;
    readonly record: AgentKeyRecord;
    readonly instance: AgentInstance;
  },
): Promise<void> {
  const refused = `the stored key ${record.agentKey.fingerprint} is refused by the Control Plane`;
  if (job.description.rotationEnabled) {
    throw new ProvisioningError(
      `${refused}; a rotation heals it: aws secretsmanager rotate-secret --secret-id ${job.secret.secretName}`,
    );
  }
  if (job.description.rotationFunctionArn !== undefined) {
    throw new ProvisioningError(
      `${refused}, and only a rotation may store another, though rotation is switched off: switch it on and rotate, or ` +
        `switch it on for this once: aws secretsmanager rotate-secret --secret-id ${job.secret.secretName}`,
    );
  }
  if (job.input.adopt?.existingKey === "provided") {
    throw new ProvisioningError(
      `${refused}, and existingKey: 'provided' means that none is minted. Store the present key by the following, which ` +
        `reads it from standard input, and deploy again; or set existingKey: 'refresh', which mints a new one and starts ` +
        `the present one's last hours:\n` +
        `  ${adoptCommand(deps, job)}`,
    );
  }
  const proof = await deps.proofs.read(job.input.secretArn, base);
  if (!isProven(proof, record.agentKey.fingerprint, job.controlPlane.now())) {
    throw new ProvisioningError(
      `${refused}, and nothing has shown yet that its refusals can be believed. The auditor finds that out within 20 ` +
        `minutes. Nothing was minted: deploy again after that`,
    );
  }
  try {
    await deps.secrets.tryToStore(job.input.secretArn, base);
  } catch (error) {
    throw new Stop("store-denied", error instanceof Error ? error.name : "");
  }
  await obtainKey(deps, job, { base, existing: instance });
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
