import type { Environment } from "../../constructs";
import { command } from "../../core/command-line";
import { deployedInstances } from "./agent-keys";

/** What the texts need to know of a run. */
export interface ManualRun {
  readonly folder: string;
  readonly environment: Pick<Environment, "name" | "rotation" | "controlPlane">;
  readonly controlPlane: { readonly url: string };
  readonly awsVariables: Readonly<Record<string, string>>;
}

/** Nobody listens there: Valmi's SDK would send its telemetry to the vendor. */
export const NO_TELEMETRY = "http://127.0.0.1:9";

/** How to talk to a run that was left up. Names where the keys are, holds none. */
export function manual(run: ManualRun, outputs: Readonly<Record<string, unknown>>): string {
  const { controlPlane, awsVariables, environment, folder } = run;
  const [instance] = deployedInstances(outputs);
  const rotated = environment.rotation === "off" ? undefined : instance;
  const exports = Object.entries(awsVariables).map(([name, value]) => `export ${name}=${value}`);
  const key = instance && `$(${read(instance.secretName)} | jq -r .VALMI_AGENT_KEY)`;
  const sections: [string, readonly (string | undefined)[]][] = [
    ["In another terminal, first", exports],
    [
      "The command line of this project",
      [
        command("status"),
        command("doctor"),
        rotated && command(`rotate ${environment.name}/${rotated.id}`),
        command("--help"),
      ],
    ],
    [
      "AWS CLI",
      [
        "aws secretsmanager list-secrets",
        rotated && `aws secretsmanager rotate-secret --secret-id ${rotated.secretName}`,
      ],
    ],
    [
      "Control Plane",
      [
        `curl -H "api-key: $(${read(environment.controlPlane.apiKeySecretName)})" ${controlPlane.url}/agent_instance/all`,
        key && `curl -H "X-Agent-Secret: ${key}" ${controlPlane.url}/agent_instance/info`,
      ],
    ],
    [
      "Valmi's Python SDK",
      [
        `export VALUE_BACKEND_URL=${controlPlane.url.replace(/\/api\/v1$/, "")}`,
        `export VALUE_OTEL_ENDPOINT=${NO_TELEMETRY}`,
        key && `export VALUE_AGENT_SECRET=${key}`,
      ],
    ],
    [
      "Clock, in milliseconds; Secrets Manager and Control Plane share it",
      [
        `curl -X POST ${awsVariables.AWS_ENDPOINT_URL_SECRETS_MANAGER}/_local/clock -d '{"advanceMs": 86400000}'`,
      ],
    ],
  ];
  return [
    `\nEverything is up until Ctrl-C, in ${folder}`,
    ...sections.map(([title, lines]) => [title, ...lines.flatMap((line) => line ?? [])].join("\n  ")),
    "",
  ].join("\n\n");
}

const read = (secretName: string) =>
  `aws secretsmanager get-secret-value --secret-id ${secretName} --query SecretString --output text`;
