import { KEY_SHAPE, NEW_INSTANCE_FIELDS, WHOLE_DAY_WINDOW_HOURS } from "../../core/contract";
import { isHttps } from "../../core/rules";
import { functionName, MAX_FUNCTION_NAME_LENGTH } from "../names";
import {
  type AgentInstanceSettings,
  type AgentKeysSettings,
  displayName,
  type Environment,
  resolveSettings,
} from "./environment";
import { ENVIRONMENT, SETTINGS } from "./fields";
import { type Check, type Fault, isRecord } from "./shape";

/** Something that is wrong with the description of the environments, or, as a warning, unwise. */
export interface Problem {
  readonly severity: "error" | "warning";
  /** Name of the environment, or its position where it has none. */
  readonly environment: string;
  /** Id of the agent instance, or its position where it has none; absent where the problem is the environment's own. */
  readonly agentInstance?: string;
  readonly field: string;
  readonly rule: string;
  readonly got: unknown;
  /** In place of `got`, which is not shown then. */
  readonly gotInWords?: string;
  readonly fix: string;
}

/**
 * More instances than this in one stack make every plan slow: each costs a call whose quota is 50 per second for the
 * whole account (`GetResourcePolicy`), and one state holds them all.
 */
export const MANY_INSTANCES = 1_000;

/** Every problem of all environments at once; none where they can be deployed as they are. */
export function checkEnvironments(environments: readonly Environment[]): Problem[] {
  if (!Array.isArray(environments)) {
    const fault = { rule: "must be a list of environments", got: environments, fix: "write it as [ … ]" };
    return [{ severity: "error", environment: "#0", field: "environments", ...fault }];
  }
  return [
    ...environments.flatMap((environment, index) =>
      checkOne(environment, nameOf(environment, "name", index), ENVIRONMENT),
    ),
    ...duplicates(environments),
  ];
}

/** As `checkEnvironments`, for one environment that has no stack of its own. */
export function checkSettings(settings: AgentKeysSettings): Problem[] {
  return [...checkOne(settings, nameOf(settings, "name", 0), SETTINGS), ...duplicates([settings])];
}

/** Gives back the warnings. Throws an `InvalidEnvironmentsError` where there is anything worse. */
export function refuseErrors(problems: readonly Problem[]): readonly Problem[] {
  if (problems.some(({ severity }) => severity === "error")) throw new InvalidEnvironmentsError(problems);
  return problems;
}

/** The environments can't be deployed as described; the message lists every reason. */
export class InvalidEnvironmentsError extends Error {
  override readonly name = "InvalidEnvironmentsError";

  declare readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const errors = problems.filter(({ severity }) => severity === "error");
    const count = errors.length === 1 ? "1 problem" : `${errors.length} problems`;
    super(
      `${count} in the description of the environments:\n${errors.map((p) => `- ${describeProblem(p)}`).join("\n")}`,
    );
    // Not enumerable, since Node.js prints what is when nobody catches the error: values, unmasked.
    Object.defineProperty(this, "problems", { value: problems });
  }
}

/** One line: where, which field, which rule, what was got, what to do. A key that stands where none belongs is masked. */
export function describeProblem(problem: Problem): string {
  const { environment, agentInstance, field, rule, got, gotInWords = show(got), fix } = problem;
  const where = agentInstance === undefined ? environment : `${environment}, agent instance ${agentInstance}`;
  return `${where}: \`${field}\` ${rule}; got: ${gotInWords}. To fix: ${fix}.`.replace(KEY_SHAPE, "[masked]");
}

const SHOWN_CHARACTERS = 120;

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  let shown: string;
  try {
    shown = JSON.stringify(value) ?? typeof value;
  } catch {
    return "what can't be written as JSON";
  }
  if (shown.length <= SHOWN_CHARACTERS) return shown;
  // Masked before it is cut: the first half of a key has the shape of none.
  return `${shown.replace(KEY_SHAPE, "[masked]").slice(0, SHOWN_CHARACTERS)}…`;
}

