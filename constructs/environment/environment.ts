import type { RemovalPolicy } from "../../core/contract";
import { type AgentInstanceSettings, agentInstance } from "./agent-instance";
import { type AlertSettings, alerts, type ResolvedAlerts, resolveAlerts } from "./alerts";
import {
  type ControlPlaneSettings,
  controlPlane,
  type ResolvedControlPlane,
  resolveControlPlane,
} from "./control-plane";
import { type AssumeRoleSettings, assumeRole, backend, type S3BackendSettings } from "./deployment";
import {
  type FunctionSettings,
  functions,
  type ResolvedFunctions,
  resolveFunctions,
  type VpcSettings,
  vpc,
} from "./functions";
import { type KmsSettings, kms } from "./kms";
import { recoveryWindowDays, removal, resolveRemoval } from "./removal";
import { type ResolvedRotation, type RotationSettings, resolveRotation, rotation } from "./rotation";
import { type Fields, listOf, object, optional, orReference, text } from "./schema";
import { tags } from "./tags";
import { arn, region, slug } from "./texts";

/**
 * The description of an environment and of its agent instances: plain data, so that it may as well come from a function
 * or a file. Each group of settings has a file of its own, with its type, its defaults and its rules. `checks.ts` refuses what
 * can't work, at synth and all at once.
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
   * @default - 0 if `removal` is `delete`, else 30
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
   * Ids of VPC endpoints of Secrets Manager. If given, the value of an agent key is read through these alone, whoever
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

/** `AgentKeysSettings` with every default in its place. */
export interface ResolvedSettings
  extends Pick<AgentKeysSettings, "name" | "region" | "permissionsBoundaryArn" | "vpc">,
    Required<
      Pick<
        AgentKeysSettings,
        | "removal"
        | "recoveryWindowDays"
        | "tags"
        | "namePrefix"
        | "iamPath"
        | "kms"
        | "readThroughVpcEndpoints"
      >
    > {
  readonly controlPlane: ResolvedControlPlane;
  readonly rotation: ResolvedRotation;
  readonly functions: ResolvedFunctions;
  readonly alerts: ResolvedAlerts;
}

export function resolveSettings(settings: AgentKeysSettings): ResolvedSettings {
  const { name, region, permissionsBoundaryArn, vpc } = settings;
  return {
    name,
    region,
    controlPlane: resolveControlPlane(settings.controlPlane),
    rotation: resolveRotation(settings.rotation),
    ...resolveRemoval(settings),
    tags: settings.tags ?? {},
    namePrefix: settings.namePrefix ?? "valmi",
    iamPath: settings.iamPath ?? "/",
    kms: settings.kms ?? "managed-per-environment",
    readThroughVpcEndpoints: settings.readThroughVpcEndpoints ?? [],
    functions: resolveFunctions(settings.functions),
    alerts: resolveAlerts(settings.alerts),
    ...(permissionsBoundaryArn === undefined ? {} : { permissionsBoundaryArn }),
    ...(vpc === undefined ? {} : { vpc }),
  };
}

const SETTINGS: Fields<AgentKeysSettings> = {
  name: slug,
  region,
  controlPlane,
  rotation: optional(rotation),
  removal: optional(removal),
  recoveryWindowDays: optional(recoveryWindowDays),
  tags: optional(tags),
  namePrefix: optional(slug),
  permissionsBoundaryArn: optional(orReference(arn("an IAM policy", "policy"))),
  iamPath: optional(
    text("must begin and end with a slash, such as /agents/", /^\/([\w+=,.@-]+\/)*$/, "add the slashes"),
  ),
  kms: optional(kms),
  readThroughVpcEndpoints: optional(
    listOf(orReference(text("must be the id of a VPC endpoint", /^vpce-[0-9a-z]+$/)), { atLeast: 1 }),
  ),
  vpc: optional(vpc),
  functions: optional(functions),
  alerts: optional(alerts),
  agentInstances: listOf(agentInstance),
};

/** What each field may hold, by itself. */
export const agentKeysSettings = object<AgentKeysSettings>(SETTINGS);

export const environment = object<Environment>({
  ...SETTINGS,
  accountId: optional(text("must be the 12 digits of an AWS account, as text", /^\d{12}$/)),
  assumeRole: optional(assumeRole),
  backend: optional(backend),
});
