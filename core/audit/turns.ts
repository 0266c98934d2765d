import { graceEndsAt, type InstanceFacts, isPutByHand } from "./facts";
import { carriedOver } from "./find";
import { dueIn, firstSlotDue, HOURLY_MS, type Turn } from "./intervals";
import { hasLasted } from "./refusals";
import { type Run, slotOfRun } from "./run";
import { needsValue, pauseOf } from "./unfinished";

/** A key whose value is looked at in this run. */
export interface DueLook {
  readonly look: InstanceFacts;
  /** `now`: before all others, since something is the matter with it. */
  readonly turn: Turn | "now";
  /** The slot in which its turn came: this run's, or one that has to be made up for. */
  readonly slot: number;
}

/** The keys whose turn it is, in the order in which they are looked at. */
export function dueLooks(shallow: readonly InstanceFacts[], run: Run): DueLook[] {
  const from = firstSlotDue(run.before.checkedThrough, run.now);
  return shallow
    .map((look) => {
      const turn = turnOf(look, run);
      return { look, turn, slot: from + (turn === "now" ? 0 : dueIn(look.secretName, turn, from)) };
    })
    .filter(({ slot }) => slot <= slotOfRun(run))
    .sort((a, b) => a.slot - b.slot);
}

/** When it is a key's turn. */
export function turnOf(look: InstanceFacts, run: Run): Turn | "now" {
  const { before, now } = run;
  const carried = carriedOver(look, before);
  const askedAt = before.askedAt[look.secretArn] ?? 0;
  const isBeingHealed = carried.some(({ heals }) => heals) && now - askedAt < HOURLY_MS;
  // Nothing but the value tells whether it is there again. As long as it isn't, the look costs one call.
  const wasMissing = carried.some(({ name }) => name === "current-missing");
  if (needsValue(look) || isBeingHealed || wasMissing || hasPauseEnded(look, run)) return "now";
  const refusal = before.refusals?.[look.secretArn];
  if (refusal && !hasLasted(refusal)) return "now";
  // What ended some keys may have ended others.
  if (Object.keys(before.refusals ?? {}).length > 1) return "hourly";
  const isHourly = isWatchedHourly(look, carried.length > 0 || look.askedAt !== undefined, now);
  return isHourly ? "hourly" : "evening";
}

/**
 * Whether a key is looked at every hour: a grace period runs or has just ended, something was found, or a label was moved or
 * a value stored by hand.
 */
export function isWatchedHourly(facts: InstanceFacts, hadFinding: boolean, now: number): boolean {
  const graceEnd = graceEndsAt(facts);
  return hadFinding || isPutByHand(facts) || (graceEnd !== undefined && now < graceEnd + 2 * HOURLY_MS);
}

/** What was found during a pause was left alone. */
function hasPauseEnded(look: InstanceFacts, { before, now }: Run): boolean {
  const wasPaused = before.found.some(({ instance, name }) => instance === look.id && name === "paused");
  return wasPaused && pauseOf(look, now) === undefined;
}
