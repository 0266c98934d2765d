/** For agents that call Valmi themselves: `valmi-agent-keys/agent`. Knows nothing of infrastructure. */
export type { AgentKey } from "../core/key/credential";
export { type AgentKeys, type AgentKeysOptions, type AgentKeysStatus, agentKeys } from "./agent-keys";
export { AgentKeyUnreadableError } from "./secret-reader";
