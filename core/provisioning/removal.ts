import type { ProvisioningInput, ProvisioningResult } from "../contract";
import type { AgentInstance, ControlPlane } from "../control-plane/client";
import { locateSecret, ownershipOf } from "../key/ownership";
import { type AgentKeyRecord, parseRecord } from "../key/stored-value";
import { type ProvisioningDeps, ProvisioningError } from "./provisioning";

/** What of the input a removal reads: also one that another release wrote. */
export type RemovalInput = Pick<
  ProvisioningInput,
  "id" | "environment" | "secretArn" | "name" | "removal" | "digest"
>;

/** Takes the instance away as `removal` says. Already gone is success. */
export async function retireInstance(
  deps: ProvisioningDeps,
  input: RemovalInput,
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

/** The instance whose key is stored, else the one of that name with our marker. */
async function findOwned(
  deps: ProvisioningDeps,
  input: RemovalInput,
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

/** `undefined` also if the secret is being deleted or holds another's value: the instance has to go all the same. */
async function storedRecord(
  { secrets, log }: ProvisioningDeps,
  { id, secretArn }: RemovalInput,
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
