import { EcsCluster } from "@cdktf/provider-aws/lib/ecs-cluster";
import { EcsService } from "@cdktf/provider-aws/lib/ecs-service";
import { EcsTaskDefinition } from "@cdktf/provider-aws/lib/ecs-task-definition";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { type AgentKeysStack, EcsAgent } from "../constructs";

/** An agent that reads `VALMI_AGENT_KEY` at its start, as an ECS service. */
export function supportService(stack: AgentKeysStack, image: string, subnets: string[]): void {
  const agentKey = stack.agentKeys.agentKey("support");
  const executionRole = new IamRole(stack, "execution-role", {
    name: "support-execution",
    assumeRolePolicy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Principal: { Service: "ecs-tasks.amazonaws.com" }, Action: "sts:AssumeRole" },
      ],
    }),
  });
  const cluster = new EcsCluster(stack, "cluster", { name: "agents" });

  const agent = new EcsAgent(stack, "support-agent", {
    agentKey,
    name: "support",
    executionRoleName: executionRole.name,
    services: [{ cluster: "agents", service: "support" }],
    alarmTopicArn: stack.agentKeys.alertTopicArn,
  });

  const task = new EcsTaskDefinition(stack, "task", {
    family: "support",
    requiresCompatibilities: ["FARGATE"],
    networkMode: "awsvpc",
    cpu: "256",
    memory: "512",
    executionRoleArn: executionRole.arn,
    containerDefinitions: JSON.stringify([{ name: "agent", image, essential: true, secrets: agent.secrets }]),
  });
  new EcsService(stack, "service", {
    name: "support",
    cluster: cluster.id,
    taskDefinition: task.arn,
    desiredCount: 1,
    launchType: "FARGATE",
    networkConfiguration: { subnets },
    // The first task needs the first key, and the permission to read it.
    dependsOn: [agentKey.instance.resource, agent.readPolicy],
  });
}
