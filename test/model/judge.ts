import type { Judge } from "./explore";
import { promisedOutage } from "./promise";
import type { Configuration } from "./world";

/** A story's own violations, and an outage longer than the promise. */
export function judgeBy(configuration: Configuration): Judge {
  return (telling, faults) => {
    const longest = Math.max(0, ...telling.outages.map(({ from, until }) => until - from));
    const promised = promisedOutage(configuration, faults);
    return longest > promised
      ? [
          ...telling.violations,
          {
            rule: "AWSCURRENT is accepted, outside the table's gaps",
            detail: `${longest / 1_000} s, promised at most ${promised / 1_000} s`,
          },
        ]
      : telling.violations;
  };
}
