import type { Budget, Sleep } from "../budget";
import type { Clock } from "../clock";
import type { ControlPlane } from "../control-plane/client";
import type { Log } from "../log";
import type { IntentStore } from "../protocol/intent";
import type { RefusalProofs } from "../protocol/refusal-proof";
import { Stop, type StopName } from "../protocol/stops";
import type { SecretDescription, SecretStore } from "../secrets/secret-store";

export const ROTATION_STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];

export interface RotationRequest {
  readonly step: RotationStep;
  readonly secretArn: string;
  /** Secrets Manager's `ClientRequestToken`: the id of the version to come. */
  readonly token: string;
  readonly rotationToken?: string;
}

/** A request that has passed the guards of its step. */
export interface Rotation extends RotationRequest {
  /** The version under AWSCURRENT. */
  readonly base: string;
  readonly description: SecretDescription;
}

export interface RotationDeps {
  readonly secrets: SecretStore;
  readonly intents: IntentStore;
  readonly proofs: Pick<RefusalProofs, "read">;
  /** AWS's time, for when the Control Plane's can't be had. */
  readonly clock: Clock;
  /** Reads the operator's API key and gives a client; throws the `Stop` `operator-key-missing` where it is not there. */
  readonly connect: () => Promise<ControlPlane>;
  readonly gracePeriodMs: number;
  readonly budget: Budget;
  readonly sleep: Sleep;
  readonly newId: () => string;
  readonly log: Log;
}

/** Kept back from every wait, to say what went wrong. */
export const LAST_WORDS_MS = 3_000;

/** Takes AWSPENDING off this attempt's version, where it is, and stops by name. */
export async function dropPending(
  deps: RotationDeps,
  rotation: Rotation,
  { versionStages }: SecretDescription,
  state: StopName,
  detail = "",
): Promise<never> {
  if (versionStages[rotation.token]?.includes("AWSPENDING")) {
    await deps.secrets.removePending(rotation.secretArn, rotation.token);
  }
  throw new Stop(state, detail);
}
