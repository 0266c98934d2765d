import { FUNCTION_TIMEOUT_SECONDS, type ProvisioningInput } from "../../core/contract";
import { AgentKey } from "../../core/key/credential";
import type { AgentKeyRecord } from "../../core/key/stored-value";
import type { Intent } from "../../core/protocol/intent";

/** 1 January 2026, where a `FrozenClock` starts. */
export const START = Date.UTC(2026, 0, 1);

export const SECRET_NAME = "valmi/dev/support/agent-key";
export const SECRET_ARN = `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${SECRET_NAME}-AbCdEf`;

/** A new agent instance of the local Control Plane's seed. */
export function provisioningInput(overrides: Partial<ProvisioningInput> = {}): ProvisioningInput {
  return {
    id: "support",
    environment: "dev",
    secretArn: SECRET_ARN,
    name: "dev-support",
    description: "answers customers",
    agentType: { id: "at_support" },
    accountId: "acc_123",
    contactId: "con_123",
    removal: "delete",
    revision: 1,
    digest: "digest-1",
    ...overrides,
  };
}

/** An existing instance: none of the fields with which one is created. */
export function adoptingInput(
  adopt: NonNullable<ProvisioningInput["adopt"]>,
  overrides: Partial<ProvisioningInput> = {},
): ProvisioningInput {
  const {
    name: _,
    description: __,
    agentType: ___,
    accountId: ____,
    contactId: _____,
    ...rest
  } = provisioningInput();
  return { ...rest, adopt, ...overrides };
}

export function record(overrides: Partial<AgentKeyRecord> = {}): AgentKeyRecord {
  return {
    agentKey: new AgentKey("agent_abc123xyz"),
    agentInstanceId: "ai_1",
    agentInstanceName: "dev-support",
    agentTypeId: "at_support",
    accountId: "acc_123",
    contactId: "con_123",
    subscription: "sub_1",
    pricing: "price_1",
    environment: "dev",
    controlPlaneUrl: "https://value.valmi.io/api/v1",
    issuedAt: START,
    ...overrides,
  };
}

export function intent(overrides: Partial<Intent> = {}): Intent {
  return {
    secretArn: SECRET_ARN,
    baseVersionId: "version-1",
    versionId: "version-2",
    owner: "attempt-1",
    agentInstanceId: "ai_1",
    takenAt: START,
    graceFrom: overrides.takenAt ?? START,
    attemptEndsAt: START + FUNCTION_TIMEOUT_SECONDS * 1_000,
    mint: 1,
    idempotencyKey: "key-1",
    outcome: "open",
    earlierMints: [],
    mintedAt: [],
    inVain: 0,
    ordered: false,
    ...overrides,
  };
}
