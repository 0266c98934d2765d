import type { Budget } from "../budget";
import { isControlPlaneError } from "../control-plane/errors";
import type { SecretStore } from "../secrets/secret-store";
import type { Directory } from "./connect";
import { type InstanceFacts, lookDeeply } from "./facts";
import { type Failure, isAboutKeys } from "./failures";
import { carriedOver } from "./find";
import { isRefused } from "./refusals";
import { RESERVE_MS, type Run, slotOfRun } from "./run";
import { dueLooks } from "./turns";
import type { Use } from "./use";

export interface LookingAtValues {
  readonly secrets: Pick<SecretStore, "readVersion">;
  readonly budget: Budget;
  readonly use: Use;
}

export interface ValuesLook {
  /** All that were given, with what the values and the Control Plane say of those whose turn it was. */
  readonly facts: readonly InstanceFacts[];
  /** The last slot whose looks are all done. The next run goes on after it. */
  readonly checkedThrough: number;
  readonly failures: readonly Failure[];
}

/** Unreadable answers about keys in one run, after which no others are asked for. */
const MOST_UNREADABLE = 5;
/** Other keys that are asked about, if some are refused and none is accepted: whether any is. */
const MOST_CONTROLS = 3;

/**
 * If keys are refused and none is accepted in this run, looks at a few others: the Control Plane's refusals are believed if it
 * accepts one of these.
 */
export async function lookAtControls(
  { secrets, budget, use }: LookingAtValues,
  run: Run,
  facts: readonly InstanceFacts[],
  controlPlane: Directory | undefined,
): Promise<InstanceFacts[]> {
  const isAccepted = ({ deep }: InstanceFacts) => deep?.key?.accepted === true;
  const looks = new Map<string, InstanceFacts>();
  const isNeeded = controlPlane && facts.some(isRefused) && !facts.some(isAccepted);
  const others = facts.filter((each) => !each.deep && carriedOver(each, run.before).length === 0);
  for (const look of isNeeded ? others.slice(0, MOST_CONTROLS) : []) {
    if (!controlPlane || budget.remainingMs() < RESERVE_MS) break;
    use.beforeAnotherRead(look.id, controlPlane.now());
    try {
      const control = await lookDeeply({ secrets, controlPlane, clock: controlPlane }, look);
      looks.set(look.secretArn, control);
      if (isAccepted(control)) break;
    } catch {
      // It shows nothing; what is the matter is told by the looks whose turn it is.
    }
  }
  return facts.map((look) => looks.get(look.secretArn) ?? look);
}

/** Looks at the values whose turn it is, and asks the Control Plane about them, as long as time and Control Plane allow. */
export async function lookAtValues(
  { secrets, budget, use }: LookingAtValues,
  run: Run,
  shallow: readonly InstanceFacts[],
  controlPlane: Directory | undefined,
): Promise<ValuesLook> {
  const looks = new Map<string, InstanceFacts>();
  const failures: Failure[] = [];
  let checkedThrough = slotOfRun(run);
  let unreadable = 0;
  for (const { look, turn, slot } of dueLooks(shallow, run)) {
    if (!controlPlane || budget.remainingMs() < RESERVE_MS) {
      checkedThrough = slot - 1;
      break;
    }
    const clock = controlPlane;
    // A look that is made up for comes late: the value may have been read already.
    if (turn === "evening" && slot === slotOfRun(run)) use.beforeTurn(look, clock.now());
    else use.beforeAnotherRead(look.id, clock.now());
    try {
      looks.set(look.secretArn, await lookDeeply({ secrets, controlPlane, clock }, look));
    } catch (error) {
      // Whatever keeps all calls from being answered ends the looks; an answer about one key need not be that of the next.
      const isGeneral = isControlPlaneError(error) && !(isAboutKeys(error) && unreadable++ < MOST_UNREADABLE);
      if (isGeneral) {
        failures.push({ error });
        checkedThrough = slot - 1;
        break;
      }
      failures.push({ error, instance: look.id });
    }
  }
  const facts = shallow.map((look) => looks.get(look.secretArn) ?? look);
  return { facts, checkedThrough, failures };
}
