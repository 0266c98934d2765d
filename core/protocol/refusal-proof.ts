/**
 * A refused key is dead only if refusals can be believed: what answers may be a proxy, a route that was renamed, or a Control
 * Plane that is ill. The auditor, which alone sees the keys of other instances, shows that, and leaves it upon the base for the
 * rotation function, which acts on nothing less.
 */
export interface RefusalProof {
  /** The current key's. */
  readonly fingerprint: string;
  /** On the Control Plane's clock. */
  readonly at: number;
  /**
   * `other-key`: another key was accepted in the same run. `looks`: there was none, and this one was refused in three looks over
   * 15 minutes, each time beside an operator's key that was accepted and an instance that was active. The latter is good for one
   * mint.
   */
  readonly by: "other-key" | "looks";
}

export interface RefusalProofs {
  read(secretArn: string, baseVersionId: string): Promise<RefusalProof | undefined>;
  write(secretArn: string, baseVersionId: string, proof: RefusalProof): Promise<void>;
}

/** A proof that is older says nothing of today's answers. */
export const PROOF_LASTS_MS = 60 * 60_000;

export function isProven(proof: RefusalProof | undefined, fingerprint: string, now: number): boolean {
  return (
    proof !== undefined && proof.fingerprint === fingerprint && Math.abs(now - proof.at) <= PROOF_LASTS_MS
  );
}
