import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import { DataAwsPartition } from "@cdktf/provider-aws/lib/data-aws-partition";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission";
import { Annotations } from "cdktf";
import { Construct } from "constructs";
import { FUNCTION_TIMEOUT_SECONDS } from "../core/contract";
import { ControlPlaneAccess } from "./access/control-plane-access";
import { type AgentKeySecretsProps, provisionAccess, rotateAccess } from "./access/function-access";
import { type OperatorAccessProps, operatorStatements } from "./access/operator-access";
import { policyDocument } from "./access/policy";
import { AgentKey } from "./agent-key";
import { Alarms, AlertTopic } from "./alarms";
import { Auditor } from "./auditor";
import { describeCost, monthlyCost } from "./cost";
import { checkSettings } from "./environment/checks";
import { type AgentKeysSettings, resolveSettings } from "./environment/environment";
import { describeProblem, refuseErrors } from "./environment/problems";
import { EnvironmentKey } from "./environment-key";
import { type FunctionBundles, shippedBundles } from "./function-bundles";
import { IntentTable } from "./intent-table";
import { type AwsLocation, functionArn, functionName } from "./names";
import { NodeFunction } from "./node-function";
import { RemovalGuard } from "./removal-guard";

export interface AgentKeysProps extends AgentKeysSettings {
  /** @default - the bundles that this package ships */
  readonly bundles?: FunctionBundles;
}

/**
 * The agent keys of an environment: per agent instance a secret, the instance at the Control Plane and the rotation;
 * once per environment a rotation function, a provisioning function, an auditor with its alarms, and the table of intents.
 *
 * The stack needs an AWS provider, version 5.100 or later, for the region that `region` names.
 *
 * @example
 * const agentKeys = new AgentKeys(stack, "agent-keys", {
 *   name: "production",
 *   region: "eu-central-1",
 *   controlPlane: { apiKeySecretName: "valmi/production/api-key" },
 *   agentInstances: [{ id: "support", agentType: { name: "support-bot" } }],
 * });
 * agentKeys.agentKey("support").secret.grantRead("support-service", taskRole.name);
 */
export class AgentKeys extends Construct {
  readonly rotationFunction: NodeFunction;
  readonly provisioningFunction: NodeFunction;
  readonly intentTable: IntentTable;
  /** By the instance's id, in the order of the configuration. */
  readonly agentKeys: ReadonlyMap<string, AgentKey>;
  /** Where the secrets of all of them are. */
  readonly secrets: AgentKeySecretsProps;
  /** Of the SNS topic that pages and alarms go to. */
  readonly alertTopicArn: string;
  private readonly operatorAccess: OperatorAccessProps;

