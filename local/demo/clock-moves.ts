import { HOUR } from "../clock";
import type { LocalRun } from "../local-run";
import type { Consumer } from "./consumers";

/** How far the clock moves between two beats of the consumers; consumer.ts says why it is less than the grace period. */
const STEP_MS = 12 * HOUR;

/** Moves the clock of a run in steps, and lets the consumers call and re-read after each. */
export class ClockMoves {
  constructor(
    private readonly run: Pick<LocalRun, "clock" | "secretsManager">,
    private readonly consumers: readonly Consumer[],
    private readonly graceMs: number,
    private readonly signal?: AbortSignal,
  ) {}

  async advanceBy(milliseconds: number): Promise<void> {
    const step = Math.min(STEP_MS, this.graceMs > 0 ? this.graceMs / 2 : STEP_MS);
    for (let left = milliseconds; left > 0; left -= step) {
      this.signal?.throwIfAborted();
      await this.run.secretsManager.advanceBy(Math.min(left, step));
      await Promise.all(this.consumers.map((consumer) => consumer.beat()));
    }
  }

  async advanceTo(time: number): Promise<void> {
    await this.advanceBy(time - this.run.clock.now());
  }
}
