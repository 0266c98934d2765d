import {
  type ControlPlaneAuth,
  DEFAULT_CONTROL_PLANE_URL,
  DEFAULT_GRACE_PERIOD_HOURS,
  type ExistingKey,
  KEY_SHAPE,
  type NEW_INSTANCE_FIELDS,
  type RemovalPolicy,
} from "../../core/contract";
import { isLoopback } from "../../core/rules";

/**
 * The description of an environment and of its agent instances: plain data, so that it may as well come from a function
 * or a file. `checks.ts` refuses what cannot work, at synth and all at once.
 */

/** What `AgentKeys` needs to know of an environment. */
export interface AgentKeysSettings {
  /**
   * Name of the environment: lower-case letters, digits and hyphens. Part of every name that is made, so it can't be
   * changed later: a changed name is a new environment beside the old one.
   */
  readonly name: string;

  /** AWS region, such as `eu-central-1`. */
  readonly region: string;

  readonly controlPlane: ControlPlaneSettings;

  /**
   * When the agent keys are rotated; `"off"` says in so many words that they never are.
   * @default - every 90 days, at any time of the UTC day
   */
  readonly rotation?: RotationSettings | "off";

  /**
   * What happens to an agent instance and its secret, together, when it is taken out of the configuration.
   *
   * - `protect`: refused, in the plan already, as are `cdktf destroy` and replacements.
   * - `deactivate`: the instance becomes inactive, the secret can be restored for `recoveryWindowDays`.
   * - `delete`: the instance is deleted, and the secret with it.
   *
   * Terraform removes by the policy of the last deploy: change the policy, deploy, and only then remove the instance.
   * @default "protect"
   */
  readonly removal?: RemovalPolicy;

  /**
   * Days for which a removed secret can be restored: 7–30, or 0 for none. While it can be restored its name is taken.
   * @default - 0 where `removal` is `delete`, else 30
   */
  readonly recoveryWindowDays?: number;

  /**
   * Tags on everything that can be tagged, beside those that map a secret to its instance.
   * @default - none
   */
  readonly tags?: Readonly<Record<string, string>>;

  /**
   * First part of all names: secrets are called `<namePrefix>/<environment>/<id>/agent-key`. Can't be changed later.
   * @default "valmi"
   */
  readonly namePrefix?: string;

  /**
   * ARN of the policy that bounds the permissions of every role.
   * @default - no permissions boundary
   */
  readonly permissionsBoundaryArn?: string;

  /**
   * IAM path of every role, such as `/agents/`.
   * @default "/"
   */
  readonly iamPath?: string;

  /**
   * The KMS key of the secrets, the intent table, and the functions' logs and environment: `"managed-per-environment"`
   * for one made here (about 1 USD a month, rotated every year), `"aws"` for the keys that AWS manages, or one that
   * exists. The default doesn't follow from `removal`, which is changed on the way to taking an environment down: the key
   * would go while the secrets need it. For the same reason docs/operations.md says how to change this setting.
   * @default "managed-per-environment"
   */
  readonly kms?: KmsSettings;

  /**
   * Ids of VPC endpoints of Secrets Manager. Where given, the value of an agent key is read through these alone, whoever
   * reads, except by the functions. It also ends what reads on your behalf from outside of them: the AWS console, a
   * pipeline, and a service such as ECS that injects the key from its own network.
   * @default - from anywhere, by whom IAM lets
   */
  readonly readThroughVpcEndpoints?: readonly string[];

  /**
   * Where the functions run, for a Control Plane that is reachable from a VPC only. The subnets need a way to
   * Secrets Manager and DynamoDB too: a NAT gateway, or endpoints.
   * @default - outside of any VPC, with the internet in reach
   */
  readonly vpc?: VpcSettings;

  /** @default - see each setting */
  readonly functions?: FunctionSettings;

  /**
   * How the auditor tells what it finds, and whether it acts.
   * @default - a topic of its own, to which somebody has to subscribe; see each setting
   */
  readonly alerts?: AlertSettings;

