import { CloudwatchEventPermission } from "@cdktf/provider-aws/lib/cloudwatch-event-permission";
import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import { IamRole, type IamRoleConfig } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { SfnStateMachine } from "@cdktf/provider-aws/lib/sfn-state-machine";
import { Construct } from "constructs";
import { AGENT_KEY_FIELD } from "../../core/contract";
import { allow, policyDocument } from "../access/policy";
import { optional, text, wholeNumber } from "../environment/schema";
import type { AwsLocation } from "../names";
import { type AgentKeyReference, type AgentKeySource, consumedAgentKeys } from "./agent-key-source";
import { checkProps, nameOfUpTo } from "./check-props";
import { restartDefinition, trustInStateMachine } from "./ecs-restart";
import { DELIVERY, newKeyPattern, trustInRule } from "./label-events";

/** What EventBridge allows for one rule. */
const MAX_SERVICES = 5;
/** IAM's limit for a role is 64, and the longest name made here has these more. */
const MAX_NAME_LENGTH = 64 - "-restart".length;

const RESTART_LIMIT_MINUTES = 60;

export interface EcsServiceName {
  /** Name of the cluster, not its ARN. */
  readonly cluster: string;
  /** Name of the service. */
  readonly service: string;
}

export interface EcsAgentProps {
  /** The agent key, several, or all of an environment. */
  readonly agentKey: AgentKeySource;
  /** Names what is made here: letters, digits and hyphens, up to 56, unique in account and region. */
  readonly name: string;
  /** Name of the task definition's execution role, with which ECS reads the key for a task that starts. */
  readonly executionRoleName: string;
  /** The services that have the key in their environment, one to five, with rolling deployments. */
  readonly services: readonly EcsServiceName[];
  /**
   * The SNS topic that is told if a service isn't on its new key, such as `agentKeys.alertTopicArn`; `"none"` says in so
   * many words that nobody is.
   */
  readonly alarmTopicArn: string | "none";
  /**
   * Minutes until a restart that isn't over counts as failed. The old key works on meanwhile.
   * @default 60
   */
  readonly restartLimitMinutes?: number;
  /** @default "/" */
  readonly iamPath?: string;
  /** @default - no permissions boundary */
  readonly permissionsBoundaryArn?: string;
  /** @default - none */
  readonly tags?: Readonly<Record<string, string>>;
}

/**
 * ECS services that have an agent key in their environment, always the current one: the grant to the execution role, the
 * entries for the container, and a new deployment of the services whenever there is a new key. EventBridge starts a state
 * machine, which forces the deployment and waits until it is complete; no code of anybody's is in between. A failure,
 * a deployment that was rolled back, or one that isn't over in time, raises the alarm.
 *
 * @example
 * const agent = new EcsAgent(stack, "support-agent", {
 *   agentKey: agentKeys.agentKey("support"),
 *   name: "support",
 *   executionRoleName: executionRole.name,
 *   services: [{ cluster: "agents", service: "support" }],
 *   alarmTopicArn: agentKeys.alertTopicArn,
 * });
 * const container = { name: "agent", image, secrets: agent.secrets };
 */
export class EcsAgent extends Construct {
  /** For `secrets` of the container definition: `VALMI_AGENT_KEY` and `VALUE_AGENT_SECRET` of one key, `VALMI_AGENT_KEY_<ID>` of several. */
  readonly secrets: readonly { readonly name: string; readonly valueFrom: string }[];
  /** Tasks can't start before it is there: let the service depend on it. */
  readonly readPolicy: IamRolePolicy;
  readonly stateMachine: SfnStateMachine;

  private readonly props: EcsAgentProps;
  private readonly location: AwsLocation;

  constructor(scope: Construct, id: string, props: EcsAgentProps) {
    super(scope, id);
    check(props, this.node.path);
    this.props = props;
    const { name, executionRoleName, agentKey, alarmTopicArn } = props;
    const keys = consumedAgentKeys(agentKey);
    const { accountId } = new DataAwsCallerIdentity(this, "account");
    this.location = { ...keys.location, accountId };

    this.secrets = keys.variables.map((variable) => ({
      name: variable.name,
      valueFrom: `${variable.secretArn}:${AGENT_KEY_FIELD}::`,
    }));
    this.readPolicy = new IamRolePolicy(this, "read", {
      name: `read-agent-key-${name}`,
      role: executionRoleName,
      policy: policyDocument(keys.statements),
    });
    this.stateMachine = this.makeStateMachine();
    const rule = this.startWithEvents(newKeyPattern(keys));
    this.admitEventsFrom(otherAccounts(agentKey));
    if (alarmTopicArn !== "none") this.alarm(alarmTopicArn, rule);
  }

  /** What restarts a service. */
  private makeStateMachine(): SfnStateMachine {
    const { name, services, tags = {}, restartLimitMinutes = RESTART_LIMIT_MINUTES } = this.props;
    const { partition, region, accountId } = this.location;
    const role = this.role("restart-role", {
      name: `${name}-restart`,
      description: `Deploys the services of ${name} anew when there is a new agent key`,
      assumeRolePolicy: trustInStateMachine(this.location, stateMachineName(name)),
    });
    const policy = new IamRolePolicy(this, "restart-policy", {
      name: "restart",
      role: role.name,
      policy: policyDocument([
        allow(
          "RestartServices",
          ["ecs:DescribeServices", "ecs:UpdateService"],
          services.map(
            ({ cluster, service }) =>
              `arn:${partition}:ecs:${region}:${accountId}:service/${cluster}/${service}`,
          ),
        ),
      ]),
    });
    return new SfnStateMachine(this, "restart", {
      name: stateMachineName(name),
      roleArn: role.arn,
      definition: JSON.stringify(restartDefinition(partition, restartLimitMinutes)),
      tags,
      dependsOn: [policy],
    });
  }

