import type { Budget, Sleep } from "../budget";
import type { Clock } from "../clock";
import type { IntentReader } from "../intent-table/intent-reader";
import type { Log } from "../log";
import { type IntentStore, isHalted } from "../protocol/intent";
import type { RefusalProofs } from "../protocol/refusal-proof";
import type { Fleet } from "../secrets/fleet";
import type { SecretStore } from "../secrets/secret-store";
import { connect, type Directory } from "./connect";
import { type EnvironmentFacts, environmentFindings } from "./environment-findings";
import { graceEndsAt, type InstanceFacts, keyIssuedAt } from "./facts";
import { controlPlaneTrouble, unreadableSecrets } from "./failures";
import { find } from "./find";
import { decideHealing, type Healed, heal, healedKeys } from "./heal";
import { AUDIT_INTERVAL_MS } from "./intervals";
import type { AuditJournal } from "./journal";
import { listFleet, lookAtFleet, readIntents } from "./look-at-fleet";
import { lookAtControls, lookAtValues } from "./look-at-values";
import { lookBySelfTest } from "./look-by-self-test";
import { lookHourly } from "./look-hourly";
import type { AuditMemory, HourlyLook, Remembered } from "./memory";
import { noteProbes, tolerant } from "./notes";
import type { Page } from "./page";
import { decidePages, type Paged, page } from "./paging";
import type { Alerts, RotationFunction } from "./ports";
import { leaveProofs, weighRefusals } from "./refusals";
import { issuedByHand, recall, remember, writeDown } from "./remember";
import { type Run, slotOfRun } from "./run";
import type { AuditSettings } from "./settings";
import { unusedNotedAfter } from "./thresholds";
import { Use } from "./use";

export interface AuditDeps {
  readonly fleet: Fleet;
  readonly secrets: Pick<SecretStore, "readVersion">;
  readonly intents: Pick<IntentReader, "all"> & Pick<IntentStore, "halt">;
  readonly proofs: Pick<RefusalProofs, "write">;
  readonly memory: Pick<AuditMemory, "read" | "write">;
  readonly journal: AuditJournal;
  readonly rotationFunction: RotationFunction;
  readonly alerts: Alerts;
  /** Throws the `Stop` `operator-key-missing` if there is no such key. */
  readonly connect: () => Promise<Directory>;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly budget: Budget;
  readonly log: Log;
}

/** What one audit tells. Times in milliseconds. */
export interface AuditReport {
  /** Secrets of the environment, all of which were looked at in the list. */
  readonly audited: number;
  /** How many of them were looked at by value and at the Control Plane. */
  readonly checked: number;
  readonly findings: readonly Remembered[];
  /** Ids of the instances whose rotation was asked for. */
  readonly asked: readonly string[];
  readonly pages: readonly Page[];
  readonly oldestKeyAgeMs?: number;
  /** Until the first of the replaced keys that may still be in use ends. */
  readonly leastGraceLeftMs?: number;
  /** Whether pages reach somebody: only then the heartbeat goes out. */
  readonly canPage: boolean;
}

/**
 * One audit, every 5 minutes: looks at the fleet, the intents, and the values of the keys whose turn it is or with which
 * something is the matter; finds what is wrong; asks for the rotations that are due; pages; and leaves to the next audit what
 * it has to remember. Writes no value and moves no label.
 */