  readonly agentInstances: readonly AgentInstanceSettings[];
}

/** An environment that gets a stack of its own: `AgentKeysSettings`, and where and as whom it is deployed. */
export interface Environment extends AgentKeysSettings {
  /**
   * The only AWS account that this environment may be deployed to.
   * @default - whichever account the credentials belong to
   */
  readonly accountId?: string;

  /**
   * The role to deploy with.
   * @default - the credentials at hand
   */
  readonly assumeRole?: AssumeRoleSettings;

  /**
   * Where Terraform keeps its state. It never holds a key.
   * @default - `terraform.<environment>.tfstate` in the working folder
   */
  readonly backend?: S3BackendSettings;
}

export interface ControlPlaneSettings {
  /**
   * Base URL, without a slash at its end. `http` is for loopback addresses only.
   * @default "https://value.valmi.io/api/v1"
   */
  readonly url?: string;

  /**
   * How the operator's API key is sent: in the header `api-key`, or as a bearer token.
   * @default "api-key"
   */
  readonly auth?: ControlPlaneAuth;

  /**
   * Name of the Secrets Manager secret whose string is the operator's API key. It has to be there before the first
   * deploy, in the same account and region; nobody but the functions reads it.
   */
  readonly apiKeySecretName: string;

  /**
   * ARN of the KMS key of that secret, where it isn't encrypted with the one that AWS manages.
   * @default - the key `aws/secretsmanager`, for which no permission is needed
   */
  readonly apiKeyKmsKeyArn?: string;

  /**
   * Hours for which an old key still works after a new one was issued; `0` where it ends at once.
   * @default 24
   */
  readonly gracePeriodHours?: number;

  /**
   * Certificates of the authorities that may sign the Control Plane's, in PEM, where no public one did: at most 2,400
   * bytes, since it goes into the environment of the functions. Public authorities are not trusted beside it.
   * @default - the authorities that Node.js trusts
   */
  readonly caCertificate?: string;

  /**
   * An `http` or `https` proxy that leads to the Control Plane by CONNECT; without user and password, which would stand
   * in the state.
   * @default - no proxy
   */
  readonly proxyUrl?: string;
}

export interface RotationSettings {
  /**
   * Days between two rotations, 1–1000, counted from the last one.
   * @default 90
   */
  readonly automaticallyAfterDays?: number;

  /**
   * Hours from 00:00 UTC, 1–24, in which Secrets Manager may rotate and repeat what failed. The longer, the better a
   * passing fault is survived.
   * @default - to the end of the UTC day
   */
  readonly windowHours?: number;
}

export type KmsSettings = "managed-per-environment" | "aws" | OwnKmsKey;

/** A KMS key of your own, whose policy leaves its use to IAM or names the roles of the functions. */
export interface OwnKmsKey {
  readonly keyArn: string;

  /**
   * Whether it also encrypts the functions' logs and environment. The key's policy then has to admit
   * `logs.<region>.amazonaws.com`, else the log groups can't be made.
   * @default false
   */
  readonly encryptsFunctions?: boolean;
}

export interface VpcSettings {
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
}

export interface FunctionSettings {
  /**
   * Lambda runtime, Node.js 20 or later. The AWS provider has to know it too: 5.100 ends with `nodejs22.x`.
   * @default "nodejs22.x"
   */
  readonly runtime?: string;

  /** @default "arm64" */
  readonly architecture?: "arm64" | "x86_64";

  /**
   * Days for which logs are kept, one of the numbers that CloudWatch Logs takes.
   * @default 365, so that a key's last four rotations can be looked at
   */
  readonly logRetentionDays?: number;
}

export interface AlertSettings {
  /**
   * ARN of the SNS topic that pages and alarms go to. Its policy has to admit `cloudwatch.amazonaws.com`, and so has that
   * of its KMS key, if it has one.
   * @default - a topic that is made here, encrypted with the environment's own KMS key where it has one
   */
  readonly topicArn?: string;

