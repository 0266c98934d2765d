import type { ListedSecret } from "../secrets/fleet";
import { DAY_MS } from "../time";
import { isEvening } from "./intervals";

/** Of a key that nobody but the auditor was seen to read. */
export interface Unused {
  /** The first such day, by its begin. */
  readonly since: number;
  /** When it was read again after long; told for a week. */
  readonly readAgainAt?: number;
}

/** What one run leaves to the next about the use of keys, by the instances' ids. */
export interface UseMemory {
  readonly unused: Readonly<Record<string, Unused>>;
  /** Whose key the auditor has read on this day before its turn: of others it can't tell then. */
  readonly readEarly: { readonly day: number; readonly ids: readonly string[] };
}

const TOLD_FOR_MS = 7 * DAY_MS;
/** A record of DynamoDB has 400 kB, and each is a note among what is remembered. */
const MOST_UNUSED = 500;
const MOST_READ_EARLY = 1_000;

/**
 * Whether keys are read, by Secrets Manager's date of the last read. It knows days of UTC only, and counts the auditor's own
 * reads. A key's turn is therefore in the evening, and before the auditor reads it then, the date is today's only where
 * somebody else has read it.
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

  /** Before the one read of a day. */
  beforeTurn(
    { id, lastAccessedDay = 0, lastChangedAt }: ListedSecret & { readonly id: string },
    now: number,
  ) {
    const today = dayOf(now);
    // Rotations and deploys read it too.
    if (!isEvening(now) || lastChangedAt >= today || this.wasReadEarly(id, today)) return;
    const unused = unusedAfter(this.unused.get(id), lastAccessedDay >= today, now, this.notedAfterMs);
    if (unused) this.unused.set(id, unused);
    else this.unused.delete(id);
  }

  /** A read of the auditor's at another time. */
  beforeAnotherRead(id: string, now: number) {
    if (this.day !== dayOf(now)) this.readEarly.clear();
    this.day = dayOf(now);
    this.readEarly.add(id);
  }

  /** Of those that there still are. */
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

/** The begin of a day of UTC. */
function dayOf(time: number): number {
  return Math.floor(time / DAY_MS) * DAY_MS;
}
