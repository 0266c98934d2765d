import { CloudwatchEventPermission } from "@cdktf/provider-aws/lib/cloudwatch-event-permission";
import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { SfnStateMachine } from "@cdktf/provider-aws/lib/sfn-state-machine";
import { Construct } from "constructs";
import { AGENT_KEY_FIELD } from "../../core/contract";
import { policyDocument } from "../access/policy";
import type { AwsLocation } from "../names";
import { type AgentKeyReference, type AgentKeySource, consumedAgentKeys } from "./agent-key-source";
import { EVENT_AGE_SECONDS, newKeyPattern, trustInRule } from "./label-events";

/** What EventBridge allows for one rule. */
const MAX_SERVICES = 5;
/** IAM's limit for a role is 64, and the longest name made here has these more. */
const MAX_NAME_LENGTH = 64 - "-restart".length;

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
   * The SNS topic that is told where a service isn't on its new key, such as `agentKeys.alertTopicArn`; `"none"` says in so
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

  constructor(scope: Construct, id: string, props: EcsAgentProps) {
    super(scope, id);
    check(props, this.node.path);
    const {
      name,
      services,
      iamPath = "/",
      permissionsBoundaryArn,
      tags = {},
      restartLimitMinutes = 60,
    } = props;
    const keys = consumedAgentKeys(props.agentKey);
    const location: AwsLocation = {
      ...keys.location,
      accountId: new DataAwsCallerIdentity(this, "account").accountId,
    };
    const { partition, region, accountId } = location;

    this.secrets = keys.variables.map((variable) => ({
      name: variable.name,
      valueFrom: `${variable.secretArn}:${AGENT_KEY_FIELD}::`,
    }));
    this.readPolicy = new IamRolePolicy(this, "read", {
      name: `read-agent-key-${name}`,
      role: props.executionRoleName,
      policy: policyDocument(keys.statements),
    });

    const roles = {
      path: iamPath,
      tags,
      ...(permissionsBoundaryArn === undefined ? {} : { permissionsBoundary: permissionsBoundaryArn }),
    };
    const stateMachineName = `${name}-agent-key-restart`;
    const reeventRole = new IamRole(this, "restart-role", {
      ...roles,
      name: `${name}-restart`,
      description: `Deploys the services of ${name} anew when there is a new agent key`,
      assumeRolePolicy: trustInStateMachine(location, stateMachineName),
    });
    const reeventPolicy = new IamRolePolicy(this, "restart-policy", {
      name: "restart",
      role: reeventRole.name,
      policy: policyDocument([
        {
          Sid: "RestartServices",
          Effect: "Allow",
          Action: ["ecs:DescribeServices", "ecs:UpdateService"],
          Resource: services.map(
            ({ cluster, service }) =>
              `arn:${partition}:ecs:${region}:${accountId}:service/${cluster}/${service}`,
          ),
        },
      ]),
    });
    this.stateMachine = new SfnStateMachine(this, "restart", {
      name: stateMachineName,
      roleArn: reeventRole.arn,
      definition: JSON.stringify(restartDefinition(partition, restartLimitMinutes)),
      tags,
      dependsOn: [reeventPolicy],
    });

    const ruleName = `${name}-agent-key`;
    const rule = new CloudwatchEventRule(this, "rule", {
      name: ruleName,
      description: `A new agent key of ${name}`,
      state: "ENABLED",
      eventPattern: newKeyPattern(keys),
      tags,
    });
    const eventRole = new IamRole(this, "event-role", {
      ...roles,
      name: `${name}-event`,
      description: `Starts the restart of ${name} when there is a new agent key`,
      assumeRolePolicy: trustInRule(location, ruleName),
    });
    const eventPolicy = new IamRolePolicy(this, "event-policy", {
      name: "start",
      role: eventRole.name,
      policy: policyDocument([
        {
          Sid: "StartRestart",
          Effect: "Allow",
          Action: "states:StartExecution",
          Resource: this.stateMachine.arn,
        },
      ]),
    });
    services.forEach((service, index) => {
      new CloudwatchEventTarget(this, `target-${index}`, {
        rule: rule.name,
        targetId: `service-${index}`,
        arn: this.stateMachine.arn,
        roleArn: eventRole.arn,
        input: JSON.stringify({ cluster: service.cluster, service: service.service }),
        retryPolicy: { maximumEventAgeInSeconds: EVENT_AGE_SECONDS, maximumRetryAttempts: 185 },
        dependsOn: [eventPolicy],
      });
    });
    for (const account of otherAccounts(props.agentKey)) {
      new CloudwatchEventPermission(this, `events-from-${account}`, {
        statementId: `${name}-agent-key-${account}`,
        principal: account,
        action: "events:PutEvents",
      });
    }
    if (props.alarmTopicArn !== "none") this.alarm(props.alarmTopicArn, name, rule, tags);
  }

  private alarm(
    topicArn: string,
    name: string,
    rule: CloudwatchEventRule,
    tags: Record<string, string>,
  ): void {
    const metric = (
      id: string,
      namespace: string,
      metricName: string,
      dimensions: Record<string, string>,
    ) => ({
      id,
      metric: { namespace, metricName, dimensions, period: 60, stat: "Sum" },
    });
    const machine = { StateMachineArn: this.stateMachine.arn };
    new CloudwatchMetricAlarm(this, "alarm", {
      alarmName: `${name}-agent-key-restart`,
      alarmDescription:
        `A service of ${name} may still have its old agent key, which works until the grace period ends. Look at the last ` +
        `execution of the state machine ${name}-agent-key-restart, and deploy the service anew.`,
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

function check({ name, services, restartLimitMinutes, alarmTopicArn }: EcsAgentProps, path: string): void {
  const refuse = (field: string, rule: string, got: unknown, fix: string) => {
    throw new Error(
      `${path}: \`${field}\` ${rule}; got: ${JSON.stringify(got) ?? "nothing"}. To fix: ${fix}.`,
    );
  };
  if (!/^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/.test(name) || name.length > MAX_NAME_LENGTH) {
    refuse(
      "name",
      `must be 1–${MAX_NAME_LENGTH} letters, digits and single hyphens between them`,
      name,
      "choose a shorter or simpler name",
    );
  }
  if (services.length < 1 || services.length > MAX_SERVICES) {
    refuse(
      "services",
      `must name 1–${MAX_SERVICES} services`,
      services.length,
      "make another EcsAgent for the others; EventBridge starts five targets for a rule",
    );
  }
  for (const { cluster } of services) {
    if (!cluster.includes("/")) continue;
    refuse(
      "services",
      "must name the cluster without its ARN",
      cluster,
      "give the part after the last slash",
    );
  }
  if (
    restartLimitMinutes !== undefined &&
    !(Number.isInteger(restartLimitMinutes) && restartLimitMinutes >= 5)
  ) {
    refuse(
      "restartLimitMinutes",
      "must be a whole number of minutes from 5 on",
      restartLimitMinutes,
      "choose one",
    );
  }
  if (!alarmTopicArn) refuse("alarmTopicArn", "is required", alarmTopicArn, 'name a topic, or write "none"');
}

/** Of references, the accounts that their ARNs name: those events come from elsewhere. */
function otherAccounts(source: AgentKeySource): string[] {
  const references = [source]
    .flat()
    .filter((key): key is AgentKeyReference => "secretArn" in (key as object));
  const accounts = references
    .map(({ secretArn }) => secretArn.split(":")[4])
    .filter((account) => account !== undefined);
  return [...new Set(accounts)];
}

function trustInStateMachine({ partition, region, accountId }: AwsLocation, name: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: "states.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition: {
          StringEquals: { "aws:SourceAccount": accountId },
          ArnEquals: {
            "aws:SourceArn": `arn:${partition}:states:${region}:${accountId}:stateMachine:${name}`,
          },
        },
      },
    ],
  });
}

