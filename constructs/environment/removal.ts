import { REMOVAL_POLICIES, type RemovalPolicy } from "../../core/contract";
import { type Fault, oneOf, wholeNumber } from "./schema";

/** What becomes of an agent instance that is taken out of the configuration, and for how long its secret can be restored. */

export const removal = oneOf(REMOVAL_POLICIES);

export const recoveryWindowDays = wholeNumber(
  "must be 0 or 7–30 days",
  (value) => value === 0 || (value >= 7 && value <= 30),
);

interface Removal {
  readonly removal: RemovalPolicy;
  readonly recoveryWindowDays: number;
}

export function resolveRemoval({
  removal = "protect",
  recoveryWindowDays = removal === "delete" ? 0 : 30,
}: Partial<Removal>): Removal {
  return { removal, recoveryWindowDays };
}

export function wayBack({ removal, recoveryWindowDays }: Removal): Fault[] {
  if (removal !== "deactivate" || recoveryWindowDays !== 0) return [];
  return [
    {
      field: "recoveryWindowDays",
      rule: "must be 7–30 if `removal` is `deactivate`, since there would be no way back",
      got: recoveryWindowDays,
      fix: "leave it out, or choose `delete`",
    },
  ];
}
