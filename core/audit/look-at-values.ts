import type { Budget } from "../budget";
import { isControlPlaneError } from "../control-plane/errors";
import type { SecretStore } from "../secrets/secret-store";
import type { Directory } from "./connect";
import type { InstanceFacts } from "./facts";
import type { Failure } from "./failures";
import { lookDeeply } from "./look-at-instance";
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
  /** The last slot whose looks are all done. The next audit goes on after it. */
  readonly checkedThrough: number;
  readonly failures: readonly Failure[];
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
      if (isControlPlaneError(error)) {
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
