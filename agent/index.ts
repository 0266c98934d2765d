import type { RotatingAgentKey } from "./agent-keys";

/** For agents that call Valmi themselves: `valmi-agent-keys/agent`. Knows nothing of infrastructure. */
export type { AgentKey } from "../core/key/credential";
export { type AgentKeysOptions, type AgentKeysStatus, agentKeys, type RotatingAgentKey } from "./agent-keys";
export { AgentKeyUnreadableError, type SecretSource } from "./secret-reader";

/** @deprecated It has the name of a construct. Use `RotatingAgentKey`. */
export type AgentKeys = RotatingAgentKey;
