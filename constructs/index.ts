export { AgentInstance, type AgentInstanceProps } from "./agent-instance";
export { AgentKey, type AgentKeyProps } from "./agent-key";
export { AgentKeyRotation, type AgentKeyRotationProps } from "./agent-key-rotation";
export { AgentKeySecret, type AgentKeySecretProps, type ReadOptions } from "./agent-key-secret";
export { AgentKeys, type AgentKeysProps, type FunctionBundles } from "./agent-keys";
export { AgentKeysStack, type AgentKeysStackProps } from "./agent-keys-stack";
export {
  checkEnvironments,
  describeProblem,
  InvalidEnvironmentsError,
  type Problem,
  refuseErrors,
} from "./checks";
export * from "./environment";
export { IntentTable, type IntentTableProps } from "./intent-table";
export { NodeFunction, type NodeFunctionProps } from "./node-function";
export type { FunctionAccess, PolicyStatement } from "./policy";
export type { OutsideReader } from "./readers";
