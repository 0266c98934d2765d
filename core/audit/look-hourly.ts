import type { Budget } from "../budget";
import type { IntentRecord } from "../intent-table/stored-intent";
import { ownerOf } from "../key/ownership";
import type { ListedSecret } from "../secrets/fleet";
import type { Directory } from "./connect";
import type { Orphan } from "./environment-findings";
import type { Failure } from "./failures";
import { AUDIT_INTERVAL_MS, firstSlotDue, HOURLY_MS, isDue } from "./intervals";
import type { HourlyLook } from "./memory";
import type { Alerts, RotationFunction } from "./ports";
import { nameOf, RESERVE_MS, type Run, slotOfRun } from "./run";
import type { AuditSettings } from "./settings";

export interface LookingHourly {
  readonly alerts: Pick<Alerts, "brokenRoute">;
  readonly rotationFunction: Pick<RotationFunction, "mayBeInvoked">;
  readonly budget: Budget;
}

/** The environment's secrets and intents, and the Control Plane if it can be asked. */
export interface Surroundings {
  readonly listed: readonly ListedSecret[];
  readonly intents: ReadonlyMap<string, readonly IntentRecord[]>;
  readonly controlPlane?: Directory;
}

/** Looks once an hour whether pages arrive, whether the function may be invoked, and whether any instance is orphaned. */
export async function lookHourly(
  { alerts, rotationFunction, budget }: LookingHourly,
  run: Run,
  around: Surroundings,
): Promise<{ readonly hourly?: HourlyLook; readonly failures: readonly Failure[] }> {
  const last = run.before.hourly;
  if (!isHourOver(last, slotOfRun(run)) || budget.remainingMs() < RESERVE_MS) {
    return { ...(last ? { hourly: last } : {}), failures: [] };
  }
  const alertRouteBroken = await alerts.brokenRoute().catch(nameOf);
  const mayBeInvoked = await rotationFunction.mayBeInvoked().catch(() => undefined);
  const { orphans, failures } = await orphansOf({ budget }, run, around);
  return {
    hourly: {
      slot: slotOfRun(run),
      orphans,
      ...(alertRouteBroken === undefined ? {} : { alertRouteBroken }),
      ...(mayBeInvoked === undefined ? {} : { mayBeInvoked }),
    },
    failures,
  };
}

function isHourOver(last: HourlyLook | undefined, slot: number): boolean {
  return last === undefined || slot - last.slot >= HOURLY_MS / AUDIT_INTERVAL_MS || last.slot > slot;
}

/** Instances that carry this environment's marker, and whose secret is gone. Each unknown one is asked about once a day. */
async function orphansOf(
  { budget }: { readonly budget: Budget },
  run: Run,
  { listed, intents, controlPlane }: Surroundings,
): Promise<{ readonly orphans: readonly Orphan[]; readonly failures: readonly Failure[] }> {
  const last = run.before.hourly;
  const lastOrphans = last?.orphans ?? [];
  if (!controlPlane) return { orphans: lastOrphans, failures: [] };
  const names = new Set(listed.map(({ secretName }) => secretName));
  const records = listed.flatMap(({ secretArn }) => intents.get(secretArn) ?? []);
  const known = new Set(records.map(({ agentInstanceId }) => agentInstanceId));
  const from = firstSlotDue(last?.slot, run.now);
  const orphans: Orphan[] = [];
  try {
    for await (const { id } of controlPlane.instances()) {
      if (known.has(id)) continue;
      const kept = lastOrphans.find(({ agentInstanceId }) => agentInstanceId === id);
      if (last && !kept && !isDue(id, "daily", from, slotOfRun(run))) continue;
      if (budget.remainingMs() < RESERVE_MS) {
        if (kept) orphans.push(kept);
        continue;
      }
      const instance = await controlPlane.getInstance(id);
      const secretName = secretNamedBy(instance?.description, run.settings);
      if (secretName !== undefined && !names.has(secretName))
        orphans.push({ agentInstanceId: id, secretName });
    }
    return { orphans, failures: [] };
  } catch (error) {
    return { orphans: lastOrphans, failures: [{ error }] };
  }
}

/** The secret of this environment that an instance's marker names. */
function secretNamedBy(
  description: string | undefined,
  { nameStart, nameEnd, location }: AuditSettings,
): string | undefined {
  const owner = ownerOf(description);
  if (owner?.accountId !== location.accountId || owner.region !== location.region) return undefined;
  const { secretName } = owner;
  return secretName.startsWith(nameStart) && secretName.endsWith(nameEnd) ? secretName : undefined;
}
