import type { TerraformStack } from "cdktf";
import { type AgentKeysStack, EcsAgent, NewKeyForwarding } from "../constructs";

/** In the stack of the keys: another account's role may read one of them, and its event bus is told of new ones. */
export function openToAgents(stack: AgentKeysStack): void {
  const agentKey = stack.agentKeys.agentKey("support");
  agentKey.secret.grantReadFromOtherAccount({ roleArn: "arn:aws:iam::222222222222:role/support-execution" });
  new NewKeyForwarding(stack, "to-agents", {
    agentKey,
    name: "new-agent-keys-to-agents",
    eventBusArn: "arn:aws:events:eu-central-1:222222222222:event-bus/default",
  });
}

/** In a stack of the other account: an ECS service with that key. */
export function supportServiceElsewhere(stack: TerraformStack, alarmTopicArn: string): EcsAgent {
  return new EcsAgent(stack, "support-agent", {
    agentKey: {
      secretArn:
        "arn:aws:secretsmanager:eu-central-1:111111111111:secret:valmi/production/support/agent-key-AbCdEf",
      encryptionKeyArn: "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    },
    name: "support",
    executionRoleName: "support-execution",
    services: [{ cluster: "agents", service: "support" }],
    alarmTopicArn,
  });
}
