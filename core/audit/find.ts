import type { InstanceFacts } from "./facts";
import { FINDINGS, type Finding } from "./findings";
import { findingsOf } from "./instance-findings";
import type { Memory, Remembered } from "./memory";
import type { Run } from "./run";
import { pauseOf } from "./unfinished";

/**
 * What is found of one instance: what its facts show and, if its value was not looked at in this audit, what the last such look has
 * shown. `failed` are findings of this audit about looks that failed; they stand in the place of older ones of the same name.
 */
export function find(
  facts: InstanceFacts,
  failed: readonly Finding[],
  { settings, before, now }: Run,
): Finding[] {
  const fresh = findingsOf(facts, settings.thresholds, now);
  if (facts.deep) return fresh;
  // Whether it heals was decided when it was found; a pause that began since then ends that.
  const isPaused = pauseOf(facts, now) !== undefined;
  const isAmong = (findings: readonly Finding[], { name, instance }: Finding) =>
    findings.some((each) => each.name === name && each.instance === instance);
  const carried = carriedOver(facts, before)
    .filter((each) => !isAmong(failed, each) && !isAmong(fresh, each))
    .map(({ since: _, pagedAt: __, ...found }) => ({ ...found, heals: found.heals && !isPaused }));
  return [...fresh, ...carried];
}

/** What was found of an instance and only a look at its value can end. */
export function carriedOver({ id }: InstanceFacts, { found }: Pick<Memory, "found">): Remembered[] {
  return found.filter(({ instance, name }) => instance === id && FINDINGS[name].shownBy.includes("value"));
}
