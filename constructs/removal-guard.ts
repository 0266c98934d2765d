import { DataAwsSecretsmanagerSecrets } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secrets";
import { Construct } from "constructs";
import type { AgentInstanceSettings } from "./environment/agent-instance";
import type { ResolvedSettings } from "./environment/environment";
import { agentKeySecretName, agentKeySecretNameParts } from "./names";

export interface RemovalGuardProps {
  readonly settings: Pick<ResolvedSettings, "namePrefix" | "name">;
  readonly agentInstances: readonly AgentInstanceSettings[];
}

/**
 * Refuses, in the plan, that a protected agent instance is taken out of the configuration: Terraform's own
 * `prevent_destroy` goes with the block that it stands in. Without the guard Terraform would switch the rotation off
 * before the provisioning function refuses the rest.
 */
export class RemovalGuard extends Construct {
  constructor(scope: Construct, id: string, { settings, agentInstances }: RemovalGuardProps) {
    super(scope, id);
    const { start, end } = agentKeySecretNameParts(settings);
    const configured = JSON.stringify(
      agentInstances.map((instance) => agentKeySecretName(settings, instance.id)),
    );
    const removed = `setsubtract([for name in self.names : name if endswith(name, "${end}")], ${configured})`;

    new DataAwsSecretsmanagerSecrets(this, "secrets", {
      filter: [{ name: "name", values: [start] }],
      lifecycle: {
        postcondition: [
          {
            condition: `\${length(${removed}) == 0}`,
            errorMessage:
              `Agent instances of the environment "${settings.name}" are protected and not in the configuration: ` +
              `\${join(", ", ${removed})}. Put them back; or set \`removal\` to "deactivate" or "delete", deploy that, ` +
              "and then remove them.",
          },
        ],
      },
    });
  }
}
