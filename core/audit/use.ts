import type { ListedSecret } from "../secrets/fleet";
import { DAY_MS } from "../time";
import { isEvening } from "./intervals";

/** What is known of a key that nobody but the auditor was seen to read. */
export interface Unused {
  /** When the first such day began. */
  readonly since: number;
  /** When it was read again after a long time. That is told for a week. */
  readonly readAgainAt?: number;
}

/** What one audit leaves to the next about the use of keys, by the instances' ids. */
export interface UseMemory {
  readonly unused: Readonly<Record<string, Unused>>;
  /** Whose keys the auditor has read on this day before their turn: it can't tell any more whether others have. */
  readonly readEarly: { readonly day: number; readonly ids: readonly string[] };
}

const TOLD_FOR_MS = 7 * DAY_MS;
/** A record of DynamoDB has 400 kB, and each is a note among what is remembered. */
const MOST_UNUSED = 500;
const MOST_READ_EARLY = 1_000;

/**
 * Tells by Secrets Manager's date of the last read whether a key is in use. That date is a day of UTC, and the auditor's own reads
 * count too. A key's turn is therefore in the evening: before the auditor reads it then, the date is today's only if somebody
 * else has read it.
 */
export class Use {
  private readonly unused: Map<string, Unused>;
  private day: number;
  private readonly readEarly: Set<string>;

  constructor(
    { unused, readEarly }: UseMemory,
    private readonly notedAfterMs: number,
  ) {
    this.unused = new Map(Object.entries(unused));
    this.day = readEarly.day;
    this.readEarly = new Set(readEarly.ids);
  }

  of(id: string): Unused | undefined {
    return this.unused.get(id);
  }

  /** To be called before the auditor's one read of a day. */
  beforeTurn(
    { id, lastAccessedDay = 0, lastChangedAt }: ListedSecret & { readonly id: string },
    now: number,
  ) {
    const today = dayOf(now);
    // Rotations and deploys read the key too.
    if (!isEvening(now) || lastChangedAt >= today || this.wasReadEarly(id, today)) return;
    const unused = unusedAfter(this.unused.get(id), lastAccessedDay >= today, now, this.notedAfterMs);
    if (unused) this.unused.set(id, unused);
    else this.unused.delete(id);
  }

  /** To be called before a read of the auditor's at another time. */
  beforeAnotherRead(id: string, now: number) {
    if (this.day !== dayOf(now)) this.readEarly.clear();
    this.day = dayOf(now);
    this.readEarly.add(id);
  }

  /** What to remember. `ids` are the instances that are still there. */
  remembered(ids: ReadonlySet<string>): UseMemory {
    const unused = [...this.unused].filter(([id]) => ids.has(id)).slice(0, MOST_UNUSED);
    const readEarly = [...this.readEarly].slice(0, MOST_READ_EARLY);
    return { unused: Object.fromEntries(unused), readEarly: { day: this.day, ids: readEarly } };
  }

  private wasReadEarly(id: string, today: number): boolean {
    return this.day === today && (this.readEarly.has(id) || this.readEarly.size >= MOST_READ_EARLY);
  }
}

function unusedAfter(
  before: Unused | undefined,
  wasRead: boolean,
  now: number,
  notedAfterMs: number,
): Unused | undefined {
  const isTold = before?.readAgainAt !== undefined;
  if (isTold && now - before.readAgainAt < TOLD_FOR_MS) return before;
  const unused = isTold ? undefined : before;
  if (!wasRead) return unused ?? { since: dayOf(now) };
  return unused && now - unused.since >= notedAfterMs ? { ...unused, readAgainAt: now } : undefined;
}

/** When the day of UTC began. */
function dayOf(time: number): number {
  return Math.floor(time / DAY_MS) * DAY_MS;
}
