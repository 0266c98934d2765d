import type { AgentInstanceSettings, Environment } from "../../constructs";

/** The environment that every app of the benchmark synthesises, with so many agent instances. */
export function environmentOf(size: number): Environment {
  return environmentWith(Array.from({ length: size }, (_, index) => agentInstance(String(index))));
}

/** What stands for an instance's number in the template. It occurs in no other text of the stack. */
export const PLACEHOLDER = "xyz";

/** The same with one instance, which every other one is like: the bare app repeats what comes of it. */
export function templateEnvironment(): Environment {
  return environmentWith([agentInstance(PLACEHOLDER)]);
}

function environmentWith(agentInstances: readonly AgentInstanceSettings[]): Environment {
  return {
    name: "bench",
    region: "eu-central-1",
    controlPlane: { apiKeySecretName: "valmi/bench/operator-api-key" },
    removal: "delete",
    kms: "aws",
    tags: { team: "agents" },
    agentInstances,
  };
}

function agentInstance(number: string): AgentInstanceSettings {
  return {
    id: `support-${number}`,
    agentType: { id: "at_support" },
    accountId: `acc_${number}`,
    contactId: `con_${number}`,
    description: `Answers the questions of customer ${number}`,
    subscription: `sub-${number}`,
    pricing: "per-resolution",
  };
}
