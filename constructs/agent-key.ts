import type { ITerraformDependable } from "cdktf";
import { Construct } from "constructs";
import { AgentInstance } from "./agent-instance";
import { AgentKeyRotation } from "./agent-key-rotation";
import { AgentKeySecret } from "./agent-key-secret";
import type { AgentInstanceSettings } from "./environment/agent-instance";
import type { ResolvedSettings } from "./environment/environment";
import type { EnvironmentKey } from "./environment-key";
import type { AwsLocation } from "./names";
import type { NodeFunction } from "./node-function";

export interface AgentKeyProps {
  readonly settings: ResolvedSettings;
  readonly instance: AgentInstanceSettings;
  readonly location: AwsLocation;
  /** @default - the key `aws/secretsmanager` */
  readonly encryptionKeyArn?: string;
  /** @default - the key's policy is somebody else's to keep */
  readonly environmentKey?: EnvironmentKey;
  readonly rotationFunction: NodeFunction;
  readonly provisioningFunction: NodeFunction;
  /** Whatever of the environment must be there first, and last, and isn't reached through the functions. */
  readonly environmentResources: ITerraformDependable[];
}

/** One agent instance: its secret, the instance at the Control Plane, and the rotation of its key, in this order. */
export class AgentKey extends Construct {
  readonly secret: AgentKeySecret;
  readonly instance: AgentInstance;
  /** Absent where rotation is off. */
  readonly rotation?: AgentKeyRotation;

  constructor(scope: Construct, id: string, props: AgentKeyProps) {
    super(scope, id);
    const { settings, environmentResources } = props;
    this.secret = new AgentKeySecret(this, "secret", props);
    this.instance = new AgentInstance(this, "instance", {
      ...props,
      secret: this.secret,
      dependsOn: environmentResources,
    });
    if (settings.rotation === "off") return;
    this.rotation = new AgentKeyRotation(this, "rotation", {
      secret: this.secret,
      rotationFunction: props.rotationFunction,
      schedule: settings.rotation,
      // And so, by way of the instance, on whatever of the environment must be there first.
      dependsOn: [this.instance.resource],
    });
  }
}
