import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import { Lazy } from "cdktf";
import { Construct } from "constructs";
import { SECRET_TAGS } from "../core/contract";
import { type PolicyStatement, policyDocument } from "./access/policy";
import { type ReadOptions, readAccess } from "./access/read-access";
import { checkOutsideReader, type OutsideReader } from "./access/readers";
import { secretPolicy } from "./access/secret-policy";
import { type AgentInstanceSettings, displayName } from "./environment/agent-instance";
import type { ResolvedSettings } from "./environment/environment";
import type { EnvironmentKey } from "./environment-key";
import { type AwsLocation, agentKeySecretArn, agentKeySecretName, functionNames, roleArn } from "./names";

export interface AgentKeySecretProps {
  readonly settings: Pick<
    ResolvedSettings,
    | "namePrefix"
    | "name"
    | "region"
    | "controlPlane"
    | "removal"
    | "recoveryWindowDays"
    | "tags"
    | "iamPath"
    | "readThroughVpcEndpoints"
  >;
  readonly instance: AgentInstanceSettings;
  readonly location: AwsLocation;
  /** @default - the key `aws/secretsmanager`, which other accounts can't be let use */
  readonly encryptionKeyArn?: string;
  /**
   * The construct of that key, where it is made here.
   * @default - its policy is somebody else's to keep
   */
  readonly environmentKey?: EnvironmentKey;
}

/**
 * The Secrets Manager secret of one agent key. Terraform owns the secret, its tags and its policy, and never a value:
 * values are written by the functions alone. Its tags say what the key belongs to. Other accounts are denied, but for the
 * readers that are named, whatever else would allow them: so the key can't be made public by another statement either.
 */
export class AgentKeySecret extends Construct {
  readonly arn: string;
  readonly secretName: string;
  readonly location: AwsLocation;
  private readonly props: AgentKeySecretProps;
  private readonly outsideReaders: { readonly reader: OutsideReader; readonly options: ReadOptions }[] = [];

  constructor(scope: Construct, id: string, props: AgentKeySecretProps) {
    super(scope, id);
    this.props = props;
    const { settings, instance, encryptionKeyArn } = props;
    this.location = props.location;
    this.secretName = agentKeySecretName(settings, instance.id);
    const secret = new SecretsmanagerSecret(this, "secret", {
      name: this.secretName,
      description: `Agent key of the agent instance ${instance.id} (${settings.name})`,
      recoveryWindowInDays: settings.recoveryWindowDays,
      policy: Lazy.stringValue({ produce: () => policyDocument(this.resourcePolicy()) }),
      tags: { ...settings.tags, ...mappingTags(settings, instance) },
      lifecycle: { preventDestroy: settings.removal === "protect" },
      ...(encryptionKeyArn ? { kmsKeyId: encryptionKeyArn } : {}),
    });
    this.arn = secret.arn;
  }

  /**
   * Lets a role of this account read the key: its current and its previous value, never one that is pending. A read by
   * version id alone names no staging label, so that the denial doesn't reach it, except in the strict form.
   *
   * @param id construct id, unique among the readers of this secret
   * @param roleName name of the reader's IAM role, such as `role.name`
   */
  grantRead(id: string, roleName: string, options: ReadOptions = {}): IamRolePolicy {
    return new IamRolePolicy(this, id, {
      name: `read-${this.props.settings.name}-${this.props.instance.id}-agent-key`,
      role: roleName,
      policy: policyDocument(this.readStatements(options)),
    });
  }

  /**
   * Lets a role of another account, or whomever that account lets, read the key: as `grantRead`, from the secret's side
   * and from that of the key made here. Besides, the other account gives the role `readStatements()`, and a key of your
   * own (`kms: { keyArn }`) has to let it `kms:Decrypt` by its policy.
   *
   * Throws where the secret is encrypted with a key that AWS manages (`kms: "aws"`): it can't be used from elsewhere.
   */
  grantReadFromOtherAccount(reader: OutsideReader, options: ReadOptions = {}): void {
    checkOutsideReader(reader);
    const { settings, instance, location, encryptionKeyArn, environmentKey } = this.props;
    if (!encryptionKeyArn) {
      throw new Error(
        `${this.node.path}: \`kms\` must be "managed-per-environment" or { keyArn } where another account reads a key, ` +
          'since the keys that AWS manages can\'t be used from there; got: "aws". To fix: change `kms`.',
      );
    }
    this.outsideReaders.push({ reader, options });
    environmentKey?.admitReader(reader, agentKeySecretArn(location, settings, instance.id));
  }

  /** The statements of `grantRead`, for a policy that is put together elsewhere. */
  readStatements(options: ReadOptions = {}): PolicyStatement[] {
    const { settings, encryptionKeyArn } = this.props;
    const encryption = encryptionKeyArn ? { encryptionKeyArn } : {};
    return readAccess({ secretArn: this.arn, region: settings.region, ...encryption }, options);
  }

  private resourcePolicy(): PolicyStatement[] {
    const { settings, location } = this.props;
    return secretPolicy({
      location,
      readers: this.outsideReaders,
      endpoints: settings.readThroughVpcEndpoints,
      functionRoles: functionNames(settings).map((name) => roleArn(location, settings.iamPath, name)),
    });
  }
}

function mappingTags(
  settings: AgentKeySecretProps["settings"],
  instance: AgentInstanceSettings,
): Record<string, string> {
  const agentType =
    instance.agentType && ("id" in instance.agentType ? instance.agentType.id : instance.agentType.name);
  const tags: Record<string, string | undefined> = {
    [SECRET_TAGS.environment]: settings.name,
    [SECRET_TAGS.id]: instance.id,
    [SECRET_TAGS.name]: displayName(settings.name, instance),
    [SECRET_TAGS.agentType]: agentType,
    [SECRET_TAGS.account]: instance.accountId,
    [SECRET_TAGS.contact]: instance.contactId,
    [SECRET_TAGS.subscription]: instance.subscription,
    [SECRET_TAGS.pricing]: instance.pricing,
    [SECRET_TAGS.controlPlaneUrl]: settings.controlPlane.url,
    [SECRET_TAGS.adoptedInstanceId]: instance.adopt?.agentInstanceId,
  };
  return Object.fromEntries(
    Object.entries(tags).filter((tag): tag is [string, string] => tag[1] !== undefined),
  );
}
