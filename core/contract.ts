/**
 * What the constructs and the functions agree on: names and plain data. It imports nothing. The rules by which both check a
 * text stand in `rules.ts`; the constructs read no other file of the core.
 */

/** The functions of an environment, by what they are for: in their names, bundles and folders. */
export const FUNCTION_PURPOSES = ["rotation", "provisioning", "audit"] as const;
export type FunctionPurpose = (typeof FUNCTION_PURPOSES)[number];

/** The name of one of them. It must not change: Terraform would delete and create every agent instance. */
export function functionName(
  { namePrefix, name }: { readonly namePrefix: string; readonly name: string },
  purpose: FunctionPurpose,
): string {
  return `${namePrefix}-${name}-agent-key-${purpose}`;
}

/**
 * How long rotation and provisioning may run: long enough for every retry that they allow themselves, and far from Lambda's
 * limit, so that attempts don't pile up.
 */
export const FUNCTION_TIMEOUT_SECONDS = 180;

/** From one run of the auditor to the next. docs/rotation-protocol.md promises by it. */
export const AUDIT_INTERVAL_MINUTES = 5;

/** The rotation window if none is given: to the end of the UTC day, at whose beginning every window begins. */
export const WHOLE_DAY_WINDOW_HOURS = 24;

/** How long Valmi's own Control Plane goes on accepting a replaced key. */
export const DEFAULT_GRACE_PERIOD_HOURS = 24;

export const DEFAULT_CONTROL_PLANE_URL = "https://value.valmi.io/api/v1";

/** Environment variables of the functions. None of them ever holds a key. */
export const FUNCTION_ENV = {
  /** Base URL of the Control Plane, such as `https://value.valmi.io/api/v1`, without a trailing slash. */
  controlPlaneUrl: "VALMI_CONTROL_PLANE_URL",
  /** How the operator's API key is sent: `api-key` (header `api-key`) or `bearer` (header `Authorization`). */
  controlPlaneAuth: "VALMI_CONTROL_PLANE_AUTH",
  /** CA certificates in PEM, if the Control Plane's is not signed by a public authority; may be absent. */
  controlPlaneCa: "VALMI_CONTROL_PLANE_CA",
  /** URL of the proxy that leads to the Control Plane; may be absent. */
  controlPlaneProxy: "VALMI_CONTROL_PLANE_PROXY",
  /** ARN of the Secrets Manager secret whose plain string is the operator's API key. */
  apiKeySecretArn: "VALMI_API_KEY_SECRET_ARN",
  /** Hours for which the old key still works after a refresh; `0` if the Control Plane ends it at once. */
  gracePeriodHours: "VALMI_GRACE_PERIOD_HOURS",
  /** Name of the DynamoDB table of intents. */
  intentTable: "VALMI_INTENT_TABLE",
} as const;

/** What the auditor's environment has beside those. */
export const AUDIT_ENV = {
  environment: "VALMI_ENVIRONMENT",
  /** What the names of the environment's secrets begin with, such as `valmi/production/`. */
  secretNameStart: "VALMI_SECRET_NAME_START",
  rotationFunctionArn: "VALMI_ROTATION_FUNCTION_ARN",
  /** Days between two rotations; `off` if keys never rotate. */
  rotationDays: "VALMI_ROTATION_DAYS",
  rotationWindowHours: "VALMI_ROTATION_WINDOW_HOURS",
  /** ARN of the SNS topic for pages. */
  alertTopicArn: "VALMI_ALERT_TOPIC_ARN",
  /** `dry-run`: what would be healed is logged, and not healed. */
  healing: "VALMI_HEALING",
  /** URL that is fetched after each audit that could have paged; absent if nobody waits for it. */
  heartbeatUrl: "VALMI_HEARTBEAT_URL",
  /** Where the sections of docs/operations.md are read. */
  runbookUrl: "VALMI_RUNBOOK_URL",
} as const;

/** Where the auditor's metrics are: one dimension, `service`, which is the auditor's name. None for an instance. */
export const METRICS = {
  namespace: "ValmiAgentKeys",
  /** Seconds. */
  oldestKeyAge: "OldestKeyAge",
  /** What a person has to act upon. */
  findings: "Findings",
  /** Seconds; absent while no grace period runs. */
  leastGraceLeft: "LeastGraceLeft",
  /** Secrets that were looked at. */
  audited: "Audited",
} as const;

/** What the names of agent keys' secrets end with. */
export const SECRET_NAME_END = "/agent-key";

/** How the operator's API key is sent: in the header `api-key`, or as a bearer token. */
export const CONTROL_PLANE_AUTHS = ["api-key", "bearer"] as const;
export type ControlPlaneAuth = (typeof CONTROL_PLANE_AUTHS)[number];

/** What the ownership marker in an instance's description begins with, after a bracket (`key/ownership.ts`). */
export const OWNERSHIP_MARK = "valmi-agent-keys";

