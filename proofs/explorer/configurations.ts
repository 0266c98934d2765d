import { MINUTE, SECOND } from "../../local/clock";
import type { Configuration } from "./world";

const SEED: Configuration = {
  secondRefresh: "A",
  graceHours: 24,
  configuredGraceHours: 24,
  honoursIdempotencyKey: false,
  activationSeconds: 0,
  retryToken: "same",
  retryAfterMs: SECOND,
};

const BOTH_TOKENS = ["same", "new"] as const;

/**
 * What is undocumented, in combination. With a grace of zero there is no running grace, so that the behaviours of a second
 * refresh are one. Whether `Idempotency-Key` is honoured is a difference only where one is sent twice: the explorer looks
 * for that upon each of these, and explores the same once more, honoured, where it finds it.
 */
export const CONFIGURATIONS: readonly Configuration[] = [
  ...(["A", "B", "D", "E"] as const).flatMap((secondRefresh) =>
    BOTH_TOKENS.map((retryToken) => ({ ...SEED, secondRefresh, retryToken })),
  ),
  ...BOTH_TOKENS.map((retryToken) => ({ ...SEED, graceHours: 0, retryToken })),
  // A grace that is known to be zero, keys that are live late, and Secrets Manager's retries far apart.
  { ...SEED, graceHours: 0, configuredGraceHours: 0 },
  { ...SEED, activationSeconds: 30 },
  { ...SEED, graceHours: 0, activationSeconds: 30 },
  { ...SEED, retryAfterMs: 10 * MINUTE },
  { ...SEED, pauses: true },
  { ...SEED, graceHours: 0, pauses: true },
];

export function nameOf(configuration: Configuration): string {
  const {
    secondRefresh,
    graceHours,
    configuredGraceHours,
    honoursIdempotencyKey,
    activationSeconds,
    retryToken,
  } = configuration;
  return [
    graceHours === 0 ? `grace 0${configuredGraceHours === 0 ? " (known)" : ""}` : secondRefresh,
    honoursIdempotencyKey ? "idempotent" : "",
    activationSeconds > 0 ? `live after ${activationSeconds} s` : "",
    retryToken === "new" ? "new token" : "",
    configuration.pauses ? "with pauses" : "",
    configuration.retryAfterMs > MINUTE ? "slow retries" : "",
  ]
    .filter((part) => part !== "")
    .join(", ");
}
