/** Where a story's lines go, such as `process.stdout`. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface Check {
  readonly name: string;
  readonly passed: boolean;
  /** What was seen. */
  readonly detail: string;
}

/** Something that is not checked, and why. */
export interface Skip {
  readonly name: string;
  readonly reason: string;
}

/** Tells a person what happens, keeps what was checked, and keeps what was said for the search for leaks. */
export class Progress {
  readonly checks: Check[] = [];
  readonly skipped: Skip[] = [];
  /** Seconds of real time by phase. */
  readonly seconds: Record<string, number> = {};
  private said = "";

  constructor(private readonly output: Output) {}

  /** Everything said so far. */
  get transcript(): string {
    return this.said;
  }

  get failed(): readonly Check[] {
    return this.checks.filter(({ passed }) => !passed);
  }

  say(text = ""): void {
    this.said += `${text}\n`;
    this.output.write(`${text}\n`);
  }

  /** Runs a phase, with its seconds ticking in a terminal, and in one line when it is done elsewhere. */
  async phase<T>(title: string, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const seconds = () => (performance.now() - startedAt) / 1_000;
    const tick = () => this.output.write(`\r  ${seconds().toFixed(0).padStart(5)} s  ${title} …`);
    const timer = this.output.isTTY ? setInterval(tick, 1_000) : undefined;
    let mark = "✘";
    try {
      if (timer) tick();
      const result = await work();
      mark = " ";
      return result;
    } finally {
      clearInterval(timer);
      this.seconds[title] = Number(seconds().toFixed(1));
      if (this.output.isTTY) this.output.write("\r\u001b[2K");
      this.say(`${mark} ${seconds().toFixed(1).padStart(5)} s  ${title}`);
    }
  }

  /** Notes a check, and says it. A failed one doesn't end the story: what comes after it may explain it. */
  check(name: string, passed: boolean, detail = ""): void {
    this.checks.push({ name, passed, detail });
    this.say(`            ${passed ? "✔" : "✘"} ${name}${detail === "" ? "" : `: ${detail}`}`);
  }

  /** Says by its name that something is not checked. */
  skip(name: string, reason: string): void {
    this.skipped.push({ name, reason });
    this.say(`            – skipped: ${name} (${reason})`);
  }
}