  /**
   * URL that is fetched after each audit, every 5 minutes, as long as pages reach somebody: for a service that tells when a
   * signal stays away, since a broken way for pages can't be paged. https only.
   * @default - none
   */
  readonly heartbeatUrl?: string;

  /**
   * Where docs/operations.md is read: pages link to its sections by `#name`.
   * @default "docs/operations.md"
   */
  readonly runbookUrl?: string;

  /**
   * `on`: rotations that are due or were left unfinished are asked for by the auditor. `dry-run`: it logs what it would ask
   * for, and pages what it doesn't heal.
   * @default "on"
   */
  readonly healing?: "on" | "dry-run";

  /**
   * Whether the account has a trail of CloudTrail for management events in this region: failed rotations are then told as
   * they happen. Without a trail there are no such events.
   * @default false
   */
  readonly trail?: boolean;

  /**
   * Whether to draw the metrics on a CloudWatch dashboard, which costs 3 USD a month beyond the first three.
   * @default false
   */
  readonly dashboard?: boolean;
}

export interface AssumeRoleSettings {
  readonly roleArn: string;

  /** @default - none */
  readonly externalId?: string;
}

/** State in an S3 bucket with a lock file beside it (Terraform 1.10 or later). */
export interface S3BackendSettings {
  readonly bucket: string;

  /** @default "valmi-agent-keys/<environment>.tfstate" */
  readonly key?: string;

  /** @default - the region of the environment */
  readonly region?: string;

  /**
   * The role that may read and write the state.
   * @default - the credentials at hand; `assumeRole` of the environment is not used for the state
   */
  readonly roleArn?: string;
}

/** One deployment of an agent: made at the Control Plane, or adopted if it is there already. */
export type AgentInstanceSettings = NewAgentInstance | AdoptedAgentInstance;

interface AgentInstanceCommon {
  /**
   * Gives the construct path and the secret's name: lower-case letters, digits and hyphens, at most 64. Can't be
   * changed later: another id is another instance.
   */
  readonly id: string;

  /**
   * Reference of the subscription that the instance is billed by. Recorded with the key; the Control Plane has no
   * field for it.
   * @default - none
   */
  readonly subscription?: string;

  /**
   * Reference of the pricing that applies. Recorded with the key; the Control Plane has no field for it.
   * @default - none
   */
  readonly pricing?: string;

  /**
   * To be raised by one to have a failed update tried again: Terraform doesn't repeat one by itself.
   * @default 0
   */
  readonly revision?: number;
}

/** An instance that is made at the Control Plane. */
export interface NewAgentInstance extends AgentInstanceCommon {
  /** The type of agent, by its id at the Control Plane or by its exact name. */
  readonly agentType: { readonly id: string } | { readonly name: string };

  /**
   * Display name at the Control Plane, where names are unique in a workspace.
   * @default "<environment>-<id>"
   */
  readonly name?: string;

  /**
   * The customer that the instance bills to.
   * @default - none
   */
  readonly accountId?: string;

  /** @default - none */
  readonly contactId?: string;

  /** @default - only the marker that says which secret holds the key */
  readonly description?: string;

  readonly adopt?: never;
}

/** An instance that exists at the Control Plane already. It keeps its name, type, account, contact and description. */
export interface AdoptedAgentInstance
  extends AgentInstanceCommon,
    Readonly<Partial<Record<(typeof NEW_INSTANCE_FIELDS)[number], never>>> {
  readonly adopt: {
    readonly agentInstanceId: string;

    /**
     * `refresh`: a new key is issued, and the one in use ends when the grace period does. `provided`: nothing is
     * issued; the deploy stops with the command that stores the present key, and the next one goes on.
     */
    readonly existingKey: ExistingKey;
  };
}

