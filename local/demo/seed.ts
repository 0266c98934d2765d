import type { AgentInstanceSettings, Environment } from "../../constructs";
import type { AgentInstance, ControlPlaneSeed } from "../control-plane/model";
import { SAMPLE_WORKSPACE_ID } from "../control-plane/seed";
import type { ControlPlaneState } from "../control-plane/state";

const workspaceId = SAMPLE_WORKSPACE_ID;

/** What a Control Plane has to know for an environment to be deployed: its agent types, accounts and contacts. */
export function seedFor({ agentInstances }: Pick<Environment, "agentInstances">): ControlPlaneSeed {
  const agentTypes = agentInstances.flatMap(({ agentType }) => {
    if (agentType === undefined) return [];
    const named = "name" in agentType ? agentType : { name: agentType.id };
    const id = "id" in agentType ? agentType.id : `at_${agentType.name.toLowerCase().replace(/\W+/g, "_")}`;
    return [{ id, workspaceId, name: named.name, description: "" }];
  });
  const accounts = agentInstances.flatMap(({ accountId }) =>
    accountId === undefined ? [] : [{ id: accountId, workspaceId, name: accountId }],
  );
  const contacts = agentInstances.flatMap(({ accountId, contactId }) =>
    accountId === undefined || contactId === undefined ? [] : [{ id: contactId, accountId, name: contactId }],
  );
  return {
    workspaces: [{ id: workspaceId, organizationId: "org_local", name: "Local" }],
    agentTypes: uniqueById([...agentTypes, ADOPTED_TYPE]),
    accounts: uniqueById(accounts),
    contacts: uniqueById(contacts),
  };
}

/** The type of the instances that are there before the first deploy. */
const ADOPTED_TYPE = { id: "at_adopted", workspaceId, name: "Adopted", description: "" };

/** Puts the instances that an environment adopts into a Control Plane, under the ids that it adopts them by. */
export function addAdoptedInstances(
  state: ControlPlaneState,
  { agentInstances }: Pick<Environment, "agentInstances">,
): void {
  for (const instance of agentInstances) {
    const id = adoptedId(instance);
    if (id === undefined) continue;
    const { instance: made } = state.createInstance(workspaceId, {
      name: `existing-${id}`,
      description: "",
      agentTypeId: ADOPTED_TYPE.id,
      accountId: null,
      contactId: null,
    });
    const renamed = (each: AgentInstance) => (each.id === made.id ? { ...each, id } : each);
    const snapshot = state.snapshot();
    state.restore({ ...snapshot, instances: snapshot.instances.map(renamed) });
  }
}

function adoptedId(instance: AgentInstanceSettings): string | undefined {
  return instance.adopt?.agentInstanceId;
}

function uniqueById<T extends { readonly id: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.id, item])).values()];
}