  /** Throws an `InvalidEnvironmentsError` that lists everything that is wrong with the props. */
  constructor(scope: Construct, id: string, props: AgentKeysProps) {
    super(scope, id);
    const { bundles = shippedBundles(), ...given } = props;
    for (const warning of refuseErrors(checkSettings(given))) {
      Annotations.of(this).addWarning(describeProblem(warning));
    }
    const settings = resolveSettings(given);
    const { agentInstances } = given;
    const location: AwsLocation = {
      region: settings.region,
      accountId: new DataAwsCallerIdentity(this, "account").accountId,
      partition: new DataAwsPartition(this, "partition").partition,
    };

    const key =
      settings.kms === "managed-per-environment"
        ? new EnvironmentKey(this, "key", { settings, location })
        : undefined;
    const ownKey = typeof settings.kms === "object" ? settings.kms : undefined;
    const encryption = withKey(key?.arn ?? ownKey?.keyArn);
    const functionEncryption = withKey(key?.arn ?? (ownKey?.encryptsFunctions ? ownKey.keyArn : undefined));

    this.intentTable = new IntentTable(this, "intents", { settings, location, ...encryption });
    const controlPlane = new ControlPlaneAccess(this, "control-plane", { settings });
    const secrets = { settings, location, ...encryption };
    this.secrets = secrets;
    const common = [this.intentTable.writeAccess(), controlPlane.callAccess()];

    const rotationName = functionName(settings, "rotation");
    this.rotationFunction = new NodeFunction(this, "rotation-function", {
      functionName: rotationName,
      description: `Rotates the agent keys of the environment ${settings.name}, called by Secrets Manager`,
      bundle: bundles.rotation,
      timeoutSeconds: FUNCTION_TIMEOUT_SECONDS,
      access: [
        rotateAccess(secrets, functionArn(location, rotationName)),
        this.intentTable.readAccess(),
        ...common,
      ],
      location,
      settings,
      ...functionEncryption,
    });
    this.provisioningFunction = new NodeFunction(this, "provisioning-function", {
      functionName: functionName(settings, "provisioning"),
      description: `Makes and removes the agent instances of the environment ${settings.name}, called by Terraform`,
      bundle: bundles.provisioning,
      timeoutSeconds: FUNCTION_TIMEOUT_SECONDS,
      access: [provisionAccess(secrets), ...common],
      location,
      settings,
      ...functionEncryption,
    });
    // By account, not by secret: the function is shared, and its own role reaches only secrets that it is configured on.
    const permission = new LambdaPermission(this, "rotation-permission", {
      functionName: this.rotationFunction.functionName,
      action: "lambda:InvokeFunction",
      principal: "secretsmanager.amazonaws.com",
      sourceAccount: location.accountId,
    });

    const topic = new AlertTopic(this, "alert-topic", {
      settings,
      location,
      ...(key ? { environmentKey: key } : {}),
    });
    this.alertTopicArn = topic.arn;
    const auditor = new Auditor(this, "auditor", {
      settings,
      location,
      bundle: bundles.audit,
      secrets,
      rotationFunction: this.rotationFunction,
      topicArn: topic.arn,
      ...(topic.keyArn ? { topicKeyArn: topic.keyArn } : {}),
      access: [this.intentTable.auditAccess(), controlPlane.callAccess()],
      ...functionEncryption,
    });
    const { alarms } = new Alarms(this, "alarms", { settings, location, topicArn: topic.arn });
    Annotations.of(this).addInfo(
      `${settings.name}: ${describeCost(monthlyCost(settings, agentInstances.length))}`,
    );

    this.operatorAccess = {
      ...secrets,
      intentTableArn: this.intentTable.arn,
      apiKeySecretArn: controlPlane.apiKeySecretArn,
      alertTopicArn: topic.arn,
      ...(functionEncryption.encryptionKeyArn === undefined
        ? {}
        : { functionKeyArn: functionEncryption.encryptionKeyArn }),
    };

    if (settings.removal === "protect") {
      new RemovalGuard(this, "removal-guard", { settings, agentInstances });
    }
    const instances = new Construct(this, "instances");
    const shared = {
      ...secrets,
      ...(key ? { environmentKey: key } : {}),
      rotationFunction: this.rotationFunction,
      provisioningFunction: this.provisioningFunction,
      // An interrupted deploy shall leave these before any instance, and a removal shall come to them last.
      environmentResources: [
        permission,
        ...(key ? [key.alias] : []),
        auditor.schedule,
        ...(topic.policy ? [topic.policy] : []),
        ...alarms,
      ],
    };
    this.agentKeys = new Map(
      agentInstances.map((instance) => [
        instance.id,
        new AgentKey(instances, instance.id, { ...shared, instance }),
      ]),
    );
  }

  /**
   * Lets a role of this account operate the environment by the command line, with all its commands but `exec`: it reads
   * the agent keys, and asks for rotations. Not to deploy, and not to delete anything.
   *
   * @param id construct id, unique among the operators of this environment
   * @param roleName name of the operator's IAM role, such as `role.name`
   */
  grantOperate(id: string, roleName: string): IamRolePolicy {
    return new IamRolePolicy(this, id, {
      name: `operate-${this.operatorAccess.settings.name}-agent-keys`,
      role: roleName,
      policy: policyDocument(operatorStatements(this.operatorAccess)),
    });
  }

  /** Throws where no instance of that id is configured. */
  agentKey(id: string): AgentKey {
    const agentKey = this.agentKeys.get(id);
    if (agentKey) return agentKey;
    const known = [...this.agentKeys.keys()].join(", ") || "none";
    throw new Error(`There is no agent instance "${id}" at ${this.node.path}; configured: ${known}.`);
  }
}

function withKey(encryptionKeyArn: string | undefined): { readonly encryptionKeyArn?: string } {
  return encryptionKeyArn === undefined ? {} : { encryptionKeyArn };
}
