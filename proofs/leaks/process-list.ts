import { readdirSync, readFileSync } from "node:fs";

/** Reads, over and over, the arguments of every process of this machine, and keeps each that it saw. */
export class ProcessList {
  private readonly seen = new Set<string>();
  private readonly timer: NodeJS.Timeout;
  /** How often the list was read. */
  looks = 0;

  /** @param intervalMs from one look to the next. @default 40 */
  constructor(intervalMs = 40) {
    this.timer = setInterval(() => this.look(), intervalMs);
  }

  look(): void {
    this.looks += 1;
    for (const entry of readdirSync("/proc")) {
      if (!/^\d+$/.test(entry)) continue;
      try {
        this.seen.add(readFileSync(`/proc/${entry}/cmdline`, "latin1"));
      } catch {
        // It has ended since.
      }
    }
  }

  /** Every list of arguments that was seen, one a line. */
  get text(): string {
    return [...this.seen].join("\n");
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
