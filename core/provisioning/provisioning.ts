import type { Budget, Sleep } from "../budget";
import type { ControlPlaneAuth, ProvisioningInput } from "../contract";
import type { ControlPlane } from "../control-plane/client";
import type { SecretLocation } from "../key/ownership";
import type { Log } from "../log";
import type { IntentStore } from "../protocol/intent";
import type { RefusalProofs } from "../protocol/refusal-proof";
import type { SecretDescription, SecretStore } from "../secrets/secret-store";

export interface ProvisioningDeps {
  readonly secrets: Pick<SecretStore, "describe" | "readCurrent" | "putVersion" | "tryToStore">;
  readonly intents: IntentStore;
  readonly proofs: Pick<RefusalProofs, "read">;
  /** Reads the operator's API key and gives a client; throws the `Stop` `operator-key-missing` if there is none. */
  readonly connect: () => Promise<ControlPlane>;
  readonly gracePeriodMs: number;
  /** For the command that the user is told to run if the present key is to be provided. */
  readonly apiKeySecretArn: string;
  readonly controlPlaneAuth: ControlPlaneAuth;
  readonly budget: Budget;
  readonly sleep: Sleep;
  readonly newId: () => string;
  readonly log: Log;
}

/** One instance that is to become what the input says, with what was read of its secret at the start. */
export interface Job {
  readonly input: ProvisioningInput;
  readonly secret: SecretLocation;
  readonly controlPlane: ControlPlane;
  readonly description: SecretDescription;
}

/** The instance cannot be provisioned or removed as asked. The text says why and what to do; it never holds a key. */
export class ProvisioningError extends Error {
  override readonly name = "ProvisioningError";
}

/** From one look to the next: whether a key is live yet, or whether another attempt has stored one. */
export const POLL_MS = 2_000;
