import { SECRET_TAGS } from "../lambda/contract";
import {
  type AgentInstanceSettings,
  type AgentKeysSettings,
  displayName,
  type Environment,
  isLoopback,
  resolveSettings,
} from "./environment";
import { functionName, MAX_FUNCTION_NAME_LENGTH } from "./names";
import {
  type Check,
  type Fault,
  isRecord,
  listOf,
  object,
  oneOf,
  optional,
  orLiteral,
  orReference,
  required,
  text,
  wholeNumber,
} from "./shape";

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
  readonly fix: string;
}

/** Hours from the mint of a key until it must be under AWSCURRENT, retries included. */
export const PROMOTION_HOURS = 1;

/** Hours after which a consumer has read the secret again: the default of AWS's caching libraries. */
export const CONSUMER_REREAD_HOURS = 1;

/** The shortest grace period, beside none at all, within which a rotation reaches the consumers. */
export const MINIMUM_GRACE_PERIOD_HOURS = PROMOTION_HOURS + CONSUMER_REREAD_HOURS;

/**
 * More instances than this in one stack make every plan slow: each costs a call whose quota is 50 per second for the
 * whole account (`GetResourcePolicy`), and one state holds them all.
 */
export const MANY_INSTANCES = 1_000;

/** Every problem of all environments at once; none where they can be deployed as they are. */
export function checkEnvironments(environments: readonly Environment[]): Problem[] {
  return [
    ...environments.flatMap((environment, index) =>
      checkOne(environment, nameOf(environment, "name", index), ENVIRONMENT),
    ),
    ...duplicates(environments),
  ];
}

/** As `checkEnvironments`, for one environment that has no stack of its own. */
export function checkSettings(settings: AgentKeysSettings): Problem[] {
  return [
    ...checkOne(settings, nameOf(settings, "name", 0), object(SETTINGS_FIELDS)),
    ...duplicates([settings]),
  ];
}

/** Gives back the warnings. Throws an `InvalidEnvironmentsError` where there is anything worse. */
export function refuseErrors(problems: readonly Problem[]): readonly Problem[] {
  if (problems.some(({ severity }) => severity === "error")) throw new InvalidEnvironmentsError(problems);
  return problems;
}

/** The environments can't be deployed as described; the message lists every reason. */
export class InvalidEnvironmentsError extends Error {
  override readonly name = "InvalidEnvironmentsError";

  constructor(readonly problems: readonly Problem[]) {
    const errors = problems.filter(({ severity }) => severity === "error");
    const count = errors.length === 1 ? "1 problem" : `${errors.length} problems`;
    super(
      `${count} in the description of the environments:\n${errors.map((p) => `- ${describeProblem(p)}`).join("\n")}`,
    );
  }
}

/** One line: where, which field, which rule, what was got, what to do. */
export function describeProblem({ environment, agentInstance, field, rule, got, fix }: Problem): string {
  const where = agentInstance === undefined ? environment : `${environment}, agent instance ${agentInstance}`;
  return `${where}: \`${field}\` ${rule}; got: ${show(got)}. To fix: ${fix}.`;
}