export async function audit(deps: AuditDeps, settings: AuditSettings): Promise<AuditReport> {
  const startedAt = deps.clock.now();
  const journal = tolerant(deps.journal, deps.log);

  const recalled = await recall(deps.memory);
  const connected = await connect(deps);
  const { controlPlane } = connected;
  const run: Run = { settings, before: recalled.before, now: controlPlane?.now() ?? startedAt };
  const use = new Use(run.before.use, unusedNotedAfter(settings.thresholds));

  const intents = await readIntents(deps.intents);
  const listed = await listFleet(deps, run);
  const shallow = await lookAtFleet({ ...deps, use }, run, listed, intents.bySecret);
  const values = await lookAtValues({ ...deps, use }, run, shallow, controlPlane);
  const withControls = await lookAtControls({ ...deps, use }, run, values.facts, controlPlane);
  await noteProbes(journal, withControls);
  const { refusals, proofs } = weighRefusals(withControls, run);
  await leaveProofs(deps, proofs);
  const halt = await deps.intents.halt().catch(() => undefined);
  const failuresSoFar = [...connected.failures, ...values.failures];
  const { hourly, ...hour } = await lookHourly(deps, run, {
    listed,
    intents: intents.bySecret,
    ...(controlPlane && !controlPlaneTrouble(failuresSoFar, run) ? { controlPlane } : {}),
  });
  const failed = unreadableSecrets([...failuresSoFar, ...hour.failures], settings.environment);
  const test = await lookBySelfTest({ ...deps, use }, run, withControls, failed, controlPlane);
  const { facts, selfTest } = test;

  const findings = facts.flatMap((each) => find(each, failed, run));
  const proven = new Set(proofs.map(({ secretArn }) => secretArn));
  const healed = await heal({ ...deps, journal }, decideHealing(facts, findings, run, proven), run);
  const sinceRefused = healedKeys(facts, run.before, refusals);
  const trouble = controlPlaneTrouble([...failuresSoFar, ...hour.failures, ...test.failures], run);
  const intentsUnreadable = intents.unreadable ?? recalled.unreadable;
  const environment: EnvironmentFacts = {
    ...ofLastHour(hourly),
    environment: settings.environment,
    behindMs:
      trouble || !controlPlane ? 0 : Math.max(0, slotOfRun(run) - values.checkedThrough) * AUDIT_INTERVAL_MS,
    ...(trouble ? { controlPlane: trouble } : {}),
    ...(intentsUnreadable === undefined ? {} : { intentsUnreadable }),
    ...(halt && isHalted(halt) ? { halted: halt.vain } : {}),
    ...(selfTest ? { selfTest } : {}),
    ...(test.unusable === undefined ? {} : { rotationFunctionUnusable: test.unusable }),
  };
  const all = [...environmentFindings(environment, run.now), ...failed, ...healed.refused, ...findings];

  const found = remember(all, run, deps.log);
  const hasMemory = recalled.unreadable === undefined;
  const paged = await page(deps, decidePages(found, run, hasMemory), found, run);
  await writeDown(deps, {
    checkedThrough: values.checkedThrough,
    found: paged.found,
    untold: paged.untold,
    askedAt: healed.askedAt,
    ...(selfTest ? { selfTest } : {}),
    ...(hourly ? { hourly } : {}),
    use: use.remembered(new Set(facts.map(({ id }) => id))),
    issued: issuedByHand(facts),
    refusals,
    ...(sinceRefused === undefined ? {} : { healedKeys: sinceRefused }),
  });
  return reportOf(run, facts, healed, paged, hourly);
}

function ofLastHour(look: HourlyLook | undefined): Omit<EnvironmentFacts, "environment" | "behindMs"> {
  if (!look) return { orphans: [] };
  const { slot: _, ...seen } = look;
  return seen;
}

function reportOf(
  { now }: Run,
  facts: readonly InstanceFacts[],
  { askedAt }: Healed,
  { pages, found, canPage }: Paged,
  hourly: HourlyLook | undefined,
): AuditReport {
  const ages = facts.map((each) => now - keyIssuedAt(each));
  const graces = facts.flatMap((each) => graceEndsAt(each) ?? []).filter((end) => end > now);
  return {
    audited: facts.length,
    checked: facts.filter(({ deep }) => deep !== undefined).length,
    findings: found,
    asked: facts.filter(({ secretArn }) => askedAt[secretArn] === now).map(({ id }) => id),
    pages,
    canPage: canPage && hourly?.alertRouteBroken === undefined,
    ...(ages.length > 0 ? { oldestKeyAgeMs: Math.max(...ages) } : {}),
    ...(graces.length > 0 ? { leastGraceLeftMs: Math.min(...graces) - now } : {}),
  };
}
