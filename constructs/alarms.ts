import { CloudwatchDashboard } from "@cdktf/provider-aws/lib/cloudwatch-dashboard";
import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import { SnsTopicPolicy } from "@cdktf/provider-aws/lib/sns-topic-policy";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import { METRICS } from "../core/contract";
import { policyDocument } from "./access/policy";
import type { ResolvedSettings } from "./environment/environment";
import type { EnvironmentKey } from "./environment-key";
import { type AwsLocation, agentKeySecretArns, alertName, functionName } from "./names";

export interface AlertTopicProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "region" | "tags" | "alerts">;
  readonly location: AwsLocation;
  /** @default - the topic isn't encrypted: alarms can't publish to one with the key that AWS manages */
  readonly environmentKey?: EnvironmentKey;
}

/** Where pages and alarms go: a topic of its own, or the one that `alerts.topicArn` names. Somebody has to subscribe. */
export class AlertTopic extends Construct {
  readonly arn: string;
  /** Of the key that the topic is encrypted with, where both were made here. */
  readonly keyArn?: string;
  /** What comes last of it; absent where the topic is given. */
  readonly policy?: ITerraformDependable;

  constructor(scope: Construct, id: string, { settings, location, environmentKey }: AlertTopicProps) {
    super(scope, id);
    if (settings.alerts.topicArn !== undefined) {
      this.arn = settings.alerts.topicArn;
      return;
    }
    const name = alertName(settings, "alerts");
    environmentKey?.admitAlarms(name);
    const topic = new SnsTopic(this, "topic", {
      name,
      displayName: `Agent keys of ${settings.name}`,
      tags: settings.tags,
      ...(environmentKey ? { kmsMasterKeyId: environmentKey.arn } : {}),
    });
    const services = ["cloudwatch.amazonaws.com", ...(settings.alerts.trail ? ["events.amazonaws.com"] : [])];
    this.policy = new SnsTopicPolicy(this, "policy", {
      arn: topic.arn,
      policy: policyDocument([
        {
          Sid: "PublishAlarms",
          Effect: "Allow",
          Principal: { Service: services },
          Action: "sns:Publish",
          Resource: topic.arn,
          Condition: { StringEquals: { "aws:SourceAccount": location.accountId } },
        },
      ]),
    });
    this.arn = topic.arn;
    if (environmentKey) this.keyArn = environmentKey.arn;
  }
}

export interface AlarmsProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name" | "region" | "tags" | "alerts">;
  readonly location: AwsLocation;
  readonly topicArn: string;
}

const QUARTER_HOUR = 900;
const HOUR = 3_600;

/**
 * Three alarms over an environment, which also say when they are over. The auditor pages by itself, every day anew; the first
 * alarm shows the same in CloudWatch, the other two watch the auditor and the functions. With a trail of CloudTrail,
 * failed rotations are told as they happen; the dashboard is there if wanted.
 */
export class Alarms extends Construct {
  readonly alarms: readonly ITerraformDependable[];

