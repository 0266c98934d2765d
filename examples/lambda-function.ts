import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import { type AgentKeysStack, LambdaAgent } from "../constructs";

/** An agent that reads its key at run time, as a Lambda function. */
export function supportFunction(stack: AgentKeysStack, zip: string): void {
  const role = new IamRole(stack, "function-role", {
    name: "support-function",
    assumeRolePolicy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
      ],
    }),
  });

  const agent = new LambdaAgent(stack, "support-function-agent", {
    agentKey: stack.agentKeys.agentKey("support"),
    roleName: role.name,
    name: "support-function",
  });

  new LambdaFunction(stack, "function", {
    functionName: "support",
    role: role.arn,
    runtime: "nodejs22.x",
    handler: "index.handler",
    filename: zip,
    environment: { variables: agent.environment },
    layers: agent.layers,
    dependsOn: [agent.readPolicy],
  });
}
