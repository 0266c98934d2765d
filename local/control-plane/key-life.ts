import type { AgentKey, SecondRefresh } from "./model";
import { Refusal } from "./refusal";

/** What decides how long a key is accepted. */
export interface KeyRules {
  /** How long a replaced key is still accepted, in milliseconds; 0 ends it at once. */
  readonly graceMs: number;
  readonly secondRefresh: SecondRefresh;
}

/** Whether a key would be accepted at `now` if its instance were active. */
export function isLive(key: AgentKey, now: number): boolean {
  return key.liveFrom <= now && (key.diesAt === null || now < key.diesAt);
}

/**
 * The keys of an instance after its current one, the last, was replaced at `now`. Throws a `Refusal` if the behaviour is
 * `D` and an earlier key is still in its grace period.
 */
export function replaced(keys: readonly AgentKey[], now: number, rules: KeyRules): AgentKey[] {
  const { graceMs, secondRefresh } = rules;
  const earlier = keys.slice(0, -1);
  const current = keys.slice(-1);
  const graceRuns = earlier.some((key) => key.diesAt !== null && now < key.diesAt);
  if (graceRuns && secondRefresh === "D")
    throw new Refusal(409, "An earlier secret of this agent instance is still in its grace period");

  const endsEarlier = secondRefresh === "B";
  const endsCurrent = graceRuns && secondRefresh === "E";
  return [
    ...earlier.map((key) => (endsEarlier ? { ...key, diesAt: Math.min(key.diesAt ?? now, now) } : key)),
    ...current.map((key) => ({ ...key, diesAt: endsCurrent ? now : now + graceMs })),
  ];
}
