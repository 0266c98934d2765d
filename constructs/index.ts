export { AgentInstance, type AgentInstanceProps } from "./agent-instance";
export { AgentKey, type AgentKeyProps } from "./agent-key";
export { AgentKeyRotation, type AgentKeyRotationProps } from "./agent-key-rotation";
export { AgentKeySecret, type AgentKeySecretProps, type ReadOptions } from "./agent-key-secret";
export type { AgentKeyReference, AgentKeySource } from "./agent-key-source";
export { AgentKeys, type AgentKeysProps, type FunctionBundles } from "./agent-keys";
export { AgentKeysStack, type AgentKeysStackProps } from "./agent-keys-stack";
export {
  checkEnvironments,
  describeProblem,
  InvalidEnvironmentsError,
  type Problem,
  refuseErrors,
} from "./checks";
export { credentialsStatements, deployerStatements } from "./deployer-access";
export { EcsAgent, type EcsAgentProps, type EcsServiceName } from "./ecs-agent";
export * from "./environment";
export { IntentTable, type IntentTableProps } from "./intent-table";
export {
  type ExternalSecretSettings,
  externalSecretManifest,
  KubernetesAgent,
  type KubernetesAgentProps,
} from "./kubernetes-agent";
export { NewKeyForwarding, type NewKeyForwardingProps } from "./label-events";
export { LambdaAgent, type LambdaAgentProps } from "./lambda-agent";
export { NodeFunction, type NodeFunctionProps } from "./node-function";
export type { FunctionAccess, PolicyStatement } from "./policy";
export type { OutsideReader } from "./readers";
export { RunnerAgent, type RunnerAgentProps } from "./runner-agent";
