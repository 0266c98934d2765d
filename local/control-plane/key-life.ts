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

  const endOfCurrent = graceRuns && secondRefresh === "E" ? now : now + graceMs;
  return [
    ...(secondRefresh === "B" ? earlier.map((key) => endedBy(key, now)) : earlier),
    ...current.map((key) => endedBy(key, endOfCurrent)),
  ];
}

/** The key, dead from that moment on at the latest. */
export function endedBy(key: AgentKey, moment: number): AgentKey {
  return { ...key, diesAt: Math.min(key.diesAt ?? moment, moment) };
}
