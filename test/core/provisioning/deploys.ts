import type { ProvisioningInput } from "../../../core/contract";
import { ensureInstance } from "../../../core/provisioning/convergence";
import { retireInstance } from "../../../core/provisioning/removal";
import { adoptingInput, provisioningInput, SECRET_NAME } from "../../../proofs/harness/builders";
import { LocalWorld } from "../../../proofs/harness/local-world";

export const CREATE = "POST /agent_instance/create";
export const REFRESH = "POST /agent_instance/{id}/refresh";
export const UPDATE = "PUT /agent_instance/{id}";
export const MARK = `[valmi-agent-keys 123456789012/eu-west-1/${SECRET_NAME}]`;
export const THEIRS = "[valmi-agent-keys 123456789012/eu-west-1/valmi/dev/other/agent-key]";

export let world: LocalWorld;
const errors: unknown[] = [];

export function startWith(another: LocalWorld): void {
  world = another;
}

/** Called by each file of tests: `world` is a new one for each test. */
export function withNewWorlds(): void {
  beforeEach(() => startWith(new LocalWorld()));

  afterEach(() => {
    // Whatever a test did: no key in a log, in the intent table, or in an error.
    for (const key of world.credentials) expect(world.said(errors.splice(0))).not.toContain(key);
  });
}

export async function failureOf(call: Promise<unknown>): Promise<Error> {
  const outcome = await call.catch((error: unknown) => error);
  errors.push(outcome);
  if (outcome instanceof Error) return outcome;
  throw new Error("it did not fail", { cause: outcome });
}

export const input = (overrides: Partial<ProvisioningInput> = {}) =>
  provisioningInput({ secretArn: world.secretArn, ...overrides });
export const adopting = (agentInstanceId: string, existingKey: "refresh" | "provided", overrides = {}) =>
  adoptingInput({ agentInstanceId, existingKey }, { secretArn: world.secretArn, ...overrides });
export const deploy = (wanted: ProvisioningInput = input()) => ensureInstance(world.invocation(), wanted);
export const remove = (wanted: ProvisioningInput = input()) => retireInstance(world.invocation(), wanted);
export const calls = (route: string) => world.controlPlaneCalls.filter((call) => call === route).length;

/** One instance, and the key that the secret holds is its current one. */
export function expectOneWorkingKey(): void {
  expect(world.current.agentKey.reveal()).toBe(world.minted.at(-1));
  expect(world.current.agentInstanceId).toBe(world.instance.id);
  expect(world.currentIsAccepted).toBe(true);
}
