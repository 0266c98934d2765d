import type { AgentInstanceSettings, Environment } from "./constructs";

/**
 * Hundreds of instances are described like two: the list may come from a function or from a file, such as
 * `JSON.parse(readFileSync("customers.json", "utf8"))`. Whatever it holds is checked before anything is made.
 */
const customers = [
  { id: "first", accountId: "acc_123", contactId: "con_123" },
  { id: "second", accountId: "acc_456", contactId: "con_456" },
];

const researchFor = ({ id, accountId, contactId }: (typeof customers)[number]): AgentInstanceSettings => ({
  id: `research-${id}`,
  agentType: { id: "at_research" },
  accountId,
  contactId,
  subscription: `sub-research-${id}`,
  pricing: "per-report",
});

/**
 * The fleet: every environment and every agent instance. `cdktf deploy <name>` deploys one environment.
 * Each setting is described where its type is, from constructs/environment/environment.ts on.
 */
export const environments: readonly Environment[] = [
  {
    name: "dev",
    region: "eu-central-1",
    controlPlane: { apiKeySecretName: "valmi/dev/operator-api-key" },
    // Instances and secrets go when they are removed from here, and with `cdktf destroy dev`.
    removal: "delete",
    // Saves the dollar a month that a KMS key of its own costs, which the others have.
    kms: "aws",
    agentInstances: [
      {
        id: "support",
        agentType: { name: "Customer Support Bot" },
        accountId: "acc_123",
        contactId: "con_123",
        description: "Answers customers' questions",
      },
      {
        id: "research",
        agentType: { id: "at_research" },
        accountId: "acc_456",
        contactId: "con_456",
        subscription: "sub-research",
        pricing: "per-report",
      },
    ],
  },
  {
    name: "staging",
    region: "eu-central-1",
    controlPlane: { apiKeySecretName: "valmi/staging/operator-api-key" },
    removal: "deactivate",
    agentInstances: [
      {
        id: "support",
        agentType: { name: "Customer Support Bot" },
        accountId: "acc_123",
        contactId: "con_123",
      },
      ...customers.map(researchFor),
    ],
  },
  {
    name: "production",
    region: "eu-central-1",
    // accountId: "123456789012",
    // assumeRole: { roleArn: "arn:aws:iam::123456789012:role/deploy-agent-keys" },
    // backend: { bucket: "example-terraform-state" },
    controlPlane: { apiKeySecretName: "valmi/production/operator-api-key" },
    tags: { team: "agents" },
    agentInstances: [
      {
        id: "support",
        agentType: { name: "Customer Support Bot" },
        accountId: "acc_123",
        contactId: "con_123",
        subscription: "sub-support",
        pricing: "per-resolution",
      },
      ...customers.map(researchFor),
    ],
  },
];
