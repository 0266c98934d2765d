import type { Configuration } from "../explorer/world";
import { AgentLife, type AgentOptions, SIMULATION_START, YEAR } from "./agent";
import { callsOf, consumersOf, failuresOf } from "./consumers";
import type { History } from "./history";
import { Judge, type Violation } from "./judge";
import { Weather } from "./weather";

/** An extreme, and the agent that reached it. */
export interface Extreme {
  readonly ms: number;
  readonly agent: number;
}

export interface Sum {
  readonly times: number;
  readonly ms: number;
  readonly longestMs: number;
}

/** What one agent's years, or a fleet's, come to. Plain data; two of them add up in any grouping, in order of agents. */
export interface Figures {
  readonly agents: number;
  readonly rotations: number;
  readonly mints: number;
  /** Minted, and never stored: each one accounted for in the intent table. */
  readonly lostKeys: number;
  readonly mintsByHand: number;
  readonly deploys: number;
  readonly deploysFailed: number;
  /** By strike, outages of services apart. */
  readonly faults: Readonly<Record<string, number>>;
  /** Calls that failed in an outage, by service. */
  readonly outageFaults: Readonly<Record<string, number>>;
  readonly longestMintToPromotion: Extreme | null;
  /** Of the old key, when AWSCURRENT left it. */
  readonly leastGraceLeft: Extreme | null;
  readonly leastGraceLeftByHand: Extreme | null;
  readonly oldestKey: Extreme | null;
  readonly longestNotAccepted: Extreme | null;
  readonly notAccepted: Readonly<Record<string, Sum>>;
  readonly calls: number;
  readonly failedCalls: Readonly<Record<string, number>>;
  readonly violations: readonly (Violation & { readonly agent: number })[];
}

/** Runs one agent's years, and gives what became of it. */
export async function liveAgent(options: AgentOptions, tell?: (line: string) => void) {
  const history = await new AgentLife(options, tell).live();
  const judge = judgeOf(options, history);
  const consumers = consumersOf(
    options.seed,
    options.index,
    history,
    weatherOf(options).within(history.from, history.until, ["Secrets Manager"]),
  );
  const failures = consumers
    .flatMap((consumer) => failuresOf(consumer, history))
    .map((failure) => ({ failure, cause: judge.causeOfFailure(failure) }));
  const notAccepted = judge.notAccepted();
  const violations = judge.violations(failures);
  return { history, judge, consumers, failures, notAccepted, violations };
}

export type AgentOutcome = Awaited<ReturnType<typeof liveAgent>>;

export const weatherOf = ({ seed, years, faultRate }: AgentOptions) =>
  new Weather(seed, SIMULATION_START, SIMULATION_START + (years + 1) * YEAR, faultRate);

function judgeOf(options: AgentOptions, history: History): Judge {
  const { secondRefresh, graceHours } = options;
  const configuration: Configuration = {
    secondRefresh,
    graceHours,
    configuredGraceHours: graceHours,
    honoursIdempotencyKey: false,
    activationSeconds: 0,
    retryToken: "same",
    retryAfterMs: 0,
  };
  return new Judge(history, configuration, weatherOf(options));
}

