import { command } from "../command-line";
import type { ProvisioningInput } from "../contract";
import type { AgentInstance } from "../control-plane/client";
import { ownershipOf } from "../key/ownership";
import { requiredToCreate } from "./instance-fields";
import { type Job, type ProvisioningDeps, ProvisioningError } from "./provisioning";

/**
 * The instance that is there already and may be given a key: the one that the input adopts, or one of ours that an earlier
 * attempt made. Throws if its users would lose the key that they hold.
 */
export async function instanceToTakeOver(
  deps: ProvisioningDeps,
  job: Job,
): Promise<AgentInstance | undefined> {
  return job.input.adopt ? adopted(deps, job, job.input.adopt) : ownInstanceOfName(job);
}

async function adopted(
  deps: ProvisioningDeps,
  job: Job,
  { agentInstanceId, existingKey }: NonNullable<ProvisioningInput["adopt"]>,
): Promise<AgentInstance> {
  const instance = await job.controlPlane.getInstance(agentInstanceId);
  if (!instance) {
    throw new ProvisioningError(
      `adopt.agentInstanceId: the Control Plane has no instance of that id, got ${agentInstanceId}`,
    );
  }
  if (ownershipOf(instance.description, job.secret) === "theirs") throw managedElsewhere(instance);
  if (existingKey === "refresh") return instance;
  throw new ProvisioningError(
    `agent instance ${agentInstanceId} waits for its present key. Run the following, which reads the key from ` +
      `standard input, checks it and stores it; then deploy again. Nothing was minted:\n` +
      `  ${adoptCommand(deps, job)}`,
  );
}

/** The command by which a person stores the key that an adopted instance has now. */
export function adoptCommand(
  { apiKeySecretArn, controlPlaneAuth }: ProvisioningDeps,
  { secret }: Pick<Job, "secret">,
): string {
  return command(
    `adopt --secret ${secret.secretName} --region ${secret.region} ` +
      `--api-key-secret ${apiKeySecretArn} --auth ${controlPlaneAuth}`,
  );
}

/** The instance of the configured name, if it is ours. Throws if it is somebody else's, whose users depend on its key. */
export async function ownInstanceOfName({
  input,
  secret,
  controlPlane,
}: Job): Promise<AgentInstance | undefined> {
  const name = requiredToCreate(input.name, "name");
  const listed = await controlPlane.findInstanceByName(name);
  // Lists do not give the description.
  const instance = listed && (await controlPlane.getInstance(listed.id));
  if (!instance) return undefined;
  switch (ownershipOf(instance.description, secret)) {
    case "ours":
      return instance;
    case "theirs":
      throw managedElsewhere(instance);
    case "unmarked":
      throw new ProvisioningError(
        `name: the Control Plane has an instance named '${name}' already (${instance.id}), which this project did not ` +
          `make; refreshing its key would start the last hours of the key that its users hold. Choose another name, or ` +
          `adopt it: adopt: { agentInstanceId: '${instance.id}', existingKey: 'refresh' } mints a new key, and the ` +
          `present one lives for the grace period only; existingKey: 'provided' mints nothing and asks for the present key`,
      );
  }
}

export function managedElsewhere(instance: AgentInstance): ProvisioningError {
  return new ProvisioningError(
    `agent instance ${instance.id} ('${instance.name}') carries the ownership marker of another secret; choose another ` +
      `name, or take it out of the environment that manages it`,
  );
}