/** `AgentKeysSettings` with every default in its place. */
export interface ResolvedSettings {
  readonly name: string;
  readonly region: string;
  readonly controlPlane: ControlPlaneSettings &
    Required<Pick<ControlPlaneSettings, "url" | "auth" | "gracePeriodHours">>;
  readonly rotation: { readonly automaticallyAfterDays: number; readonly windowHours?: number } | "off";
  readonly removal: RemovalPolicy;
  readonly recoveryWindowDays: number;
  readonly tags: Readonly<Record<string, string>>;
  readonly namePrefix: string;
  readonly permissionsBoundaryArn?: string;
  readonly iamPath: string;
  readonly kms: KmsSettings;
  readonly readThroughVpcEndpoints: readonly string[];
  readonly vpc?: VpcSettings;
  readonly functions: Required<FunctionSettings>;
  readonly alerts: Required<Omit<AlertSettings, "topicArn" | "heartbeatUrl">> &
    Pick<AlertSettings, "topicArn" | "heartbeatUrl">;
}

export function resolveSettings(settings: AgentKeysSettings): ResolvedSettings {
  const removal = settings.removal ?? "protect";
  return {
    name: settings.name,
    region: settings.region,
    controlPlane: {
      url: DEFAULT_CONTROL_PLANE_URL,
      auth: "api-key",
      gracePeriodHours: DEFAULT_GRACE_PERIOD_HOURS,
      ...settings.controlPlane,
    },
    rotation: settings.rotation === "off" ? "off" : { automaticallyAfterDays: 90, ...settings.rotation },
    removal,
    recoveryWindowDays: settings.recoveryWindowDays ?? (removal === "delete" ? 0 : 30),
    tags: settings.tags ?? {},
    namePrefix: settings.namePrefix ?? "valmi",
    iamPath: settings.iamPath ?? "/",
    kms: settings.kms ?? "managed-per-environment",
    readThroughVpcEndpoints: settings.readThroughVpcEndpoints ?? [],
    functions: { runtime: "nodejs22.x", architecture: "arm64", logRetentionDays: 365, ...settings.functions },
    alerts: {
      runbookUrl: "docs/operations.md",
      healing: "on",
      trail: false,
      dashboard: false,
      ...settings.alerts,
    },
    ...(settings.permissionsBoundaryArn === undefined
      ? {}
      : { permissionsBoundaryArn: settings.permissionsBoundaryArn }),
    ...(settings.vpc === undefined ? {} : { vpc: settings.vpc }),
  };
}

/** Display name at the Control Plane; an adopted instance keeps the one that it has. */
export function displayName(environment: string, instance: AgentInstanceSettings): string | undefined {
  return instance.adopt ? undefined : (instance.name ?? `${environment}-${instance.id}`);
}

/**
 * The environment variable that turns a synth into one for local services: base URL of a Control Plane on a loopback
 * address. Where AWS is, is left to the variables of the AWS SDK (`AWS_ENDPOINT_URL`).
 */
export const LOCAL_RUN_VARIABLE = "VALMI_AGENT_KEYS_LOCAL";

/**
 * The environments as configured, or, where `VALMI_AGENT_KEYS_LOCAL` is set, without what ties them to real accounts
 * and to real state: account guard, assumed role, remote backend and Control Plane URL.
 *
 * Throws where the variable names anything but a loopback address.
 */
export function environmentsToDeploy(
  environments: readonly Environment[],
  variables: Readonly<Record<string, string | undefined>>,
): readonly Environment[] {
  const url = variables[LOCAL_RUN_VARIABLE];
  if (!url) return environments;
  if (!isLoopback(url)) {
    throw new Error(
      `${LOCAL_RUN_VARIABLE} must be the URL of a Control Plane on this machine, such as http://127.0.0.1:8200/api/v1, ` +
        `since it switches the account guard off; got: ${url.replace(KEY_SHAPE, "[masked]")}. Unset it to deploy what is configured.`,
    );
  }
  return environments.map(
    ({ accountId: _account, assumeRole: _role, backend: _backend, ...environment }) => ({
      ...environment,
      controlPlane: locally(environment.controlPlane, url),
    }),
  );
}

/** A Control Plane on this machine is reached without TLS and without a proxy. */
function locally(
  { caCertificate: _ca, proxyUrl: _proxy, ...controlPlane }: ControlPlaneSettings,
  url: string,
): ControlPlaneSettings {
  return { ...controlPlane, url };
}