/** About 20 minutes in all: ECS throttles, and a service that is being made isn't there yet. */
const RETRY = [
  {
    ErrorEquals: ["States.ALL"],
    IntervalSeconds: 10,
    BackoffRate: 2,
    MaxDelaySeconds: 300,
    MaxAttempts: 8,
    JitterStrategy: "FULL",
  },
];
const LOOK_EVERY_SECONDS = 15;

/**
 * Forces a new deployment of the service that the input names, and waits until a deployment of that age or a younger one
 * is complete. One that is older than ours and primary again is what ECS has rolled back to.
 */
function restartDefinition(partition: string, limitMinutes: number) {
  const primary = "Deployments[Status='PRIMARY']";
  return {
    Comment: "Deploys an ECS service anew, for its new agent key",
    QueryLanguage: "JSONata",
    TimeoutSeconds: limitMinutes * 60,
    StartAt: "Deploy",
    States: {
      Deploy: {
        Type: "Task",
        Resource: `arn:${partition}:states:::aws-sdk:ecs:updateService`,
        Arguments: {
          Cluster: "{% $states.input.cluster %}",
          Service: "{% $states.input.service %}",
          ForceNewDeployment: true,
        },
        Assign: {
          cluster: "{% $states.input.cluster %}",
          service: "{% $states.input.service %}",
          since: `{% $states.result.Service.${primary}.CreatedAt %}`,
        },
        Output: {},
        Retry: RETRY,
        Next: "Wait",
      },
      Wait: { Type: "Wait", Seconds: LOOK_EVERY_SECONDS, Next: "Look" },
      Look: {
        Type: "Task",
        Resource: `arn:${partition}:states:::aws-sdk:ecs:describeServices`,
        Arguments: { Cluster: "{% $cluster %}", Services: ["{% $service %}"] },
        Output: `{% $states.result.Services[0].${primary} %}`,
        Retry: RETRY,
        Next: "Judge",
      },
      Judge: {
        Type: "Choice",
        Choices: [
          {
            Condition: "{% $states.input.RolloutState = 'FAILED' or $states.input.CreatedAt < $since %}",
            Next: "NotDeployed",
          },
          { Condition: "{% $states.input.RolloutState = 'COMPLETED' %}", Next: "Deployed" },
        ],
        Default: "Wait",
      },
      Deployed: { Type: "Succeed" },
      NotDeployed: {
        Type: "Fail",
        Error: "DeploymentFailed",
        Cause: "ECS gave the deployment up; tasks may still have the old agent key",
      },
    },
  };
}
