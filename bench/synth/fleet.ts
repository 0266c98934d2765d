import type { AgentInstanceSettings, Environment } from "../../constructs";

/** The environment that every app of the benchmark synthesises, with so many agent instances. */
export function environmentOf(size: number): Environment {
  return {
    name: "bench",
    region: "eu-central-1",
    controlPlane: { apiKeySecretName: "valmi/bench/operator-api-key" },
    removal: "delete",
    kms: "aws",
    tags: { team: "agents" },
    agentInstances: Array.from({ length: size }, (_, index) => agentInstance(index)),
  };
}

function agentInstance(index: number): AgentInstanceSettings {
  return {
    id: `support-${index}`,
    agentType: { id: "at_support" },
    accountId: `acc_${index}`,
    contactId: `con_${index}`,
    description: `Answers the questions of customer ${index}`,
    subscription: `sub-${index}`,
    pricing: "per-resolution",
  };
}
