import type { LocalRun } from "../local-run";
import { deployedInstances } from "./agent-keys";

/** How to talk to a run that was left up. Names where the keys are, holds none. */
export function manual(run: LocalRun, outputs: Readonly<Record<string, unknown>>): string {
  const { controlPlane, awsVariables, environment, folder } = run;
  const [instance] = deployedInstances(outputs);
  const secretName = instance?.secretName ?? "";
  const read = (name: string) =>
    `aws secretsmanager get-secret-value --secret-id ${name} --query SecretString --output text`;
  const exports = Object.entries(awsVariables).map(([name, value]) => `export ${name}=${value}`);
  return `
Everything is up until Ctrl-C, in ${folder}

AWS CLI and SDKs
  ${exports.join("\n  ")}
  aws secretsmanager list-secrets
  aws secretsmanager rotate-secret --secret-id ${secretName}

Control Plane
  curl -H "api-key: $(${read(environment.controlPlane.apiKeySecretName)})" ${controlPlane.url}/agent_instance/all
  curl -H "X-Agent-Secret: $(${read(secretName)} | jq -r .VALMI_AGENT_KEY)" ${controlPlane.url}/agent_instance/info

Valmi's Python SDK
  export VALUE_BACKEND_URL=${controlPlane.url.replace(/\/api\/v1$/, "")}
  export VALUE_AGENT_SECRET=$(${read(secretName)} | jq -r .VALMI_AGENT_KEY)

Clock, in milliseconds; Secrets Manager and Control Plane share it
  curl -X POST ${awsVariables.AWS_ENDPOINT_URL_SECRETS_MANAGER}/_local/clock -d '{"advanceMs": 86400000}'
`;
}
