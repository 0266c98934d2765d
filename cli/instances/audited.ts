import { GetFunctionConfigurationCommand } from "@aws-sdk/client-lambda";
import { type InstanceFacts, shallowFacts } from "../../core/audit/facts";
import type { Finding } from "../../core/audit/findings";
import { findingsOf } from "../../core/audit/instance-findings";
import type { JournalEntries } from "../../core/audit/journal";
import { lookAt, lookDeeply } from "../../core/audit/look-at-instance";
import { readAuditorSettings } from "../../core/audit/settings";
import type { Thresholds } from "../../core/audit/thresholds";
import { secretsManagerFleet } from "../../core/secrets/fleet";
import { SettingsError } from "../../core/settings/function-settings";
import { DAY_MS } from "../../core/time";
import type { OperatorPorts } from "../ports";
import { lookAtEach } from "./each";
import { connectOnTime, type EnvironmentAccess, type Instance } from "./environment";
import type { ListedInstance } from "./instance";

/** One instance, looked at by the same eyes as the auditor's. */
export interface Audited {
  readonly listed: ListedInstance;
  readonly facts: InstanceFacts;
  readonly findings: readonly Finding[];
  readonly journal: JournalEntries;
  /** The Control Plane's clock at that time. */
  readonly now: number;
  /** Why it could not be looked at; then the facts are what the list says, and the clock is the machine's. */
  readonly unseen?: string;
}

/** Looks at instances. Throws what `lookAtEach` throws. */
export async function auditInstances(
  ports: OperatorPorts,
  instances: readonly ListedInstance[],
): Promise<Audited[]> {
  const fleet = secretsManagerFleet(ports.aws.secretsManager);
  const seen = await lookAtEach(
    ports,
    instances,
    async (first, access) => ({
      thresholds: await configuredThresholds(ports, first, access),
      unused: (await access.memory.read()).use.unused,
      // A refused API key is told once and not for every instance.
      controlPlane: await connectOnTime(access),
    }),
    async (instance, { thresholds, unused, controlPlane }) => {
      const [intents, journal] = await Promise.all([
        instance.history.ofSecret(instance.secretArn),
        instance.journal.ofSecret(instance.secretArn),
      ]);
      const shallow = await lookAt({ fleet }, instance, intents, { unused: unused[instance.id] });
      const deps = { secrets: instance.secrets, controlPlane, clock: controlPlane };
      const facts = await lookDeeply(deps, shallow);
      const now = controlPlane.now();
      return { facts, findings: findingsOf(facts, thresholds ?? thresholdsOf(instance), now), journal, now };
    },
  );
  return seen.map(({ listed, value, unseen }) =>
    value
      ? { listed, ...value }
      : {
          listed,
          facts: shallowFacts(listed, []),
          findings: [],
          journal: { asked: [], previousKeys: [] },
          now: ports.clock.now(),
          unseen,
        },
  );
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
    const isUnknown = name === "ResourceNotFoundException" || name === "AccessDeniedException";
    // An auditor of another release may have other settings.
    if (isUnknown || error instanceof SettingsError) return undefined;
    throw error;
  }
}

function thresholdsOf({ rotation, settings, rotationFunctionArn }: Instance): Thresholds {
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
