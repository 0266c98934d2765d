import type { Judge } from "./explore";
import { promisedOutage, promisedPrevious } from "./promise";
import type { Violation } from "./story";
import type { Configuration } from "./world";

export const RULES = {
  current: "AWSCURRENT is accepted, outside the table's gaps",
  previous: "a key that left AWSCURRENT lives on for the grace period",
} as const;

const seconds = (milliseconds: number) => `${milliseconds / 1_000} s`;

/** A story's own violations, and whatever breaks the numbers of the promise. */
export function judgeBy(configuration: Configuration): Judge {
  return ({ violations, outages, previousLived }, faults) => {
    const found: Violation[] = [...violations];
    const longest = Math.max(0, ...outages.map(({ from, until }) => until - from));
    const promised = promisedOutage(configuration, faults);
    if (longest > promised) {
      found.push({
        rule: RULES.current,
        detail: `${seconds(longest)} not, promised at most ${seconds(promised)}`,
      });
    }
    const shortest = Math.min(Number.POSITIVE_INFINITY, ...previousLived);
    const least = promisedPrevious(configuration, faults);
    if (shortest < least) {
      found.push({
        rule: RULES.previous,
        detail: `${seconds(shortest)}, promised at least ${seconds(least)}`,
      });
    }
    return found;
  };
}