function checkOne(settings: AgentKeysSettings, environment: string, shape: Check): Problem[] {
  const faults = shape(settings);
  const problems = faults.map((fault) => toProblem(settings, environment, fault));
  // Rules between fields look only at environments whose fields are right in themselves.
  const settingsAreSound = faults.every(({ field }) => field.startsWith("agentInstances["));
  if (settingsAreSound)
    problems.push(...checkTogether(settings).map((fault) => toProblem(settings, environment, fault)));
  if (Array.isArray(settings?.agentInstances)) {
    problems.push(...checkInstances(settings.agentInstances, environment));
  }
  return problems;
}

function checkTogether(settings: AgentKeysSettings): Fault[] {
  const faults: Fault[] = [];
  const resolved = resolveSettings(settings);
  const { rotation, controlPlane, removal, recoveryWindowDays } = resolved;

  const longest = functionName(resolved, "provisioning");
  if (longest.length > MAX_FUNCTION_NAME_LENGTH) {
    faults.push({
      field: "name",
      rule: `must be so short that the name of a function has at most ${MAX_FUNCTION_NAME_LENGTH} characters`,
      got: longest,
      fix: `shorten \`name\` or \`namePrefix\` by ${longest.length - MAX_FUNCTION_NAME_LENGTH}`,
    });
  }
  for (const field of ["caCertificate", "proxyUrl"] as const) {
    if (controlPlane[field] === undefined || isHttps(controlPlane.url)) continue;
    faults.push({
      field: `controlPlane.${field}`,
      rule: "is for a Control Plane that is reached by https",
      got: controlPlane.url,
      fix: "remove it, or correct `controlPlane.url`",
    });
  }
  if (rotation !== "off") {
    const { automaticallyAfterDays, windowHours = WHOLE_DAY_WINDOW_HOURS } = rotation;
    const shortest = automaticallyAfterDays * 24 - windowHours;
    if (shortest < controlPlane.gracePeriodHours) {
      faults.push({
        field: "rotation.automaticallyAfterDays",
        rule:
          `must leave the grace period of ${controlPlane.gracePeriodHours} hours between the end of one rotation window ` +
          `(${windowHours} hours) and the start of the next, else a rotation ends a key before its time`,
        got: automaticallyAfterDays,
        fix: `make it ${Math.ceil((controlPlane.gracePeriodHours + windowHours) / 24)} or more`,
      });
    }
  }
  if (removal === "deactivate" && recoveryWindowDays === 0) {
    faults.push({
      field: "recoveryWindowDays",
      rule: "must be 7–30 where `removal` is `deactivate`, since there would be no way back",
      got: recoveryWindowDays,
      fix: "leave it out, or choose `delete`",
    });
  }
  return faults;
}

function checkInstances(instances: readonly AgentInstanceSettings[], environment: string): Problem[] {
  const problems = instances.flatMap((instance, index) =>
    createOrAdopt(instance).map(
      (fault): Problem => ({
        severity: "error",
        environment,
        agentInstance: nameOf(instance, "id", index),
        ...fault,
      }),
    ),
  );
  for (const { value } of repeated(instances, (instance) => instance?.id)) {
    problems.push({
      severity: "error",
      environment,
      agentInstance: value,
      field: "id",
      rule: "must be unique in its environment",
      got: value,
      fix: "give one of the two another id",
    });
  }
  if (instances.length > MANY_INSTANCES) {
    problems.push({
      severity: "warning",
      environment,
      field: "agentInstances",
      rule: `should be at most ${MANY_INSTANCES} in one stack, since plans become slow and one state holds them all`,
      got: `${instances.length} entries`,
      fix: "split the environment in two",
    });
  }
  return problems;
}

