import type { Clock } from "../../core/clock";

/** Time that passes only when everything that could happen at a moment has happened. */
export class VirtualTime implements Clock {
  private readonly waiting: { readonly at: number; readonly go: () => void }[] = [];

  constructor(private time: number) {}

  now = () => this.time;

  readonly sleep = (milliseconds: number): Promise<void> =>
    new Promise((go) => {
      const at = this.time + Math.max(0, milliseconds);
      const later = this.waiting.findIndex((one) => one.at > at);
      this.waiting.splice(later < 0 ? this.waiting.length : later, 0, { at, go });
    });

  /** Plays until nobody waits any more. */
  async run(): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      const next = this.waiting.shift();
      if (!next) return;
      this.time = next.at;
      next.go();
    }
  }
}
