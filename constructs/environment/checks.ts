import { type AgentInstanceSettings, createOrAdopt } from "./agent-instance";
import { wayGoesByHttps } from "./control-plane";
import { duplicates, repeated } from "./duplicates";
import {
  type AgentKeysSettings,
  agentKeysSettings,
  type Environment,
  environment,
  type ResolvedSettings,
  resolveSettings,
} from "./environment";
import { shortEnoughNames } from "./functions";
import { graceBetweenRotations } from "./grace-period";
import type { Problem } from "./problems";
import { wayBack } from "./removal";
import { type Fault, faultsOf, isRecord, type Schema } from "./schema";

/**
 * More instances than this in one stack make every plan slow: each costs a call whose quota is 50 per second for the
 * whole account (`GetResourcePolicy`), and one state holds them all.
 */
export const MANY_INSTANCES = 1_000;

/** Every problem of all environments at once; none if they can be deployed as they are. */
export function checkEnvironments(environments: readonly Environment[]): Problem[] {
  if (!Array.isArray(environments)) {
    const fault = { rule: "must be a list of environments", got: environments, fix: "write it as [ … ]" };
    return [{ severity: "error", environment: "#0", field: "environments", ...fault }];
  }
  return [
    ...environments.flatMap((each, index) => checkOne(environment, each, index)),
    ...duplicates(environments),
  ];
}

/** As `checkEnvironments`, for one environment that has no stack of its own. */
export function checkSettings(settings: AgentKeysSettings): Problem[] {
  return [...checkOne(agentKeysSettings, settings, 0), ...duplicates([settings])];
}

/** The rules between fields. */
const TOGETHER: readonly ((settings: ResolvedSettings) => Fault[])[] = [
  shortEnoughNames,
  wayGoesByHttps,
  graceBetweenRotations,
  wayBack,
];

function checkOne(schema: Schema, settings: AgentKeysSettings, index: number): Problem[] {
  const name = nameOf(settings, "name", index);
  const faults = faultsOf(schema, settings);
  // Rules between fields look only at environments whose fields are right in themselves.
  const isSound = faults.every(({ field }) => field.startsWith("agentInstances["));
  const together = isSound ? TOGETHER.flatMap((rule) => rule(resolveSettings(settings))) : [];
  const instances = Array.isArray(settings?.agentInstances) ? settings.agentInstances : [];
  return [
    ...[...faults, ...together].map((fault) => toProblem(settings, name, fault)),
    ...checkInstances(instances, name),
  ];
}

function checkInstances(instances: readonly AgentInstanceSettings[], environment: string): Problem[] {
  const together = instances.flatMap((instance, index) =>
    (isRecord(instance) ? createOrAdopt(instance) : []).map((fault) => ({
      agentInstance: nameOf(instance, "id", index),
      ...fault,
    })),
  );
  const sameId = repeated(instances, (instance) => instance?.id).map(({ value }) => ({
    agentInstance: value,
    field: "id",
    rule: "must be unique in its environment",
    got: value,
    fix: "give one of the two another id",
  }));
  return [
    ...[...together, ...sameId].map((fault): Problem => ({ severity: "error", environment, ...fault })),
    ...(instances.length > MANY_INSTANCES ? [tooMany(instances.length, environment)] : []),
  ];
}

function tooMany(count: number, environment: string): Problem {
  return {
    severity: "warning",
    environment,
    field: "agentInstances",
    rule: `should be at most ${MANY_INSTANCES} in one stack, since plans become slow and one state holds them all`,
    got: `${count} entries`,
    fix: "split the environment in two",
  };
}

/** Says of which instance a fault is, by the position in its path. */
function toProblem(settings: AgentKeysSettings, environment: string, fault: Fault): Problem {
  const [, position, field] = /^agentInstances\[(\d+)\]\.?(.*)$/.exec(fault.field) ?? [];
  if (position === undefined)
    return { severity: "error", environment, ...fault, field: fault.field || "environment" };
  const index = Number(position);
  const agentInstance = nameOf(settings.agentInstances?.[index], "id", index);
  return { severity: "error", environment, agentInstance, ...fault, field: field || "agentInstances" };
}

function nameOf(value: unknown, field: "name" | "id", index: number): string {
  const name = isRecord(value) ? value[field] : undefined;
  return typeof name === "string" && name !== "" ? name : `#${index}`;
}
