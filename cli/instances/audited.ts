import { GetFunctionConfigurationCommand } from "@aws-sdk/client-lambda";
import { type InstanceFacts, lookAt, lookDeeply } from "../../core/audit/facts";
import type { Finding } from "../../core/audit/findings";
import { findingsOf } from "../../core/audit/instance-findings";
import type { JournalEntries } from "../../core/audit/journal";
import { readAuditorSettings } from "../../core/audit/settings";
import type { Thresholds } from "../../core/audit/thresholds";
import type { UseMemory } from "../../core/audit/use";
import type { ControlPlane } from "../../core/control-plane/client";
import { secretsManagerFleet } from "../../core/secrets/fleet";
import { DAY_MS } from "../../core/time";
import type { OperatorPorts } from "../ports";
import { connectOnTime, type EnvironmentAccess, openEnvironment } from "./environment";
import type { ListedInstance } from "./instance";

/** One instance, looked at by the same eyes as the auditor's. */
export interface Audited {
  readonly listed: ListedInstance;
  readonly facts: InstanceFacts;
  readonly findings: readonly Finding[];
  readonly journal: JournalEntries;
  /** The Control Plane's clock at that time. */
  readonly now: number;
}

/** Secrets Manager and the Control Plane are both shared with rotation, which goes first. */
const AT_ONCE = 4;

/** Looks at the instances that are named, or at all of an environment, or at all there are. */
export async function auditInstances(
  ports: OperatorPorts,
  instances: readonly ListedInstance[],
): Promise<Audited[]> {
  const audited: Audited[] = [];
  for (const [, group] of byFunction(instances)) {
    const [first] = group;
    if (!first) continue;
    const access = await openEnvironment(ports, first);
    const thresholds = await configuredThresholds(ports, first, access);
    const { use } = await access.memory.read();
    // A refused API key is told once and not for every instance.
    const controlPlane = await connectOnTime(access);
    const waiting = [...group];
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        audited.push(await auditInstance(ports, access, controlPlane, thresholds, next, use.unused));
        ports.terminal.progress(audited.length, instances.length);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }
  return audited.sort((a, b) => instances.indexOf(a.listed) - instances.indexOf(b.listed));
}

async function auditInstance(
  ports: OperatorPorts,
  access: EnvironmentAccess,
  controlPlane: ControlPlane,
  thresholds: Thresholds | undefined,
  listed: ListedInstance,
  unused: UseMemory["unused"],
): Promise<Audited> {
  const [intents, journal] = await Promise.all([
    access.history.ofSecret(listed.secretArn),
    access.journal.ofSecret(listed.secretArn),
  ]);
  const fleet = secretsManagerFleet(ports.aws.secretsManager);
  const shallow = await lookAt({ fleet }, listed, intents, { unused: unused[listed.id] });
  const facts = await lookDeeply({ secrets: access.secrets, controlPlane, clock: controlPlane }, shallow);
  const now = controlPlane.now();
  const findings = findingsOf(facts, thresholds ?? thresholdsOf(listed, access), now);
  return { listed, facts, findings, journal, now };
}

/** What the auditor goes by; `undefined` if there is none, or it may not be looked at. */
async function configuredThresholds(
  { aws }: OperatorPorts,
  { auditor }: ListedInstance,
  { settings }: EnvironmentAccess,
): Promise<Thresholds | undefined> {
  try {
    const { Environment } = await aws.lambda.send(
      new GetFunctionConfigurationCommand({ FunctionName: auditor }),
    );
    return readAuditorSettings(Environment?.Variables ?? {}, settings.gracePeriodMs).audit.thresholds;
  } catch (error) {
    const { name } = error instanceof Error ? error : { name: "" };
    if (name === "ResourceNotFoundException" || name === "AccessDeniedException") return undefined;
    throw error;
  }
}

function thresholdsOf(
  { rotation }: ListedInstance,
  { settings, rotationFunctionArn }: EnvironmentAccess,
): Thresholds {
  const { gracePeriodMs } = settings;
  // Without a schedule of its own, this command can't tell a secret that should rotate from one that should not.
  if (!rotation.enabled || rotation.automaticallyAfterDays === undefined) return { gracePeriodMs };
  return {
    gracePeriodMs,
    rotation: {
      intervalMs: rotation.automaticallyAfterDays * DAY_MS,
      windowMs: DAY_MS,
      functionArn: rotationFunctionArn,
    },
  };
}

/** Instances that share an environment, and with it a rotation function and its settings. */
function byFunction(instances: readonly ListedInstance[]): Map<string, ListedInstance[]> {
  const groups = new Map<string, ListedInstance[]>();
  for (const instance of instances) {
    const key = `${instance.environment} ${instance.secretName.split("/")[0]}`;
    groups.set(key, [...(groups.get(key) ?? []), instance]);
  }
  return groups;
}