const SHOWN_CHARACTERS = 120;

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}…` : shown;
}

// --- The rules of single fields -------------------------------------------------------------------------------------

const MAX_ID_LENGTH = 64;

/** Fits construct ids, names of functions, roles, tables and secrets alike. */
const isSlug = (value: string) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(value);
const SLUG_RULE = "lower-case letters, digits and single hyphens between them";

const slug = text(`must be ${SLUG_RULE}`, isSlug);
const id = text(
  `must be 1–${MAX_ID_LENGTH} ${SLUG_RULE}`,
  (value) => isSlug(value) && value.length <= MAX_ID_LENGTH,
  "choose a short id and put what people shall read into `name`",
);

// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Tag.html
const MAX_TAG_KEY_LENGTH = 128;
const MAX_TAG_VALUE_LENGTH = 256;
const MAX_TAGS = 50;
const isTagText = (value: string) => /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(value);
const TAG_CHARACTERS = "letters, digits, spaces and _ . : / = + - @";

/** What is recorded in the secret's tags. */
const tagged = text(
  `must be 1–${MAX_TAG_VALUE_LENGTH} ${TAG_CHARACTERS}, without a space at its ends, since it is recorded in a tag`,
  (value) =>
    value !== "" && value.length <= MAX_TAG_VALUE_LENGTH && isTagText(value) && value.trim() === value,
  "leave it out where there is none, or write it in these characters",
);

const description = text(
  "must be some text without ${ and %{, which Terraform reads as expressions, and without our marker [valmi-agent-keys",
  (value) => value.trim() !== "" && !/[$%]\{|\[valmi-agent-keys/.test(value),
  "leave it out where there is none, or write it without them",
);

const arn = (what: string, pattern: RegExp) =>
  text(`must be the ARN of ${what}`, pattern, "copy the whole ARN, from `arn:` on");
const roleArn = arn("an IAM role", /^arn:[a-z-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/);
const keyArn = orReference(arn("a KMS key", /^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[a-z0-9-]+$/));

const isControlPlaneUrl = (value: string) => {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return (protocol === "https:" || protocol === "http:") && !username && !password;
};

const controlPlaneUrl: Check = (value) => {
  const url = text(
    "must be an absolute URL without user, password, query and fragment, and without a slash at its end, " +
      `in ${TAG_CHARACTERS}`,
    (candidate) =>
      isControlPlaneUrl(candidate) &&
      isTagText(candidate) &&
      candidate.length <= MAX_TAG_VALUE_LENGTH &&
      !/[?#]|\/$/.test(candidate),
    'write it as "https://host/api/v1"',
  )(value);
  if (url.length > 0) return url;
  const isOpen = String(value).startsWith("http:") && !isLoopback(String(value));
  return isOpen
    ? [{ field: "", rule: "must be https, except on a loopback address", got: value, fix: "use https" }]
    : [];
};

const tags: Check = (value) => {
  const own = Object.keys(SECRET_TAGS).length;
  if (!isRecord(value))
    return [{ field: "", rule: "must be an object of texts", got: value, fix: "write it as { … }" }];
  const faults: Fault[] = Object.entries(value).flatMap(([key, tag]) => {
    const fault = (rule: string, got: unknown) => ({ field: key, rule, got, fix: "choose another tag" });
    const isKey =
      key !== "" && key.length <= MAX_TAG_KEY_LENGTH && isTagText(key) && !/^(aws|valmi):/i.test(key);
    const isValue = typeof tag === "string" && tag.length <= MAX_TAG_VALUE_LENGTH && isTagText(tag);
    return [
      ...(isKey
        ? []
        : [
            fault(
              `must be 1–${MAX_TAG_KEY_LENGTH} ${TAG_CHARACTERS}, and begin with neither aws: nor valmi:`,
              key,
            ),
          ]),
      ...(isValue ? [] : [fault(`must hold up to ${MAX_TAG_VALUE_LENGTH} ${TAG_CHARACTERS}`, tag)]),
    ];
  });
  const count = Object.keys(value).length;
  if (count > MAX_TAGS - own) {
    const rule = `must be at most ${MAX_TAGS - own} tags, as AWS allows ${MAX_TAGS} and a secret has up to ${own} of ours`;
    faults.push({ field: "", rule, got: count, fix: "remove some" });
  }
  return faults;
};

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
const LOG_RETENTION_DAYS = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
const OLDEST_NODE_RUNTIME = 20;

/** What makes a new instance, and what adopts one; which of them apply is a rule of its own. */
const INSTANCE = object({
  id: required(id),
  subscription: optional(tagged),
  pricing: optional(tagged),
  revision: optional(
    wholeNumber("must be a whole number from 0 on", (value) => value >= 0, "raise it by one"),
  ),
  agentType: optional((value) =>
    isRecord(value) && Object.keys(value).length === 1
      ? object("id" in value ? { id: required(tagged) } : { name: required(tagged) })(value)
      : [{ field: "", rule: "must be either { id } or { name }", got: value, fix: "give one of the two" }],
  ),
  name: optional(tagged),
  accountId: optional(tagged),
  contactId: optional(tagged),
  description: optional(description),
  adopt: optional(
    object({ agentInstanceId: required(tagged), existingKey: required(oneOf("refresh", "provided")) }),
  ),
});

const SETTINGS_FIELDS = {
  name: required(slug),
  region: required(text("must be an AWS region, such as eu-central-1", /^[a-z]{2}(-[a-z]+)+-\d$/)),
  controlPlane: required(
    object({
      url: optional(controlPlaneUrl),
      auth: optional(oneOf("api-key", "bearer")),
      apiKeySecretName: required(
        orReference(text("must be 1–512 letters, digits and / _ + = . @ -", /^[A-Za-z0-9/_+=.@-]{1,512}$/)),
      ),
      apiKeyKmsKeyArn: optional(keyArn),
      gracePeriodHours: optional(
        wholeNumber(
          `must be 0, where an old key ends at once, or a whole number from ${MINIMUM_GRACE_PERIOD_HOURS} on: ` +
            `${PROMOTION_HOURS} hour to promote a new key and ${CONSUMER_REREAD_HOURS} hour for consumers to read it`,
          (value) => value === 0 || value >= MINIMUM_GRACE_PERIOD_HOURS,
          "give the grace period of the Control Plane",
        ),
      ),
    }),
  ),
  rotation: optional(
    orLiteral(
      ["off"],
      object({
        automaticallyAfterDays: optional(
          wholeNumber("must be a whole number of days, 1–1000", (value) => value >= 1 && value <= 1_000),
        ),
        windowHours: optional(
          wholeNumber(
            "must be a whole number of hours, 1–24, since a window can't cross the UTC day",
            (value) => value >= 1 && value <= 24,
          ),
        ),
      }),
    ),
  ),
  removal: optional(oneOf("protect", "deactivate", "delete")),
  recoveryWindowDays: optional(
    wholeNumber("must be 0 or 7–30 days", (value) => value === 0 || (value >= 7 && value <= 30)),
  ),
  tags: optional(tags),
  namePrefix: optional(slug),
  permissionsBoundaryArn: optional(
    orReference(arn("an IAM policy", /^arn:[a-z-]+:iam::(\d{12}|aws):policy\/[\w+=,.@/-]+$/)),
  ),
  iamPath: optional(
    text("must begin and end with a slash, such as /agents/", /^\/([\w+=,.@-]+\/)*$/, "add the slashes"),
  ),
  kms: optional(orLiteral(["aws", "managed-per-environment"], object({ keyArn: required(keyArn) }))),
  vpc: optional(
    object({
      subnetIds: required(
        orReference(
          listOf(orReference(text("must be the id of a subnet", /^subnet-[0-9a-z]+$/)), { atLeast: 1 }),
        ),
      ),
      securityGroupIds: required(
        orReference(
          listOf(orReference(text("must be the id of a security group", /^sg-[0-9a-z]+$/)), { atLeast: 1 }),
        ),
      ),
    }),
  ),
  functions: optional(
    object({
      runtime: optional(
        text(`must be nodejs${OLDEST_NODE_RUNTIME}.x or a later Node.js runtime of Lambda`, (value) => {
          const major = /^nodejs(\d+)\.x$/.exec(value)?.[1];
          return major !== undefined && Number(major) >= OLDEST_NODE_RUNTIME;
        }),
      ),
      architecture: optional(oneOf("arm64", "x86_64")),
      logRetentionDays: optional(
        wholeNumber(`must be one of ${LOG_RETENTION_DAYS.join(", ")}`, (value) =>
          LOG_RETENTION_DAYS.includes(value),
        ),
      ),
    }),
  ),
  agentInstances: required(listOf(INSTANCE)),
};

const ENVIRONMENT = object({
  ...SETTINGS_FIELDS,
  accountId: optional(text("must be the 12 digits of an AWS account, as text", /^\d{12}$/)),
  assumeRole: optional(
    object({
      roleArn: required(roleArn),
      externalId: optional(
        text("must be 2–1224 letters, digits and + = , . @ : / -", /^[\w+=,.@:/-]{2,1224}$/),
      ),
    }),
  ),
  backend: optional(
    object({
      bucket: required(text("must be the name of an S3 bucket", /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/)),
      key: optional(
        text("must be an object key without a slash at its ends", /^[\w!.*'()-]+(\/[\w!.*'()-]+)*$/),
      ),
      region: optional(SETTINGS_FIELDS.region.check),
      roleArn: optional(roleArn),
    }),
  ),
});

// --- The rules between fields ---------------------------------------------------------------------------------------

const NEW_INSTANCE_FIELDS = ["agentType", "name", "accountId", "contactId", "description"] as const;

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
  if (rotation !== "off") {
    const { automaticallyAfterDays, windowHours = 24 } = rotation;
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
  for (const [, first, again] of repeated(instances, (instance) => instance?.id)) {
    problems.push({
      severity: "error",
      environment,
      agentInstance: String(instances[again]?.id),
      field: "id",
      rule: "must be unique in its environment",
      got: `the same at positions ${first} and ${again} of agentInstances`,
      fix: "give one of them another id",
    });
  }
  if (instances.length > MANY_INSTANCES) {
    problems.push({
      severity: "warning",
      environment,
      field: "agentInstances",
      rule: `should be at most ${MANY_INSTANCES} in one stack, since plans become slow and one state holds them all`,
      got: instances.length,
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
  const problems: Problem[] = [];
  for (const [name, first, again] of repeated(environments, (environment) => environment?.name)) {
    problems.push({
      severity: "error",
      environment: name,
      field: "name",
      rule: "must be unique among the environments",
      got: `the same at positions ${first} and ${again}`,
      fix: "give one of them another name",
    });
  }

  const all = environments.flatMap((environment) =>
    isRecord(environment) && isRecord(environment.controlPlane) && Array.isArray(environment.agentInstances)
      ? environment.agentInstances
          .filter((instance) => isRecord(instance) && typeof instance.id === "string")
          .map((instance) => ({
            instance,
            environment,
            controlPlane: resolveSettings(environment).controlPlane.url,
          }))
      : [],
  );
  const unique = (
    field: string,
    rule: string,
    fix: string,
    pick: (entry: (typeof all)[number]) => unknown,
  ) => {
    const atControlPlane = (entry: (typeof all)[number]) => {
      const value = pick(entry);
      return typeof value === "string" ? `${value} at ${entry.controlPlane}` : undefined;
    };
    for (const [value, first, again] of repeated(all, atControlPlane)) {
      const [one, other] = [all[first], all[again]];
      // The same id twice in an environment is reported as that.
      if (!one || !other || (one.environment === other.environment && one.instance.id === other.instance.id))
        continue;
      problems.push({
        severity: "error",
        environment: other.environment.name,
        agentInstance: other.instance.id,
        field,
        rule,
        got: `${value}, as ${one.instance.id} of ${one.environment.name} has it`,
        fix,
      });
    }
  };
  unique("name", "must be unique at the Control Plane", "give one of them another `name`", (entry) =>
    displayName(entry.environment.name, entry.instance),
  );
  unique(
    "adopt.agentInstanceId",
    "can't be adopted twice: one instance has one key, and one secret holds it",
    "remove one of them",
    (entry) => entry.instance.adopt?.agentInstanceId,
  );
  return problems;
}

/** Each value that occurs again, with the position where it occurred first and the one where it does again. */
function repeated<T>(
  items: readonly T[],
  pick: (item: T) => unknown,
): [value: string, first: number, again: number][] {
  const positions = new Map<string, number>();
  return items.flatMap((item, index): [string, number, number][] => {
    const value = pick(item);
    if (typeof value !== "string") return [];
    const first = positions.get(value);
    if (first !== undefined) return [[value, first, index]];
    positions.set(value, index);
    return [];
  });
}

/** Says of which instance a fault is, by the position in its path. */
function toProblem(settings: AgentKeysSettings, environment: string, fault: Fault): Problem {
  const inInstance = /^agentInstances\[(\d+)\]\.?(.*)$/.exec(fault.field);
  if (!inInstance) return { severity: "error", environment, ...fault, field: fault.field || "environment" };
  const index = Number(inInstance[1]);
  const agentInstance = nameOf(settings.agentInstances[index], "id", index);
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