function createOrAdopt(instance: AgentInstanceSettings): Fault[] {
  if (!isRecord(instance)) return [];
  if (instance.adopt === undefined) {
    return instance.agentType === undefined
      ? [
          {
            field: "agentType",
            rule: "is required for a new instance",
            got: undefined,
            fix: "give { id } or { name }",
          },
        ]
      : [];
  }
  return NEW_INSTANCE_FIELDS.filter((field) => instance[field] !== undefined).map((field) => ({
    field,
    rule: "can't be given together with `adopt`: an adopted instance keeps what it has at the Control Plane",
    got: instance[field],
    fix: `remove \`${field}\`, or \`adopt\` to have a new instance made`,
  }));
}

/** What must be unique among all environments, or among those at one Control Plane. */
function duplicates(environments: readonly AgentKeysSettings[]): Problem[] {
  const sameEnvironment = repeated(environments, (environment) => environment?.name).map(
    ({ value }): Problem => ({
      severity: "error",
      environment: value,
      field: "name",
      rule: "must be unique among the environments",
      got: value,
      fix: "give one of the two another name",
    }),
  );

  const placed = environments.flatMap(placeInstances);
  const sameName = repeated(placed, ({ environment, instance, controlPlane }) => {
    const name: unknown = displayName(environment.name, instance);
    return typeof name !== "string" ? undefined : `${name} at ${controlPlane}`;
  }).map(({ value, first, again }) => ({
    first,
    again,
    field: "name",
    rule: "must be unique at the Control Plane",
    got: `${value}, as for ${first.instance.id} of ${first.environment.name}`,
    fix: "give one of the two another `name`",
  }));
  const sameAdopted = repeated(placed, ({ instance, controlPlane }) =>
    isRecord(instance.adopt) && typeof instance.adopt.agentInstanceId === "string"
      ? `${instance.adopt.agentInstanceId} at ${controlPlane}`
      : undefined,
  ).map(({ value, first, again }) => ({
    first,
    again,
    field: "adopt.agentInstanceId",
    rule: "can't be adopted twice, since an instance has one key and one secret holds it",
    got: `${value}, as for ${first.instance.id} of ${first.environment.name}`,
    fix: "remove one of the two",
  }));

  const sameInstance = [...sameName, ...sameAdopted]
    // The same id twice in one environment is reported as that.
    .filter(
      ({ first, again }) =>
        first.environment !== again.environment || first.instance.id !== again.instance.id,
    )
    .map(
      ({ first: _, again, ...fault }): Problem => ({
        severity: "error",
        environment: again.environment.name,
        agentInstance: again.instance.id,
        ...fault,
      }),
    );
  return [...sameEnvironment, ...sameInstance];
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
  const controlPlane: unknown = resolveSettings(environment).controlPlane.url;
  if (typeof controlPlane !== "string") return [];
  return environment.agentInstances
    .filter((instance) => isRecord(instance) && typeof instance.id === "string")
    .map((instance) => ({ environment, instance, controlPlane }));
}

/** Each value that occurs again, with the item that it occurred at first and the one that it occurs at again. */
function repeated<T>(
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

/** Says of which instance a fault is, by the position in its path. */
function toProblem(settings: AgentKeysSettings, environment: string, fault: Fault): Problem {
  const inInstance = /^agentInstances\[(\d+)\]\.?(.*)$/.exec(fault.field);
  if (!inInstance) return { severity: "error", environment, ...fault, field: fault.field || "environment" };
  const index = Number(inInstance[1]);
  const agentInstance = nameOf(settings.agentInstances?.[index], "id", index);
  return {
    severity: "error",
    environment,
    agentInstance,
    ...fault,
    field: inInstance[2] || "agentInstances",
  };
}

function nameOf(value: unknown, field: "name" | "id", index: number): string {
  const name = isRecord(value) ? value[field] : undefined;
  return typeof name === "string" && name !== "" ? name : `#${index}`;
}
