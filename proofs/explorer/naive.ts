import type { Fault } from "./faults";
import { RULES } from "./judge";
import * as variants from "./variants";
import type { Configuration } from "./world";

export interface NaiveVariant {
  readonly step: variants.Step;
  /** The rule that it breaks. */
  readonly breaks: string;
  /** Where it breaks it, as far as that differs from the first configuration. */
  readonly upon?: Partial<Configuration>;
  /** The faults to look among, where looking among all would take minutes. @default - all */
  readonly only?: readonly Fault[];
}

const MINTS = "no mint that nobody decided";
const CONVERGES = "converges once faults stop";

/** Each has to be caught, within two faults. */
export const NAIVE_VARIANTS: Readonly<Record<string, NaiveVariant>> = {
  "no intent": { step: variants.noIntent, breaks: RULES.current },
  "intent keyed by the token": {
    step: variants.intentKeyedByToken,
    breaks: RULES.current,
    upon: { retryToken: "new" },
  },
  "intent without compare-and-set": { step: variants.intentWithoutCompareAndSet, breaks: MINTS },
  "second mint without compare-and-set": {
    step: variants.secondMintWithoutCompareAndSet,
    breaks: MINTS,
    only: ["lost", "pause", "wake"],
  },
  "wait too short": { step: variants.waitTooShort, breaks: RULES.current },
  "promote before test": {
    step: variants.promoteBeforeTest,
    breaks: RULES.current,
    upon: { activationSeconds: 30 },
  },
  "mint on not-found": { step: variants.mintOnNotFound, breaks: RULES.current },
  "put with a new token after a lost answer": { step: variants.putWithANewToken, breaks: CONVERGES },
  "no guard": { step: variants.noGuard, breaks: RULES.previous, upon: { secondRefresh: "B" } },
  "promote in a later invocation": {
    step: variants.promoteInALaterInvocation,
    breaks: RULES.current,
    upon: { graceHours: 0 },
  },
  "strip AWSPENDING in finish": {
    step: variants.stripPendingAtTheEnd,
    breaks: "Secrets Manager counts the rotation as done",
    upon: { currentWithoutPending: "fails" },
  },
  "the official template, literally": { step: variants.officialTemplate, breaks: RULES.current },
};
