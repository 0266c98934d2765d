import type { AgentInstance } from "../control-plane/client";
import { isControlPlaneError } from "../control-plane/errors";
import { composeRecord } from "../key/stored-value";
import { graceEndsAt } from "../protocol/grace-period";
import type { Intent } from "../protocol/intent";
import type { Mint } from "../protocol/mint";
import { desiredFields } from "./instance-fields";
import type { Job, ProvisioningDeps } from "./provisioning";

/** The mint for an instance that is there already. The key that it replaces may have users. */
export function refresh(deps: ProvisioningDeps, job: Job, intent: Intent, instance: AgentInstance): Mint {
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

/** The mint that creates the instance. It replaces no key. */
export function creation({ input, secret, controlPlane, description }: Job, agentTypeId: string): Mint {
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