export function figuresOf({ index }: AgentOptions, outcome: AgentOutcome): Figures {
  const { history, judge, consumers, failures, notAccepted, violations } = outcome;
  const { keys, current, struck } = history;
  const own = keys.filter(({ by }) => by !== "hand");
  const promotions = promotionsOf(history);
  const extreme = (values: readonly number[], pick: (...values: number[]) => number): Extreme | null =>
    values.length === 0 ? null : { ms: pick(...values), agent: index };
  const graceLeft = promotions.flatMap(({ at, replaced }) => {
    const diesAt = replaced === undefined ? null : (keys[replaced]?.diesAt ?? null);
    if (diesAt === null) return [];
    return [{ ms: Math.max(0, diesAt - at), byHand: judge.isByHand(judge.troubles(at, at)) }];
  });
  return {
    agents: 1,
    rotations: promotions.length,
    mints: own.length,
    lostKeys: own.filter(({ isStored }) => !isStored).length,
    mintsByHand: keys.length - own.length,
    deploys: history.deploys.done,
    deploysFailed: history.deploys.failed,
    faults: count(struck.filter(({ outageOf }) => outageOf === undefined).map(({ strike }) => [strike, 1])),
    outageFaults: count(struck.flatMap(({ outageOf }) => (outageOf === undefined ? [] : [[outageOf, 1]]))),
    longestMintToPromotion: extreme(
      promotions.map(({ at, key }) => at - (keys[key]?.mintedAt ?? at)),
      Math.max,
    ),
    leastGraceLeft: extreme(
      graceLeft.filter(({ byHand }) => !byHand).map(({ ms }) => ms),
      Math.min,
    ),
    leastGraceLeftByHand: extreme(
      graceLeft.filter(({ byHand }) => byHand).map(({ ms }) => ms),
      Math.min,
    ),
    oldestKey: extreme(
      current.map(
        ({ key, until }) => Math.min(until, keys[key]?.diesAt ?? until) - (keys[key]?.mintedAt ?? until),
      ),
      Math.max,
    ),
    longestNotAccepted: extreme(
      notAccepted.map(({ from, until }) => until - from),
      Math.max,
    ),
    notAccepted: notAccepted
      .map(({ cause, from, until }) => ({ [cause]: { times: 1, ms: until - from, longestMs: until - from } }))
      .reduce((sums, sum) => merge<Sum>(sums, sum, addSums), {}),
    calls: callsOf(history) * consumers.length,
    failedCalls: count(failures.map(({ failure, cause }) => [cause, failure.calls])),
    violations: violations.map((violation) => ({ ...violation, agent: index })),
  };
}

/** The moments at which AWSCURRENT moved to a key that a rotation had minted. */
export function promotionsOf({ keys, current }: History) {
  const seen = new Set<number>();
  return current.flatMap(({ key, from }, number) => {
    if (seen.has(key) || keys[key]?.by !== "rotation") return [];
    seen.add(key);
    return [{ key, at: from, replaced: current[number - 1]?.key }];
  });
}

export function addFigures(one: Figures, other: Figures): Figures {
  const largest = (a: Extreme | null, b: Extreme | null) => (a === null || (b && b.ms > a.ms) ? b : a);
  const smallest = (a: Extreme | null, b: Extreme | null) => (a === null || (b && b.ms < a.ms) ? b : a);
  return {
    agents: one.agents + other.agents,
    rotations: one.rotations + other.rotations,
    mints: one.mints + other.mints,
    lostKeys: one.lostKeys + other.lostKeys,
    mintsByHand: one.mintsByHand + other.mintsByHand,
    deploys: one.deploys + other.deploys,
    deploysFailed: one.deploysFailed + other.deploysFailed,
    faults: addCounts(one.faults, other.faults),
    outageFaults: addCounts(one.outageFaults, other.outageFaults),
    longestMintToPromotion: largest(one.longestMintToPromotion, other.longestMintToPromotion),
    leastGraceLeft: smallest(one.leastGraceLeft, other.leastGraceLeft),
    leastGraceLeftByHand: smallest(one.leastGraceLeftByHand, other.leastGraceLeftByHand),
    oldestKey: largest(one.oldestKey, other.oldestKey),
    longestNotAccepted: largest(one.longestNotAccepted, other.longestNotAccepted),
    notAccepted: merge(one.notAccepted, other.notAccepted, addSums),
    calls: one.calls + other.calls,
    failedCalls: addCounts(one.failedCalls, other.failedCalls),
    violations: [...one.violations, ...other.violations],
  };
}

type Counts = Readonly<Record<string, number>>;

const count = (entries: readonly (readonly [string, number])[]): Counts =>
  entries.reduce((counts, [name, number]) => addCounts(counts, { [name]: number }), {} as Counts);

const addCounts = (one: Counts, other: Counts): Counts => merge(one, other, (a = 0, b) => a + b);

function addSums(one: Sum | undefined, other: Sum): Sum {
  if (!one) return other;
  return {
    times: one.times + other.times,
    ms: one.ms + other.ms,
    longestMs: Math.max(one.longestMs, other.longestMs),
  };
}

function merge<T>(
  one: Readonly<Record<string, T>>,
  other: Readonly<Record<string, T>>,
  add: (a: T | undefined, b: T) => T,
): Readonly<Record<string, T>> {
  const merged: Record<string, T> = { ...one };
  for (const [name, value] of Object.entries(other)) merged[name] = add(merged[name], value);
  return merged;
}
