import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { S3Backend, TerraformOutput, TerraformStack } from "cdktf";
import type { Construct } from "constructs";
import { AWS_PROVIDER_VERSIONS } from "../core/contract";
import { AgentKeys } from "./agent-keys";
import { checkEnvironments } from "./environment/checks";
import { resolveBackend } from "./environment/deployment";
import type { Environment } from "./environment/environment";
import { refuseErrors } from "./environment/problems";
import type { FunctionBundles } from "./function-bundles";

export interface AgentKeysStackProps {
  readonly environment: Environment;
  /** @default - the bundles that this package ships */
  readonly bundles?: FunctionBundles;
}

/**
 * The stack of one environment: AWS provider with account guard and assumed role, state backend, the agent keys, and
 * the output `agent-instances`, a map from each instance's id to its secret and to its id at the Control Plane.
 */
export class AgentKeysStack extends TerraformStack {
  readonly agentKeys: AgentKeys;

  /** Throws an `InvalidEnvironmentsError` that lists everything that is wrong with the environment. */
  constructor(scope: Construct, id: string, { environment, bundles }: AgentKeysStackProps) {
    super(scope, id);
    refuseErrors(checkEnvironments([environment]));
    const { accountId, assumeRole, backend, ...settings } = environment;

    new AwsProvider(this, "aws", {
      region: settings.region,
      ...(accountId ? { allowedAccountIds: [accountId] } : {}),
      ...(assumeRole ? { assumeRole: [{ sessionName: "valmi-agent-keys", ...assumeRole }] } : {}),
    });
    this.addOverride("terraform.required_providers.aws.version", AWS_PROVIDER_VERSIONS);
    if (backend) this.keepStateIn(resolveBackend(backend, environment));

    this.agentKeys = new AgentKeys(this, "agent-keys", { ...settings, ...(bundles ? { bundles } : {}) });

    new TerraformOutput(this, "agent-instances", {
      description: "Secret and Control Plane id of every agent instance, by its id in the configuration",
      value: Object.fromEntries(
        [...this.agentKeys.agentKeys].map(([instanceId, { secret, instance }]) => [
          instanceId,
          {
            secretArn: secret.arn,
            secretName: secret.secretName,
            agentInstanceId: instance.agentInstanceId,
          },
        ]),
      ),
    });
  }

  private keepStateIn({ bucket, key, region, roleArn }: ReturnType<typeof resolveBackend>): void {
    new S3Backend(this, {
      bucket,
      key,
      region,
      encrypt: true,
      ...(roleArn ? { assumeRole: { roleArn } } : {}),
    });
    // Not among the props of CDKTF's backend.
    this.addOverride("terraform.backend.s3.use_lockfile", true);
  }
}
