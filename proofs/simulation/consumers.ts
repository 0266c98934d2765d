import { DAY, HOUR, MINUTE } from "../../local/clock";
import { Random } from "../harness/random";
import type { CurrentSpan, History } from "./history";
import type { ServiceOutage } from "./weather";

/** One call a minute. */
const CALL_EVERY = MINUTE;
const RESTART_EVERY = 30 * DAY;

export interface Consumer {
  readonly name: string;
  /** For how long it uses what it has read; `undefined`: until it is started again. */
  readonly cacheMs: number | undefined;
  /** The first read at or after a moment; later than planned where Secrets Manager is down. */
  readonly readAfter: (time: number) => { readonly at: number; readonly delayed: boolean };
}

/** A key that a consumer goes on using after it has died. */
export interface Failure {
  readonly consumer: Consumer;
  /** Its number in the order of minting. */
  readonly key: number;
  readonly from: number;
  readonly until: number;
  readonly calls: number;
  /** When AWSCURRENT left the key, or the end of the years. */
  readonly leftAt: number;
  /** Whether the read that would have helped met an outage. */
  readonly delayed: boolean;
}

/** Each agent's: three that cache for 1 to 48 hours, and one that reads at its start only. */
export function consumersOf(
  seed: number,
  index: number,
  { from, until }: Pick<History, "from" | "until">,
  outages: readonly ServiceOutage[],
): readonly Consumer[] {
  const random = new Random(`${seed}/${index}/consumers`);
  const caching = [
    [1, 6],
    [6, 24],
    [24, 48],
  ].map(([least, most]) => {
    const cacheMs = Math.round(random.magnitude((least as number) * HOUR, (most as number) * HOUR));
    const phase = from + Math.round(random.next() * cacheMs);
    return {
      name: `caches for ${least} to ${most} h`,
      cacheMs,
      readAfter: throughOutages(outages, (time) => Math.ceil((time - phase) / cacheMs) * cacheMs + phase),
    };
  });
  const starts = [from];
  while ((starts.at(-1) as number) < until)
    starts.push((starts.at(-1) as number) + Math.round(random.wait(RESTART_EVERY)));
  const startAfter = (time: number) => starts.find((start) => start >= time) ?? Number.POSITIVE_INFINITY;
  return [
    ...caching,
    {
      name: "reads at its start",
      cacheMs: undefined,
      readAfter: throughOutages(outages, startAfter),
    },
  ];
}

/** A read that Secrets Manager does not answer is made again when the outage is over. */
function throughOutages(
  outages: readonly ServiceOutage[],
  plannedAfter: (time: number) => number,
): Consumer["readAfter"] {
  const overlapping = (time: number) => outages.find((outage) => outage.from <= time && time < outage.until);
  return (time) => {
    const running = overlapping(time);
    // The read planned before `time`, if an outage has held it up until after it.
    if (running && plannedAfter(running.from) < time) return { at: running.until, delayed: true };
    const planned = plannedAfter(time);
    const outage = overlapping(planned);
    return outage ? { at: outage.until, delayed: true } : { at: planned, delayed: false };
  };
}

/**
 * The calls that fail, without making one: a consumer holds a key from its first read while the key is under AWSCURRENT
 * until its first read thereafter, and its calls fail in as much of that as lies after the key's death. With a call a
 * minute that is exact, and costs a few operations for each rotation instead of five million calls for each agent.
 */
export function failuresOf(consumer: Consumer, history: History): readonly Failure[] {
  return history.current.flatMap((span) => failureIn(consumer, history, span) ?? []);
}

function failureIn(consumer: Consumer, history: History, span: CurrentSpan): Failure | undefined {
  const diesAt = history.keys[span.key]?.diesAt ?? null;
  if (diesAt === null) return undefined;
  const first = consumer.readAfter(span.from).at;
  const { at: next, delayed } = consumer.readAfter(span.until);
  const from = Math.max(first, diesAt);
  const until = Math.min(next, history.until);
  const calls = Math.ceil(until / CALL_EVERY) - Math.ceil(from / CALL_EVERY);
  return calls > 0 ? { consumer, key: span.key, from, until, calls, leftAt: span.until, delayed } : undefined;
}

export const callsOf = ({ from, until }: Pick<History, "from" | "until">): number =>
  Math.ceil(until / CALL_EVERY) - Math.ceil(from / CALL_EVERY);
