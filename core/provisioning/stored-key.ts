import type { KeyCheck } from "../control-plane/client";
import type { SecretLocation } from "../key/ownership";
import { type AgentKeyRecord, parseRecord, UnreadableSecretValueError } from "../key/stored-value";
import { ACTIVATION_MS } from "../protocol/timing";
import { type SecretDescription, versionWith } from "../secrets/secret-store";
import { type Job, POLL_MS, type ProvisioningDeps, ProvisioningError } from "./provisioning";

/** Throws a `ProvisioningError` with the way on if the value under AWSCURRENT is not one of ours. */
export function readRecord(
  { secretName }: SecretLocation,
  versionStages: SecretDescription["versionStages"],
  value: string,
): AgentKeyRecord {
  try {
    return parseRecord(value);
  } catch (error) {
    if (!(error instanceof UnreadableSecretValueError)) throw error;
    const current = versionWith("AWSCURRENT", versionStages);
    const previous = versionWith("AWSPREVIOUS", versionStages);
    throw new ProvisioningError(
      `the value under AWSCURRENT of ${secretName} is not one that this project wrote (${error.message}). ` +
        (previous
          ? `Put the version before it back, and deploy again: aws secretsmanager update-secret-version-stage --secret-id ` +
            `${secretName} --version-stage AWSCURRENT --move-to-version-id ${previous} --remove-from-version-id ${current}`
          : `There is none before it: remove the instance, deploy, and add it under a new id, which makes it anew; the value ` +
            `stays restorable for the secret's recovery window`),
    );
  }
}

/** A key that was minted just now may not be live yet: that is no reason to mint another. */
export async function checkOnceLive(
  { sleep }: Pick<ProvisioningDeps, "sleep">,
  { controlPlane }: Pick<Job, "controlPlane">,
  record: AgentKeyRecord,
): Promise<KeyCheck> {
  for (;;) {
    const check = await controlPlane.checkAgentKey(record.agentKey);
    if (check.accepted || controlPlane.now() >= record.issuedAt + ACTIVATION_MS) return check;
    await sleep(POLL_MS);
  }
}
