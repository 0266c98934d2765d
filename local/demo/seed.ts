import type { AgentInstanceSettings, Environment } from "../../constructs";
import type { AgentInstance, ControlPlaneSeed } from "../control-plane/model";
import { SAMPLE_WORKSPACE_ID } from "../control-plane/seed";
import type { ControlPlaneState } from "../control-plane/state";

const workspaceId = SAMPLE_WORKSPACE_ID;

/** What a Control Plane has to know for an environment to be deployed: its agent types, accounts and contacts. */
export function seedFor({ agentInstances }: Pick<Environment, "agentInstances">): ControlPlaneSeed {
  const accounts = agentInstances.flatMap(({ accountId }) =>
    accountId === undefined ? [] : [{ id: accountId, workspaceId, name: accountId }],
  );
  const contacts = agentInstances.flatMap(({ accountId, contactId }) =>
    accountId === undefined || contactId === undefined ? [] : [{ id: contactId, accountId, name: contactId }],
  );
  return {
    workspaces: [{ id: workspaceId, organizationId: "org_local", name: "Local" }],
    agentTypes: agentTypesOf(agentInstances),
    accounts: uniqueById(accounts),
    contacts: uniqueById(contacts),
  };
}

/** The types that are asked for by name, each under a new id, and those that are asked for by id, each under a new name. */
function agentTypesOf(instances: readonly AgentInstanceSettings[]): ControlPlaneSeed["agentTypes"] {
  const asked = instances.flatMap(({ agentType }) => agentType ?? []);
  const ids = new Set([ADOPTED_TYPE_ID, ...asked.flatMap((type) => ("id" in type ? type.id : []))]);
  const names = new Set(asked.flatMap((type) => ("name" in type ? type.name : [])));
  const named = [...names].map((name, index) => ({ id: unlike(`at_named_${index + 1}`, ids), name }));
  const known = [...ids].map((id) => ({ id, name: unlike(id, names) }));
  return [...named, ...known].map((type) => ({ ...type, workspaceId, description: "" }));
}

/** The text itself, or with as many underscores at its end as make it another one than those that are taken. */
function unlike(text: string, taken: ReadonlySet<string>): string {
  return taken.has(text) ? unlike(`${text}_`, taken) : text;
}

/** The type of the instances that are there before the first deploy. */
const ADOPTED_TYPE_ID = "at_adopted";

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
      agentTypeId: ADOPTED_TYPE_ID,
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
