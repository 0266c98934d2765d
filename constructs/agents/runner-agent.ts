import { CloudwatchEventPermission } from "@cdktf/provider-aws/lib/cloudwatch-event-permission";
import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import { SqsQueuePolicy } from "@cdktf/provider-aws/lib/sqs-queue-policy";
import { Construct } from "constructs";
import { allow, policyDocument } from "../access/policy";
import type { AgentKey } from "../agent-key";
import { type AgentKeyReference, consumedAgentKeys } from "./agent-key-source";
import { checkProps, nameOfUpTo } from "./check-props";
import { DELIVERY, EVENT_AGE_SECONDS, newKeyPattern } from "./label-events";

/** EventBridge's limit for the name of a rule is 64, and it is the longest made here. */
const MAX_NAME_LENGTH = 64 - "-new-agent-keys".length;

export interface RunnerAgentProps {
  /** The one agent key that the runner gives to its command. */
  readonly agentKey: AgentKey | AgentKeyReference;
  /** Names what is made here: letters, digits and hyphens, up to 49, unique in account and region. */
  readonly name: string;
  /** Name of the role that the runner has, in this account. */
  readonly roleName: string;
  /** @default - none */
  readonly tags?: Readonly<Record<string, string>>;
}

/**
 * An agent under the runner, `exec`, which is told of new keys: EventBridge sends them to a queue, and the
 * runner's role may read the key and that queue. A message goes to one reader only: make one of these for each process that
 * the runner runs, and share no queue. What can't be delivered for an hour is given up: the runner's own looks find that key.
 *
 * @example
 * const agent = new RunnerAgent(stack, "support-agent", {
 *   agentKey: agentKeys.agentKey("support"), name: "support", roleName: role.name,
 * });
 * const command = ["node_modules/.bin/valmi-agent-keys", "exec", ...agent.execOptions, "--", "node", "agent.js"];
 */
export class RunnerAgent extends Construct {
  readonly queue: SqsQueue;
  /** What `exec` is called with: `--secret` and `--events` with their values. */
  readonly execOptions: readonly string[];
  /** Let what runs the runner depend on it, so that it never runs without. */
  readonly readPolicy: IamRolePolicy;

  constructor(scope: Construct, id: string, props: RunnerAgentProps) {
    super(scope, id);
    const { agentKey, name, roleName, tags = {} } = props;
    checkProps(this.node.path, { name: [nameOfUpTo(MAX_NAME_LENGTH), name] });
    const keys = consumedAgentKeys(agentKey);
    const resourceName = `${name}-new-agent-keys`;

    this.queue = new SqsQueue(this, "queue", {
      name: resourceName,
      messageRetentionSeconds: EVENT_AGE_SECONDS,
      sqsManagedSseEnabled: true,
      tags,
    });
    const rule = new CloudwatchEventRule(this, "rule", {
      name: resourceName,
      description: `A new agent key of ${name}`,
      state: "ENABLED",
      eventPattern: newKeyPattern(keys),
      tags,
    });
    const queuePolicy = new SqsQueuePolicy(this, "queue-policy", {
      queueUrl: this.queue.url,
      policy: policyDocument([
        {
          Sid: "SendNewKeys",
          Effect: "Allow",
          Principal: { Service: "events.amazonaws.com" },
          Action: "sqs:SendMessage",
          Resource: this.queue.arn,
          Condition: { ArnEquals: { "aws:SourceArn": rule.arn } },
        },
      ]),
    });
    new CloudwatchEventTarget(this, "target", {
      rule: rule.name,
      targetId: "queue",
      arn: this.queue.arn,
      retryPolicy: DELIVERY,
      dependsOn: [queuePolicy],
    });
    if ("secretArn" in agentKey) {
      const { accountId } = keys.location;
      new CloudwatchEventPermission(this, "events", {
        statementId: `${resourceName}-${accountId}`,
        principal: accountId,
        action: "events:PutEvents",
      });
    }

    this.readPolicy = new IamRolePolicy(this, "read", {
      name: `run-with-agent-key-${name}`,
      role: roleName,
      policy: policyDocument([
        ...keys.statements,
        allow("ReceiveNewKeys", ["sqs:DeleteMessage", "sqs:ReceiveMessage"], this.queue.arn),
      ]),
    });
    const secretArn = String(keys.variables[0]?.secretArn);
    this.execOptions = ["--secret", secretArn, "--events", this.queue.url];
  }
}
