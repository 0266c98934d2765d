import type { ProvisioningInput } from "../contract";
import type { AgentInstanceFields } from "../control-plane/client";
import { markDescription, type SecretLocation } from "../key/ownership";
import { type Job, ProvisioningError } from "./provisioning";

/** The instance's fields at the Control Plane, as the input would have them. */
export function desiredFields(
  input: ProvisioningInput,
  secret: SecretLocation,
  agentTypeId: string,
): AgentInstanceFields {
  return {
    name: requiredToCreate(input.name, "name"),
    description: markDescription(input.description ?? "", secret),
    agentTypeId,
    accountId: input.accountId,
    contactId: input.contactId,
  };
}

/** The id of the agent type, which the input may give by its name. */
export async function agentTypeIdOf({ input, controlPlane }: Job): Promise<string> {
  const agentType = requiredToCreate(input.agentType, "agentType");
  if ("id" in agentType) return agentType.id;
  const id = await controlPlane.findAgentTypeByName(agentType.name);
  if (id !== undefined) return id;
  throw new ProvisioningError(
    `agentType.name: the Control Plane has no agent type of that name, got '${agentType.name}'; create it there, or ` +
      `correct the name`,
  );
}

export function requiredToCreate<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw new ProvisioningError(`${field}: required for an instance that is not adopted`);
}