  /** Has EventBridge start a restart of each service whenever there is a new key. */
  private startWithEvents(eventPattern: string): CloudwatchEventRule {
    const { name, services, tags = {} } = this.props;
    const ruleName = `${name}-agent-key`;
    const rule = new CloudwatchEventRule(this, "rule", {
      name: ruleName,
      description: `A new agent key of ${name}`,
      state: "ENABLED",
      eventPattern,
      tags,
    });
    const role = this.role("event-role", {
      name: `${name}-event`,
      description: `Starts the restart of ${name} when there is a new agent key`,
      assumeRolePolicy: trustInRule(this.location, ruleName),
    });
    const policy = new IamRolePolicy(this, "event-policy", {
      name: "start",
      role: role.name,
      policy: policyDocument([
        allow("StartRestart", "states:StartExecution", this.stateMachine.arn),
      ]),
    });
    services.forEach(({ cluster, service }, index) => {
      new CloudwatchEventTarget(this, `target-${index}`, {
        rule: rule.name,
        targetId: `service-${index}`,
        arn: this.stateMachine.arn,
        roleArn: role.arn,
        input: JSON.stringify({ cluster, service }),
        retryPolicy: DELIVERY,
        dependsOn: [policy],
      });
    });
    return rule;
  }

  private role(id: string, role: Pick<IamRoleConfig, "name" | "description" | "assumeRolePolicy">): IamRole {
    const { iamPath = "/", permissionsBoundaryArn, tags = {} } = this.props;
    return new IamRole(this, id, {
      path: iamPath,
      tags,
      ...(permissionsBoundaryArn === undefined ? {} : { permissionsBoundary: permissionsBoundaryArn }),
      ...role,
    });
  }

  private admitEventsFrom(accounts: readonly string[]): void {
    for (const account of accounts) {
      new CloudwatchEventPermission(this, `events-from-${account}`, {
        statementId: `${this.props.name}-agent-key-${account}`,
        principal: account,
        action: "events:PutEvents",
      });
    }
  }

  /** Is raised by a restart that failed, took too long or was not started. */
  private alarm(topicArn: string, rule: CloudwatchEventRule): void {
    const { name, tags = {} } = this.props;
    const machine = { StateMachineArn: this.stateMachine.arn };
    new CloudwatchMetricAlarm(this, "alarm", {
      alarmName: stateMachineName(name),
      alarmDescription:
        `A service of ${name} may still have its old agent key, which works until the grace period ends. Look at the last ` +
        `execution of the state machine ${stateMachineName(name)}, and deploy the service anew.`,
      comparisonOperator: "GreaterThanThreshold",
      threshold: 0,
      evaluationPeriods: 1,
      treatMissingData: "notBreaching",
      metricQuery: [
        {
          id: "failures",
          expression: "FILL(failed, 0) + FILL(timedout, 0) + FILL(undelivered, 0)",
          label: "restarts that failed, took too long or were not started",
          returnData: true,
        },
        metric("failed", "AWS/States", "ExecutionsFailed", machine),
        metric("timedout", "AWS/States", "ExecutionsTimedOut", machine),
        metric("undelivered", "AWS/Events", "FailedInvocations", { RuleName: rule.name }),
      ],
      alarmActions: [topicArn],
      tags,
    });
  }
}

const stateMachineName = (name: string) => `${name}-agent-key-restart`;

const metric = (
  id: string,
  namespace: string,
  metricName: string,
  dimensions: Readonly<Record<string, string>>,
) => ({ id, metric: { namespace, metricName, dimensions, period: 60, stat: "Sum" } });

function check({ name, services, restartLimitMinutes, alarmTopicArn }: EcsAgentProps, path: string): void {
  const withoutArn = text(
    "must name the cluster without its ARN",
    (cluster) => !cluster.includes("/"),
    "give the part after the last slash",
  );
  checkProps(path, {
    name: [nameOfUpTo(MAX_NAME_LENGTH), name],
    services: [
      wholeNumber(
        `must name 1–${MAX_SERVICES} services`,
        (count) => count >= 1 && count <= MAX_SERVICES,
        "make another EcsAgent for the others; EventBridge starts five targets for a rule",
      ),
      services.length,
    ],
    ...Object.fromEntries(
      services.map(({ cluster }, index) => [`services[${index}].cluster`, [withoutArn, cluster] as const]),
    ),
    restartLimitMinutes: [
      optional(
        wholeNumber(
          "must be a whole number of minutes from 5 on",
          (minutes) => minutes >= 5,
          "choose one",
        ),
      ),
      restartLimitMinutes,
    ],
    alarmTopicArn: [
      text("is required", (topic) => topic !== "", 'name a topic, or write "none"'),
      alarmTopicArn,
    ],
  });
}

/** The accounts that the ARNs of references name: their events come from elsewhere. */
function otherAccounts(source: AgentKeySource): string[] {
  const references = [source]
    .flat()
    .filter((key): key is AgentKeyReference => "secretArn" in (key as object));
  const accounts = references
    .map(({ secretArn }) => secretArn.split(":")[4])
    .filter((account) => account !== undefined);
  return [...new Set(accounts)];
}
