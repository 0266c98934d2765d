import { GetSecretValueCommand, type SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { AgentKey } from "../../core/key/credential";
import { type AgentKeyRecord, parseRecord } from "../../core/key/stored-value";

/** An agent instance as Terraform's output has it. */
export interface DeployedInstance {
  /** The instance's `id` in `environments.ts`. */
  readonly id: string;
  readonly secretName: string;
  readonly secretArn: string;
  readonly agentInstanceId: string;
}

/** Reads the stack's output `agent-instances`. */
export function deployedInstances(outputs: Readonly<Record<string, unknown>>): DeployedInstance[] {
  const byId = (outputs["agent-instances"] ?? {}) as Record<string, Omit<DeployedInstance, "id">>;
  return Object.entries(byId).map(([id, instance]) => ({ ...instance, id }));
}

/** What is stored under AWSCURRENT. */
export async function readStored(
  secrets: SecretsManagerClient,
  secretId: string,
): Promise<AgentKeyRecord & { readonly versionId: string }> {
  const { SecretString, VersionId } = await secrets.send(new GetSecretValueCommand({ SecretId: secretId }));
  return { ...parseRecord(SecretString ?? ""), versionId: VersionId ?? "" };
}

/** Whether the Control Plane accepts a key, asked the way Valmi's SDK does at its start, and for which instance. */
export async function identify(
  controlPlaneUrl: string,
  key: AgentKey,
): Promise<{ readonly accepted: boolean; readonly agentInstanceId: string | null }> {
  const response = await fetch(`${controlPlaneUrl}/agent_instance/info`, {
    headers: { "X-Agent-Secret": key.reveal() },
  });
  const body = (await response.json()) as { id?: string };
  return { accepted: response.ok, agentInstanceId: response.ok ? (body.id ?? null) : null };
}
