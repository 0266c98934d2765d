import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Construct } from "constructs";
import { allow, policyDocument } from "../access/policy";
import type { AwsLocation } from "../names";
import { type AgentKeySource, type ConsumedAgentKeys, consumedAgentKeys } from "./agent-key-source";

/** How long EventBridge tries to deliver an event before it gives up, in seconds. Its own default is a day: the grace. */
export const EVENT_AGE_SECONDS = 3_600;
export const DELIVERY = { maximumEventAgeInSeconds: EVENT_AGE_SECONDS, maximumRetryAttempts: 185 };

/**
 * The pattern of the event that AWSCURRENT was moved to a new key of these. Secrets Manager sends it for every secret,
 * without CloudTrail. It names the secret and the version, never a value.
 */
export function newKeyPattern({ names, location }: Pick<ConsumedAgentKeys, "names" | "location">): string {
  return JSON.stringify({
    source: ["aws.secretsmanager"],
    "detail-type": ["Secret Label Updated"],
    account: [location.accountId],
    detail: { labelUpdated: ["AWSCURRENT"], name: names },
  });
}

/** The trust of a role that EventBridge takes for one rule. */
export function trustInRule({ partition, region, accountId }: AwsLocation, ruleName: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Principal: { Service: "events.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition: {
          StringEquals: { "aws:SourceAccount": accountId },
          ArnEquals: { "aws:SourceArn": `arn:${partition}:events:${region}:${accountId}:rule/${ruleName}` },
        },
      },
    ],
  });
}

export interface NewKeyForwardingProps {
  /** The keys whose events are forwarded. */
  readonly agentKey: AgentKeySource;
  /** Name of the rule and of its role: up to 64 letters, digits, `-`, `_` and `.`. */
  readonly name: string;
  /** The other account's event bus, such as `arn:aws:events:eu-central-1:222222222222:event-bus/default`. */
  readonly eventBusArn: string;
}

/**
 * Forwards the events of new keys to another account, whose consumers restart by them: events stay in the account of the
 * secret otherwise. Belongs into the stack of the secrets; `EcsAgent` in the other account admits them.
 */
export class NewKeyForwarding extends Construct {
  readonly rule: CloudwatchEventRule;

  constructor(scope: Construct, id: string, { agentKey, name, eventBusArn }: NewKeyForwardingProps) {
    super(scope, id);
    const keys = consumedAgentKeys(agentKey);
    const role = new IamRole(this, "role", {
      name,
      description: "Sends the events of new agent keys to another account",
      assumeRolePolicy: trustInRule(keys.location, name),
    });
    const policy = new IamRolePolicy(this, "policy", {
      name: "send",
      role: role.name,
      policy: policyDocument([allow("SendEvents", "events:PutEvents", eventBusArn)]),
    });
    this.rule = new CloudwatchEventRule(this, "rule", {
      name,
      description: "New agent keys, for another account",
      state: "ENABLED",
      eventPattern: newKeyPattern(keys),
    });
    new CloudwatchEventTarget(this, "target", {
      rule: this.rule.name,
      targetId: "event-bus",
      arn: eventBusArn,
      roleArn: role.arn,
      dependsOn: [policy],
    });
  }
}
