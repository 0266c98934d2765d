import { createHash, randomBytes } from "node:crypto";

/** Length of every text that a `TokenSource` gives: 32 lower-case hexadecimal digits. */
export const TOKEN_LENGTH = 32;

/**
 * Where ids and keys come from. Called with a serial number that counts up and is part of the state, so that a source
 * which is a pure function of it gives a restored state the same ids and keys again.
 */
export type TokenSource = (serial: number) => string;

/** Unpredictable: for a server. */
export const randomTokens: TokenSource = () => randomBytes(TOKEN_LENGTH / 2).toString("hex");

/** The same tokens for the same seed and serial: for tests, the model explorer and the simulation. */
export function seededTokens(seed: string): TokenSource {
  return (serial) => createHash("sha256").update(`${seed}:${serial}`).digest("hex").slice(0, TOKEN_LENGTH);
}
