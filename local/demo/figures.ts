import { DEMO_APP_ID, type LocalRun } from "../local-run";
import type { ConsumerReport } from "./consumer";
import { CONSUMER_APP_ID } from "./consumers";
import type { LeakSearch } from "./leak-search";
import type { Skip } from "./progress";

/** Numbers of calls by operation. */
export type Calls = Readonly<Record<string, number>>;

/** What the functions asked of each service. */
export interface ServiceCalls {
  readonly secretsManager: Calls;
  /** Undefined where the emulator is the user's own, since nobody counts there. */
  readonly dynamoDb: Calls | undefined;
  /** All requests: to be taken only while nobody but the functions calls. */
  readonly controlPlane: Calls;
}

export interface StoryFigures {
  readonly environment: string;
  readonly instances: number;
  readonly resources: { readonly perInstance: number; readonly perEnvironment: number };
  /** What the functions asked of each service. */
  readonly calls: {
    readonly provisioning?: ServiceCalls;
    /** What Secrets Manager runs when rotation is switched on: `testSecret` alone. */
    readonly dryRun?: ServiceCalls;
    readonly rotation?: ServiceCalls;
  };
  readonly consumers: { readonly calls: number; readonly failedCalls: number; readonly reads: number };
  readonly startUpReader?: ConsumerReport;
  /** What doesn't apply to the environment. */
  readonly skipped: readonly Skip[];
  readonly leaks: LeakSearch & { readonly keys: number };
}

/** The fingerprints of an instance's keys, by the time at which they were looked at. */
export type KeyHistory = Record<string, Record<string, string>>;

export type CountedRun = Pick<LocalRun, "secretsManager" | "controlPlane" | "dynamoDb">;

/** How many calls the functions make while `work` runs, as the local servers count them. */
export async function countCalls(run: CountedRun, work: () => Promise<unknown>): Promise<ServiceCalls> {
  const before = callsSoFar(run);
  await work();
  const after = callsSoFar(run);
  return {
    secretsManager: difference(after.secretsManager, before.secretsManager),
    dynamoDb: after.dynamoDb && difference(after.dynamoDb, before.dynamoDb ?? {}),
    controlPlane: difference(after.controlPlane, before.controlPlane),
  };
}

/** What is left of `calls` per instance once each instance's share of something else that ran meanwhile is taken off. */
export function perInstance(calls: ServiceCalls, other: ServiceCalls, instances: number): ServiceCalls {
  const share = (all: Calls, others: Calls): Calls =>
    nonZero(
      Object.keys(all).map((name) => [
        name,
        ((all[name] ?? 0) - (others[name] ?? 0) * instances) / instances,
      ]),
    );
  return {
    secretsManager: share(calls.secretsManager, other.secretsManager),
    dynamoDb: calls.dynamoDb && share(calls.dynamoDb, other.dynamoDb ?? {}),
    controlPlane: share(calls.controlPlane, other.controlPlane),
  };
}

export function total(calls: Calls): number {
  return Object.values(calls).reduce((sum, count) => sum + count, 0);
}

/** Those who call Secrets Manager and aren't the functions: the functions' names belong to their runtime. */
const OTHERS = ["terraform", CONSUMER_APP_ID, DEMO_APP_ID];

/** The functions' calls of Secrets Manager so far. */
export function secretsManagerCalls({ secretsManager }: Pick<CountedRun, "secretsManager">): Calls {
  const ofFunctions: Record<string, number> = {};
  for (const [caller, operations] of Object.entries(secretsManager.calls.byCaller)) {
    if (OTHERS.includes(caller)) continue;
    for (const [name, count] of Object.entries(operations))
      ofFunctions[name] = (ofFunctions[name] ?? 0) + count;
  }
  return ofFunctions;
}

function callsSoFar(run: CountedRun): ServiceCalls {
  const { controlPlane, dynamoDb } = run;
  return {
    secretsManager: secretsManagerCalls(run),
    dynamoDb: dynamoDb && { ...dynamoDb.calls },
    controlPlane: { ...controlPlane.calls },
  };
}

function difference(after: Calls, before: Calls): Calls {
  return nonZero(Object.keys(after).map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
}

function nonZero(entries: [string, number][]): Calls {
  return Object.fromEntries(entries.filter(([, count]) => count !== 0));
}
