import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { TerraformOutput } from "cdktf";
import { type AgentKeysStack, RunnerAgent } from "../constructs";

/** An agent on a virtual machine, under the runner, which is told of new keys by a queue of its own. */
export function supportRunner(stack: AgentKeysStack): void {
  const role = new IamRole(stack, "machine-role", {
    name: "support-machine",
    assumeRolePolicy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { Service: "ec2.amazonaws.com" }, Action: "sts:AssumeRole" }],
    }),
  });

  const agent = new RunnerAgent(stack, "support-machine-agent", {
    agentKey: stack.agentKeys.agentKey("support"),
    name: "support-machine",
    roleName: role.name,
  });

  new TerraformOutput(stack, "support-command", {
    value: `node_modules/.bin/valmi-agent-keys exec ${agent.execOptions.join(" ")} -- node agent.js`,
  });
}
