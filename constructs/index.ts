export { deployerStatements } from "./access/deployer-access";
export type { FunctionAccess, PolicyStatement } from "./access/policy";
export type { ReadOptions } from "./access/read-access";
export type { OutsideReader } from "./access/readers";
export { credentialsStatements } from "./access/state-access";
export { AgentInstance, type AgentInstanceProps } from "./agent-instance";
export { AgentKey, type AgentKeyProps } from "./agent-key";
export { AgentKeyRotation, type AgentKeyRotationProps } from "./agent-key-rotation";
export { AgentKeySecret, type AgentKeySecretProps } from "./agent-key-secret";
export { AgentKeys, type AgentKeysProps } from "./agent-keys";
export { AgentKeysStack, type AgentKeysStackProps } from "./agent-keys-stack";
export type { AgentKeyReference, AgentKeySource } from "./agents/agent-key-source";
export { EcsAgent, type EcsAgentProps, type EcsServiceName } from "./agents/ecs-agent";
export {
  type ExternalSecretSettings,
  externalSecretManifest,
  KubernetesAgent,
  type KubernetesAgentProps,
} from "./agents/kubernetes-agent";
export { NewKeyForwarding, type NewKeyForwardingProps } from "./agents/label-events";
export { LambdaAgent, type LambdaAgentProps } from "./agents/lambda-agent";
export { RunnerAgent, type RunnerAgentProps } from "./agents/runner-agent";
export {
  type AdoptedAgentInstance,
  type AgentInstanceSettings,
  displayName,
  type NewAgentInstance,
} from "./environment/agent-instance";
export type { AlertSettings } from "./environment/alerts";
export { checkEnvironments } from "./environment/checks";
export type { ControlPlaneSettings } from "./environment/control-plane";
export type { AssumeRoleSettings, S3BackendSettings } from "./environment/deployment";
export {
  type AgentKeysSettings,
  type Environment,
  type ResolvedSettings,
  resolveSettings,
} from "./environment/environment";
export type { FunctionSettings, VpcSettings } from "./environment/functions";
export type { KmsSettings, OwnKmsKey } from "./environment/kms";
export { environmentsToDeploy, LOCAL_RUN_VARIABLE } from "./environment/local-run";
export {
  describeProblem,
  InvalidEnvironmentsError,
  type Problem,
  refuseErrors,
} from "./environment/problems";
export type { RotationSettings } from "./environment/rotation";
export type { FunctionBundles } from "./function-bundles";
export { IntentTable, type IntentTableProps } from "./intent-table";
export { NodeFunction, type NodeFunctionProps } from "./node-function";