  constructor(scope: Construct, id: string, { settings, location, topicArn }: AlarmsProps) {
    super(scope, id);
    const auditor = functionName(settings, "audit");
    const rotation = functionName(settings, "rotation");
    const actions = { alarmActions: [topicArn], okActions: [topicArn], tags: settings.tags };

    const findings = new CloudwatchMetricAlarm(this, "findings", {
      alarmName: alertName(settings, "findings"),
      alarmDescription:
        "The auditor has found something about agent keys that a person has to act upon; its page names it.",
      namespace: METRICS.namespace,
      metricName: METRICS.findings,
      dimensions: { service: auditor },
      statistic: "Maximum",
      period: QUARTER_HOUR,
      evaluationPeriods: 1,
      comparisonOperator: "GreaterThanThreshold",
      threshold: 0,
      // An auditor that says nothing has neither found anything nor found it over: the next alarm is for that.
      treatMissingData: "ignore",
      ...actions,
    });
    const silent = new CloudwatchMetricAlarm(this, "silent", {
      alarmName: alertName(settings, "auditor-silent"),
      alarmDescription:
        "The auditor of the agent keys has not run to its end for an hour: nobody watches them.",
      namespace: METRICS.namespace,
      metricName: METRICS.audited,
      dimensions: { service: auditor },
      statistic: "SampleCount",
      period: QUARTER_HOUR,
      evaluationPeriods: HOUR / QUARTER_HOUR,
      comparisonOperator: "LessThanThreshold",
      threshold: 1,
      // Silence is the very thing.
      treatMissingData: "breaching",
      ...actions,
    });
    const errors = new CloudwatchMetricAlarm(this, "errors", {
      alarmName: alertName(settings, "function-errors"),
      alarmDescription: "The rotation function or the auditor has ended by errors in two hours running.",
      metricQuery: [
        {
          id: "errors",
          expression: "SUM([FILL(rotation, 0), FILL(audit, 0)])",
          label: "Errors",
          returnData: true,
        },
        ...[
          { id: "rotation", functionName: rotation },
          { id: "audit", functionName: auditor },
        ].map((each) => ({
          id: each.id,
          metric: {
            namespace: "AWS/Lambda",
            metricName: "Errors",
            dimensions: { FunctionName: each.functionName },
            stat: "Sum",
            period: HOUR,
          },
        })),
      ],
      // One error is repeated by whoever called; errors hour by hour are not.
      evaluationPeriods: 2,
      comparisonOperator: "GreaterThanThreshold",
      threshold: 0,
      // Functions that nobody called have made no error.
      treatMissingData: "notBreaching",
      ...actions,
    });

    this.alarms = [findings, silent, errors];
    if (settings.alerts.trail) this.tellFailures(settings, location, topicArn);
    if (settings.alerts.dashboard) this.draw(settings, auditor);
  }

  /** CloudTrail-borne, so best effort, and none without a trail. */
  private tellFailures(settings: AlarmsProps["settings"], location: AwsLocation, topicArn: string): void {
    const [arnStart = ""] = agentKeySecretArns(location, settings).split("*");
    const rule = new CloudwatchEventRule(this, "failures", {
      name: alertName(settings, "failures"),
      description: `Failed rotations of the agent keys of ${settings.name}`,
      state: "ENABLED",
      eventPattern: JSON.stringify({
        source: ["aws.secretsmanager"],
        "detail-type": ["AWS Service Event via CloudTrail"],
        detail: {
          eventSource: ["secretsmanager.amazonaws.com"],
          eventName: ["RotationFailed", "RotationAbandoned", "TestRotationFailed"],
          additionalEventData: { SecretId: [{ prefix: arnStart }] },
        },
      }),
      tags: settings.tags,
    });
    new CloudwatchEventTarget(this, "failures-target", { rule: rule.name, arn: topicArn });
  }

  private draw(settings: AlarmsProps["settings"], auditor: string): void {
    const widget = (x: number, y: number, title: string, metricName: string, stat: string) => ({
      type: "metric",
      x,
      y,
      width: 12,
      height: 6,
      properties: {
        title,
        region: settings.region,
        period: QUARTER_HOUR,
        stat,
        metrics: [[METRICS.namespace, metricName, "service", auditor]],
      },
    });
    new CloudwatchDashboard(this, "dashboard", {
      dashboardName: alertName(settings, "dashboard"),
      dashboardBody: JSON.stringify({
        widgets: [
          widget(0, 0, "Findings", METRICS.findings, "Maximum"),
          widget(12, 0, "Oldest key (seconds)", METRICS.oldestKeyAge, "Maximum"),
          widget(0, 6, "Least grace left (seconds)", METRICS.leastGraceLeft, "Minimum"),
          widget(12, 6, "Audited", METRICS.audited, "Minimum"),
        ],
      }),
    });
  }
}
