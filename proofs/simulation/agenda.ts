/** Something that happens at its time: to an attempt, or to the agent's world. */
export type Happening = () => void | Promise<void>;

interface Entry {
  readonly at: number;
  readonly happen: Happening;
}

/** What is going to happen, by time; what was entered first goes first among equals. Few entries stand at any time. */
export class Agenda {
  private entries: Entry[] = [];

  /** Gives what takes the entry off again. Times are whole milliseconds, as the clocks of the services are. */
  enter(time: number, happen: Happening): () => void {
    const at = Math.round(time);
    const entry = { at, happen };
    // Kept with the next one last, so that taking it moves nothing.
    let place = this.entries.length;
    while (place > 0 && (this.entries[place - 1] as Entry).at <= at) place--;
    this.entries.splice(place, 0, entry);
    return () => {
      const found = this.entries.indexOf(entry);
      if (found >= 0) this.entries.splice(found, 1);
    };
  }

  /** Infinite where nothing is to happen. */
  nextAt(): number {
    return this.entries.at(-1)?.at ?? Number.POSITIVE_INFINITY;
  }

  take(): Happening | undefined {
    return this.entries.pop()?.happen;
  }
}
