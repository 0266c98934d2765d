import { type AgentInstanceSettings, displayName } from "./agent-instance";
import { resolveControlPlane } from "./control-plane";
import type { AgentKeysSettings } from "./environment";
import type { Problem } from "./problems";
import { isRecord } from "./schema";

/** What must be unique among all environments, or among those at one Control Plane. */
export function duplicates(environments: readonly AgentKeysSettings[]): Problem[] {
  const placed = environments.flatMap(placeInstances);
  return [
    ...sameEnvironments(environments),
    ...[...sameNames(placed), ...sameAdopted(placed)]
      // The same id twice in one environment is reported as that.
      .filter(
        ({ first, again }) =>
          first.environment !== again.environment || first.instance.id !== again.instance.id,
      )
      .map(
        ({ value, first, again, ...rule }): Problem => ({
          severity: "error",
          environment: again.environment.name,
          agentInstance: again.instance.id,
          ...rule,
          got: `${value}, as for ${first.instance.id} of ${first.environment.name}`,
        }),
      ),
  ];
}

function sameEnvironments(environments: readonly AgentKeysSettings[]): Problem[] {
  return repeated(environments, (environment) => environment?.name).map(({ value }) => ({
    severity: "error",
    environment: value,
    field: "name",
    rule: "must be unique among the environments",
    got: value,
    fix: "give one of the two another name",
  }));
}

function sameNames(placed: readonly PlacedInstance[]) {
  return repeated(placed, ({ environment, instance, controlPlane }) => {
    const name: unknown = displayName(environment.name, instance);
    return typeof name === "string" ? `${name} at ${controlPlane}` : undefined;
  }).map((found) => ({
    ...found,
    field: "name",
    rule: "must be unique at the Control Plane",
    fix: "give one of the two another `name`",
  }));
}

function sameAdopted(placed: readonly PlacedInstance[]) {
  return repeated(placed, ({ instance, controlPlane }) =>
    isRecord(instance.adopt) && typeof instance.adopt.agentInstanceId === "string"
      ? `${instance.adopt.agentInstanceId} at ${controlPlane}`
      : undefined,
  ).map((found) => ({
    ...found,
    field: "adopt.agentInstanceId",
    rule: "can't be adopted twice, since an instance has one key and one secret holds it",
    fix: "remove one of the two",
  }));
}

interface PlacedInstance {
  readonly environment: AgentKeysSettings;
  readonly instance: AgentInstanceSettings;
  /** URL of the Control Plane that the instance is at. */
  readonly controlPlane: string;
}

/** The instances that are sound enough to be compared. */
function placeInstances(environment: AgentKeysSettings): PlacedInstance[] {
  if (
    !isRecord(environment) ||
    typeof environment.name !== "string" ||
    !isRecord(environment.controlPlane) ||
    !Array.isArray(environment.agentInstances)
  ) {
    return [];
  }
  const controlPlane: unknown = resolveControlPlane(environment.controlPlane).url;
  if (typeof controlPlane !== "string") return [];
  return environment.agentInstances
    .filter((instance) => isRecord(instance) && typeof instance.id === "string")
    .map((instance) => ({ environment, instance, controlPlane }));
}

/** Each value that occurs again, with the item that it occurred at first and the one that it occurs at again. */
export function repeated<T>(
  items: readonly T[],
  pick: (item: T) => unknown,
): { readonly value: string; readonly first: T; readonly again: T }[] {
  const seen = new Map<string, T>();
  return items.flatMap((item) => {
    const value = pick(item);
    if (typeof value !== "string") return [];
    const first = seen.get(value);
    if (first !== undefined) return [{ value, first, again: item }];
    seen.set(value, item);
    return [];
  });
}
