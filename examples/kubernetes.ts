import { TerraformOutput } from "cdktf";
import { type AgentKeysStack, KubernetesAgent } from "../constructs";

/** An agent in an EKS cluster that has the External Secrets Operator and Stakater's Reloader. */
export function supportPod(stack: AgentKeysStack, oidcProviderArn: string): void {
  const agent = new KubernetesAgent(stack, "support-pod-agent", {
    agentKey: stack.agentKeys.agentKey("support"),
    name: "support",
    namespace: "agents",
    oidcProviderArn,
  });
  // terraform output -raw support-manifest | kubectl apply -f -
  new TerraformOutput(stack, "support-manifest", { value: agent.manifest });
  new TerraformOutput(stack, "support-annotations", { value: agent.deploymentAnnotations });
}