/**
 * What has the shape of a key, for masking texts that somebody else wrote; the Control Plane's own field names, such as
 * `agent_type_id`, begin like one.
 */
export const KEY_SHAPE =
  /(?<![A-Za-z0-9])(?:token|sk|secret|agent)_(?!(?:type|instance)(?:s|_id)?\b|secret\b)[A-Za-z0-9_-]{6,}/g;

/** Partition key (the secret's ARN) and sort key (the version under AWSCURRENT, or `none`) of the intent table. */
export const INTENT_TABLE_KEYS = {
  partition: "secretArn",
  sort: "baseVersionId",
  timeToLive: "expiresAt",
} as const;

/** The history of the rotations is kept for 400 days: over a year, so that four rotations are always there to look at. */
export const HISTORY_KEPT_SECONDS = 400 * 24 * 60 * 60;

/** The auditor's own partition of that table: no secret's ARN, so that no intent can stand there. */
export const AUDITOR_PARTITION = "auditor";

/** The JSON key of the secret's value under which the agent key stands: ECS and Lambda inject it by this name. */
export const AGENT_KEY_FIELD = "VALMI_AGENT_KEY";

/** Of the secret's value. Raised when a later release changes the meaning of a field; readers accept every version up to their own. */
export const SCHEMA_VERSION = "1";

/**
 * The environment variables in which an agent gets its one key: ours, and the one that the examples of Valmi's SDKs take it
 * from.
 */
export const AGENT_KEY_VARIABLES = [AGENT_KEY_FIELD, "VALUE_AGENT_SECRET"] as const;

/**
 * Tags of an agent key's secret. What an instance is mapped to is written here by Terraform, and read from here by
 * whatever writes the secret's value, so that value and tags cannot disagree for longer than one rotation.
 */
export const SECRET_TAGS = {
  environment: "valmi:environment",
  /** The instance's `id` in `environments.ts`. */
  id: "valmi:id",
  /** Display name of the instance at the Control Plane. */
  name: "valmi:name",
  /** Agent type as configured: its id or its name. */
  agentType: "valmi:agent-type",
  account: "valmi:account",
  contact: "valmi:contact",
  subscription: "valmi:subscription",
  pricing: "valmi:pricing",
  controlPlaneUrl: "valmi:control-plane-url",
  /** Only if an existing instance is adopted: its id at the Control Plane. */
  adoptedInstanceId: "valmi:adopted-instance-id",
} as const;

/** What happens to secret and instance together when an instance is taken out of the configuration. */
export const REMOVAL_POLICIES = ["protect", "deactivate", "delete"] as const;
export type RemovalPolicy = (typeof REMOVAL_POLICIES)[number];

/** `refresh`: mint a new key, the present one lives for the grace period. `provided`: a person stores the present key. */
export const EXISTING_KEYS = ["refresh", "provided"] as const;
export type ExistingKey = (typeof EXISTING_KEYS)[number];

/** What only a new instance is given: an adopted one keeps what it has at the Control Plane. */
export const NEW_INSTANCE_FIELDS = ["agentType", "name", "accountId", "contactId", "description"] as const;

/** The `input` of Terraform's call of the provisioning function, for one agent instance. Never holds a key. */
export interface ProvisioningInput {
  /** The instance's `id` in `environments.ts`. */
  readonly id: string;
  readonly environment: string;
  readonly secretArn: string;
  /**
   * Display name at the Control Plane; unique in a workspace. Absent, as are all `NEW_INSTANCE_FIELDS`, if an existing
   * instance is adopted.
   */
  readonly name?: string;
  /** The user's description; the function appends the ownership marker to it. */
  readonly description?: string;
  readonly agentType?: { readonly id: string } | { readonly name: string };
  readonly accountId?: string;
  readonly contactId?: string;
  readonly adopt?: { readonly agentInstanceId: string; readonly existingKey: ExistingKey };
  readonly removal: RemovalPolicy;
  /** Raised by a person to have a failed update tried again. */
  readonly revision: number;
  /** Digest of everything above, made at synth. The answer repeats it, so that an update that never ran shows. */
  readonly digest: string;
}

/** What Terraform adds to the input under the key `tf` (`lifecycle_scope = "CRUD"`). */
export interface TerraformCall {
  readonly action: "create" | "update" | "delete";
  /** The input before, which an older release may have written; `null` for a create. */
  readonly prev_input: unknown;
}

/** The function's answer, kept in Terraform's state: ids only. */
export interface ProvisioningResult {
  readonly status: "ready" | "failed" | "removed";
  readonly digest: string;
  readonly secretArn: string;
  readonly agentInstanceId: string;
  /** One line for a person if `status` is `failed`; empty otherwise. */
  readonly reason: string;
}

/**
 * The bindings describe AWS provider 6.x and ask for it. Only what 5.100 has as well is used, so that both serve.
 */
export const AWS_PROVIDER_VERSIONS = ">= 5.100.0, < 7.0.0";
