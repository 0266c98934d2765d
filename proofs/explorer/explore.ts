import type { Fault, Schedule } from "./faults";
import { Story, type StoryOptions, type Telling } from "./story";

export interface Exploration {
  readonly stories: number;
  readonly states: number;
  readonly edges: number;
  /** Whether any mint was asked for with an earlier one's idempotency key. */
  readonly repeatsIdempotencyKey: boolean;
  /** The first found of each rule: no shorter one exists. */
  readonly counterexamples: readonly Counterexample[];
}

export interface Counterexample {
  readonly rule: string;
  readonly detail: string;
  readonly schedule: Schedule;
  readonly lines: readonly string[];
}

export type Judge = (
  telling: Telling,
  faults: readonly Fault[],
) => readonly { rule: string; detail: string }[];

export interface ExploreOptions {
  /** Calls after the last fault upon which a further one is tried. @default 120 */
  readonly horizon?: number;
  /** Look for this rule's first counterexample only, and stop there. @default - all rules, to the end */
  readonly until?: string;
  /** @default - every fault */
  readonly only?: readonly Fault[];
}

/** `wake` is when a paused attempt goes on, and no fault of its own. */
const isFault = (fault: Fault) => fault !== "wake";

/**
 * Every schedule of up to `bound` faults, breadth first, so that the first counterexample of a rule is a shortest one.
 * A state that was reached before, with as few faults, is not followed again: the rest of its story is known.
 */
export async function explore(
  options: Omit<StoryOptions, "schedule" | "isKnown">,
  bound: number,
  judge: Judge,
  { horizon = 120, until, only }: ExploreOptions = {},
): Promise<Exploration> {
  const seen = new Set<string>();
  const counterexamples = new Map<string, Counterexample>();
  let stories = 0;
  let edges = 0;
  let repeatsIdempotencyKey = false;
  let level: Schedule[] = [new Map()];
  for (let faults = 0; faults <= bound; faults++) {
    const next: Schedule[] = [];
    for (let i = 0; i < level.length; i++) {
      const schedule = level[i] as Schedule;
      // A pause, in which a worker sees whether its parent is still there.
      if (stories % 50 === 0) await new Promise(setImmediate);
      const telling = await new Story({ ...options, schedule, isKnown: (state) => seen.has(state) }).tell();
      stories++;
      repeatsIdempotencyKey ||= telling.repeatsIdempotencyKey;
      for (const { rule, detail } of judge(telling, [...schedule.values()])) {
        if ((until ?? rule) !== rule || counterexamples.has(rule)) continue;
        counterexamples.set(rule, { rule, detail, schedule, lines: telling.lines });
      }
      if (until !== undefined && counterexamples.size > 0) break;
      for (const point of telling.points.slice(0, horizon)) {
        edges++;
        if (seen.has(point.fingerprint)) break;
        seen.add(point.fingerprint);
        for (const fault of point.options) {
          const child = new Map(schedule).set(point.index, fault);
          if (only && !only.includes(fault)) continue;
          // A wake belongs to this level: it is told later in the same round.
          if (!isFault(fault)) level.push(child);
          else if (faults < bound) next.push(child);
        }
      }
    }
    level = until !== undefined && counterexamples.size > 0 ? [] : next;
  }
  return {
    stories,
    states: seen.size,
    edges,
    repeatsIdempotencyKey,
    counterexamples: [...counterexamples.values()],
  };
}
