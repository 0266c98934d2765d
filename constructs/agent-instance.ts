import { createHash } from "node:crypto";
import { LambdaInvocation } from "@cdktf/provider-aws/lib/lambda-invocation";
import { Fn, type ITerraformDependable, propertyAccess, Token } from "cdktf";
import { Construct } from "constructs";
import type { ProvisioningInput } from "../core/contract";
import type { AgentKeySecret } from "./agent-key-secret";
import { type AgentInstanceSettings, displayName } from "./environment/agent-instance";
import type { ResolvedSettings } from "./environment/environment";
import type { NodeFunction } from "./node-function";

export interface AgentInstanceProps {
  readonly settings: Pick<ResolvedSettings, "name" | "removal">;
  readonly instance: AgentInstanceSettings;
  readonly secret: AgentKeySecret;
  readonly provisioningFunction: NodeFunction;
  /** What has to be there before the instance is made, and until it is gone. */
  readonly dependsOn: ITerraformDependable[];
}

/**
 * One agent instance at the Control Plane, kept by the provisioning function, which Terraform calls on creation, change
 * and removal. Its first key goes straight into the secret; Terraform's state holds ids only.
 */
export class AgentInstance extends Construct {
  /** Id of the instance at the Control Plane. */
  readonly agentInstanceId: string;
  readonly resource: LambdaInvocation;

  constructor(scope: Construct, id: string, props: AgentInstanceProps) {
    super(scope, id);
    const { settings, instance } = props;
    const input = provisioningInput(props);
    // No `triggers`, and never `create_before_destroy`: both delete the instance to make it again.
    this.resource = new LambdaInvocation(this, "invocation", {
      functionName: props.provisioningFunction.functionName,
      lifecycleScope: "CRUD",
      input: JSON.stringify(input),
      dependsOn: props.dependsOn,
      lifecycle: {
        preventDestroy: settings.removal === "protect",
        postcondition: [
          { condition: READY, errorMessage: notReady(settings.name, instance.id, input.revision) },
        ],
      },
    });
    this.agentInstanceId = Token.asString(
      propertyAccess(Fn.jsondecode(this.resource.result), ["agentInstanceId"]),
    );
  }
}

function provisioningInput({ settings, instance, secret }: AgentInstanceProps): ProvisioningInput {
  const name = displayName(settings.name, instance);
  const desired = {
    id: instance.id,
    environment: settings.name,
    ...(name === undefined ? {} : { name, description: instance.description ?? "" }),
    ...(instance.agentType ? { agentType: instance.agentType } : {}),
    ...(instance.accountId === undefined ? {} : { accountId: instance.accountId }),
    ...(instance.contactId === undefined ? {} : { contactId: instance.contactId }),
    ...(instance.adopt ? { adopt: instance.adopt } : {}),
    removal: settings.removal,
    revision: instance.revision ?? 0,
  };
  // The secret's ARN is known at deploy only; the postcondition compares it beside the digest.
  const digest = createHash("sha256").update(JSON.stringify(desired)).digest("hex");
  return { ...desired, secretArn: secret.arn, digest };
}

// Terraform records a failed update as if it had been done, with the new input and the old result, and then sees no
// change. Comparing the two makes every later plan fail until the input changes again.
const READY = [
  "${try(",
  'jsondecode(self.result).status == "ready"',
  " && jsondecode(self.result).digest == jsondecode(self.input).digest",
  " && jsondecode(self.result).secretArn == jsondecode(self.input).secretArn",
  ", false)}",
].join("");

function notReady(environment: string, id: string, revision: number): string {
  const reason =
    // biome-ignore lint/suspicious/noTemplateCurlyInString: evaluated by Terraform
    '${try(coalesce(jsondecode(self.result).reason), "the last call of the provisioning function did not run to its end")}';
  return (
    `Agent instance "${id}" of environment "${environment}" is not as configured: ${reason}. ` +
    `Terraform doesn't repeat a failed update: repair the cause, raise \`revision\` of the instance (now ${revision}) ` +
    "by one, and deploy again."
  );
}
