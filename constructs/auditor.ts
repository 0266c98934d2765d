import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import { AUDIT_ENV, AUDIT_INTERVAL_MINUTES, WHOLE_DAY_WINDOW_HOURS } from "../core/contract";
import { type AgentKeySecretsProps, auditAccess } from "./access/function-access";
import { forTopic, through } from "./access/kms-use";
import { allow, type FunctionAccess } from "./access/policy";
import type { ResolvedSettings } from "./environment/environment";
import { type AwsLocation, agentKeySecretNameParts, functionName } from "./names";
import { NodeFunction } from "./node-function";

/** Less than from one run to the next, so that no two of them overlap. */
const TIMEOUT_SECONDS = 240;

export interface AuditorProps {
  readonly settings: ResolvedSettings;
  readonly location: AwsLocation;
  /** Zip that holds the auditor's `index.js`. */
  readonly bundle: string;
  readonly secrets: AgentKeySecretsProps;
  readonly rotationFunction: NodeFunction;
  /** Where it pages. */
  readonly topicArn: string;
  /** Of the topic, where it has one that this project made. */
  readonly topicKeyArn?: string;
  /** Of logs and environment. */
  readonly encryptionKeyArn?: string;
  /** The table of intents and the Control Plane. */
  readonly access: readonly FunctionAccess[];
}

/**
 * The function that looks at every agent key of an environment every 5 minutes, asks for rotations that are due or were
 * left unfinished, and pages what a person has to repair. It writes no value and moves no label.
 */
export class Auditor extends Construct {
  readonly function: NodeFunction;
  /** What comes last of it. */
  readonly schedule: ITerraformDependable;

  constructor(scope: Construct, id: string, props: AuditorProps) {
    super(scope, id);
    const { settings, location, secrets } = props;
    const name = functionName(settings, "audit");
    this.function = new NodeFunction(this, "function", {
      functionName: name,
      description: `Audits the agent keys of the environment ${settings.name}, started every ${AUDIT_INTERVAL_MINUTES} minutes`,
      bundle: props.bundle,
      timeoutSeconds: TIMEOUT_SECONDS,
      access: [
        ...props.access,
        auditAccess(secrets),
        askRotationFunctionAccess(props),
        pageAccess(props),
        { environment: auditEnvironment(settings), statements: [] },
      ],
      location,
      settings,
      ...(props.encryptionKeyArn ? { encryptionKeyArn: props.encryptionKeyArn } : {}),
    });
    const rule = new CloudwatchEventRule(this, "schedule", {
      name,
      description: `Starts ${name}`,
      scheduleExpression: `rate(${AUDIT_INTERVAL_MINUTES} minutes)`,
      // Said, so that a deploy switches it on again where somebody has switched it off.
      state: "ENABLED",
      tags: settings.tags,
    });
    const permission = new LambdaPermission(this, "permission", {
      functionName: this.function.functionName,
      action: "lambda:InvokeFunction",
      principal: "events.amazonaws.com",
      sourceArn: rule.arn,
    });
    this.schedule = new CloudwatchEventTarget(this, "target", {
      rule: rule.name,
      arn: this.function.arn,
      dependsOn: [permission],
    });
  }
}

function auditEnvironment(settings: ResolvedSettings): Readonly<Record<string, string>> {
  const { rotation, alerts } = settings;
  return {
    [AUDIT_ENV.environment]: settings.name,
    [AUDIT_ENV.secretNameStart]: agentKeySecretNameParts(settings).start,
    [AUDIT_ENV.rotationDays]: rotation === "off" ? "off" : String(rotation.automaticallyAfterDays),
    [AUDIT_ENV.rotationWindowHours]: String(
      (rotation === "off" ? undefined : rotation.windowHours) ?? WHOLE_DAY_WINDOW_HOURS,
    ),
    [AUDIT_ENV.healing]: alerts.healing,
    [AUDIT_ENV.runbookUrl]: alerts.runbookUrl,
    ...(alerts.heartbeatUrl === undefined ? {} : { [AUDIT_ENV.heartbeatUrl]: alerts.heartbeatUrl }),
  };
}

/** Its self-test, and a look at who may invoke it; `RotateSecret` asks for the right to invoke it too. */
function askRotationFunctionAccess({ rotationFunction }: AuditorProps): FunctionAccess {
  return {
    environment: { [AUDIT_ENV.rotationFunctionArn]: rotationFunction.arn },
    statements: [
      allow("AskRotationFunction", ["lambda:GetPolicy", "lambda:InvokeFunction"], rotationFunction.arn),
    ],
  };
}

function pageAccess({ topicArn, topicKeyArn, settings }: AuditorProps): FunctionAccess {
  const condition = { StringEquals: { ...through("sns", settings.region), ...forTopic(topicArn) } };
  return {
    environment: { [AUDIT_ENV.alertTopicArn]: topicArn },
    statements: [
      allow("Page", ["sns:ListSubscriptionsByTopic", "sns:Publish"], topicArn),
      ...(topicKeyArn
        ? [allow("EncryptPages", ["kms:Decrypt", "kms:GenerateDataKey"], topicKeyArn, condition)]
        : []),
    ],
  };
}
