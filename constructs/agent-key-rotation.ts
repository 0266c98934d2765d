import { SecretsmanagerSecretRotation } from "@cdktf/provider-aws/lib/secretsmanager-secret-rotation";
import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import type { AgentKeySecret } from "./agent-key-secret";
import type { ResolvedSettings } from "./environment/environment";
import type { NodeFunction } from "./node-function";

export interface AgentKeyRotationProps {
  readonly secret: AgentKeySecret;
  readonly rotationFunction: NodeFunction;
  readonly schedule: Exclude<ResolvedSettings["rotation"], "off">;
  /** The first key must be stored, and Secrets Manager allowed to call the function, before rotation is switched on. */
  readonly dependsOn: ITerraformDependable[];
}

/**
 * The schedule on which Secrets Manager rotates one agent key. Switching it on, or changing it, rotates nothing at once:
 * it would put the key just stored on its fuse. Secrets Manager then only has the function test the current key.
 */
export class AgentKeyRotation extends Construct {
  readonly resource: SecretsmanagerSecretRotation;

  constructor(scope: Construct, id: string, props: AgentKeyRotationProps) {
    super(scope, id);
    const { automaticallyAfterDays, windowHours } = props.schedule;
    this.resource = new SecretsmanagerSecretRotation(this, "rotation", {
      secretId: props.secret.arn,
      rotationLambdaArn: props.rotationFunction.arn,
      rotateImmediately: false,
      rotationRules: {
        automaticallyAfterDays,
        ...(windowHours === undefined ? {} : { duration: `${windowHours}h` }),
      },
      dependsOn: props.dependsOn,
    });
  }
}
