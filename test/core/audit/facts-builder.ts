import type { InstanceFacts } from "../../../core/audit/facts";
import { type FindingName, finding } from "../../../core/audit/findings";
import { type Memory, NOTHING, type Remembered } from "../../../core/audit/memory";
import type { Run } from "../../../core/audit/run";
import type { AuditSettings } from "../../../core/audit/settings";
import type { Thresholds } from "../../../core/audit/thresholds";
import type { IntentRecord } from "../../../core/intent-table/stored-intent";
import { DAY, HOUR } from "../../../local/clock";
import { SECRET_ARN, SECRET_NAME, START } from "../../../proofs/harness/builders";

export const ROTATION_FUNCTION =
  "arn:aws:lambda:eu-west-1:123456789012:function:valmi-dev-agent-key-rotation";

export const THRESHOLDS: Thresholds = {
  gracePeriodMs: 24 * HOUR,
  rotation: { intervalMs: 90 * DAY, windowMs: DAY, functionArn: ROTATION_FUNCTION },
};

/** An instance with which nothing is the matter, a day after its first key. */
export function facts(overrides: Partial<InstanceFacts> = {}): InstanceFacts {
  return {
    id: "support",
    environment: "dev",
    secretArn: SECRET_ARN,
    secretName: SECRET_NAME,
    tags: {},
    versionStages: { "version-1": ["AWSCURRENT"] },
    currentVersionId: "version-1",
    createdAt: START,
    lastChangedAt: START,
    rotation: { enabled: true, scheduled: true, functionArn: ROTATION_FUNCTION },
    intents: [],
    deep: {
      lookedAt: START + DAY,
      value: "readable",
      key: {
        fingerprint: "aaaaaaaaaaaa",
        agentInstanceId: "ai_1",
        issuedAt: START,
        accepted: true,
        belongsTo: "ai_1",
      },
      instance: { name: "dev-support", isActive: true, ownership: "ours", differs: [] },
    },
    ...overrides,
  };
}

/** Changes of what the value and the Control Plane say. */
export const deep = (changes: object) => ({
  deep: { ...facts().deep, ...changes } as InstanceFacts["deep"] & object,
});

/** Changes of what they say of the key. */
export const key = (changes: object) => deep({ key: { ...facts().deep?.key, ...changes } });

/** An instance whose value is not looked at. */
export function listed(overrides: Partial<InstanceFacts> = {}): InstanceFacts {
  const { deep: _, ...shallow } = facts(overrides);
  return shallow;
}

/** A run at some time, which remembers nothing but what is said. */
export function runAt(now: number, before: Partial<Memory> = {}, settings: Partial<AuditSettings> = {}): Run {
  return {
    now,
    before: { ...NOTHING, ...before },
    settings: {
      environment: "dev",
      nameStart: "valmi/dev/",
      nameEnd: "/agent-key",
      thresholds: THRESHOLDS,
      location: { accountId: "123456789012", region: "eu-west-1" },
      heals: true,
      runbookUrl: "docs/operations.md",
      ...settings,
    },
  };
}

/** What the last run has left of one finding. */
export function remembered(name: FindingName, overrides: Partial<Remembered> = {}): Remembered {
  return { ...finding(name, "support", "-"), since: START, ...overrides };
}

/** The intent of a mint upon the current version, a day after the first key. */
export function intentRecord(overrides: Partial<IntentRecord> = {}): IntentRecord {
  const takenAt = overrides.takenAt ?? START + DAY;
  return {
    secretArn: SECRET_ARN,
    baseVersionId: "version-1",
    versionId: "version-2",
    agentInstanceId: "ai_1",
    takenAt,
    graceFrom: takenAt,
    attemptEndsAt: takenAt + 180_000,
    mint: 1,
    outcome: "open",
    mintedAt: [],
    inVain: 0,
    ordered: false,
    earlierMints: [],
    ...overrides,
  };
}
