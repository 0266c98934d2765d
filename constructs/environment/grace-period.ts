import { WHOLE_DAY_WINDOW_HOURS } from "../../core/contract";
import type { ResolvedRotation } from "./rotation";
import { type Fault, wholeNumber } from "./schema";

/** Hours from the mint of a key until it must be under AWSCURRENT, retries included. */
const PROMOTION_HOURS = 1;

/** Hours after which an agent has read the secret again: the default of AWS's caching libraries. */
const REREAD_HOURS = 1;

/** The shortest grace period, beside none at all, within which a rotation reaches the agents. */
export const MINIMUM_GRACE_PERIOD_HOURS = PROMOTION_HOURS + REREAD_HOURS;

export const gracePeriodHours = wholeNumber(
  `must be 0, if an old key ends at once, or a whole number from ${MINIMUM_GRACE_PERIOD_HOURS} on: ` +
    `${PROMOTION_HOURS} hour to promote a new key and ${REREAD_HOURS} hour for agents to read it`,
  (value) => value === 0 || value >= MINIMUM_GRACE_PERIOD_HOURS,
  "give the grace period of the Control Plane",
);

/** A rotation ends the key of the one before. It must not come before that key's grace period is over. */
export function graceBetweenRotations({
  rotation,
  controlPlane,
}: {
  readonly rotation: ResolvedRotation;
  readonly controlPlane: { readonly gracePeriodHours: number };
}): Fault[] {
  if (rotation === "off") return [];
  const { automaticallyAfterDays, windowHours = WHOLE_DAY_WINDOW_HOURS } = rotation;
  const { gracePeriodHours } = controlPlane;
  if (automaticallyAfterDays * 24 - windowHours >= gracePeriodHours) return [];
  return [
    {
      field: "rotation.automaticallyAfterDays",
      rule:
        `must leave the grace period of ${gracePeriodHours} hours between the end of one rotation window ` +
        `(${windowHours} hours) and the start of the next, else a rotation ends a key before its time`,
      got: automaticallyAfterDays,
      fix: `make it ${Math.ceil((gracePeriodHours + windowHours) / 24)} or more`,
    },
  ];
}
