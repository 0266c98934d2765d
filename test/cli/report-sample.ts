import type { Audited } from "../../cli/instances/audited";
import type { InstanceFacts } from "../../core/audit/facts";
import { findingsOf } from "../../core/audit/instance-findings";
import type { AskedRotation, PreviousKeyLife } from "../../core/audit/journal";
import type { IntentRecord } from "../../core/intent-table/stored-intent";
import { AgentKey } from "../../core/key/credential";
import { DAY, HOUR, MINUTE, SECOND } from "../../local/clock";

/** A fleet in all the states that a person may have to tell apart. Nothing in it depends on the day. */
export const NOW = Date.UTC(2026, 9, 14, 9, 30);

const FUNCTION_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:valmi-production-agent-key-rotation";
const CURRENT = "version-current";
const PREVIOUS = "version-previous";

export const fingerprintOf = (text: string) => new AgentKey(`agent_${text}`).fingerprint;

interface Sample {
  readonly id: string;
  /** Days ago on which its keys were minted, oldest first. */
  readonly mints: readonly number[];
  readonly facts?: Partial<InstanceFacts>;
  readonly key?: Partial<NonNullable<NonNullable<InstanceFacts["deep"]>["key"]>>;
  readonly records?: readonly IntentRecord[];
  readonly asked?: readonly AskedRotation[];
  readonly now?: number;
}

export function sample({
  id,
  mints,
  facts: overrides = {},
  key = {},
  records = [],
  asked = [],
}: Sample): Audited {
  const secretName = `valmi/production/${id}/agent-key`;
  const promotions = mints.map((_days, index) => promotion(id, index, mints));
  const newest = promotions.at(-1);
  const issuedAt = NOW - (mints.at(-1) ?? 0) * DAY;
  const listed = {
    environment: "production",
    id,
    secretName,
    secretArn: `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${secretName}-AbCdEf`,
    tags: {},
    versionStages: { [CURRENT]: ["AWSCURRENT"], [PREVIOUS]: ["AWSPREVIOUS"] },
    createdAt: NOW - 300 * DAY,
    lastChangedAt: NOW - 10 * DAY,
    lastAccessedDay: Date.UTC(2026, 9, 14),
    rotation: {
      enabled: true,
      functionArn: FUNCTION_ARN,
      scheduled: true,
      lastAt: issuedAt,
      nextAt: issuedAt + 90 * DAY,
      automaticallyAfterDays: 90,
    },
    rotationFunction: "valmi-production-agent-key-rotation",
    auditor: "valmi-production-agent-key-audit",
  };
  const facts: InstanceFacts = {
    ...listed,
    currentVersionId: CURRENT,
    previousVersionId: PREVIOUS,
    intents: [...promotions, ...records].sort((a, b) => b.takenAt - a.takenAt),
    deep: {
      lookedAt: NOW,
      value: "readable",
      key: {
        fingerprint: newest?.fingerprint ?? fingerprintOf(id),
        agentInstanceId: `ai_${id}`,
        issuedAt,
        ...(newest?.previousKeyExpiresAt !== undefined && {
          previousKeyExpiresAt: newest.previousKeyExpiresAt,
        }),
        accepted: true,
        belongsTo: `ai_${id}`,
        ...key,
      },
      instance: { name: `production-${id}`, isActive: true, ownership: "ours", differs: [] },
    },
    ...overrides,
  };
  const thresholds = {
    gracePeriodMs: DAY,
    rotation: { intervalMs: 90 * DAY, windowMs: DAY, functionArn: FUNCTION_ARN },
  };
  const journal = { asked, previousKeys: promotions.flatMap(oldKeyOf) };
  return { listed, facts, findings: findingsOf(facts, thresholds, NOW), journal, now: NOW };
}

/** Probed 20 minutes after each full hour. */
function oldKeyOf(promotion: IntentRecord): PreviousKeyLife[] {
  const { versionId, previousFingerprint: fingerprint, previousKeyExpiresAt: promisedUntil } = promotion;
  if (fingerprint === undefined || promisedUntil === undefined) return [];
  const hours = Math.floor((NOW - promotion.takenAt) / HOUR - 1 / 3);
  const probedAt = (hour: number) => promotion.takenAt + (hour + 1 / 3) * HOUR;
  const firstRefusedAt = hours < 24 ? {} : { firstRefusedAt: probedAt(24) };
  const lastAcceptedAt = probedAt(Math.min(hours, 23));
  return [{ versionId, fingerprint, promisedUntil, lastAcceptedAt, ...firstRefusedAt }];
}

function promotion(id: string, index: number, mints: readonly number[]): IntentRecord {
  const takenAt = NOW - (mints[index] as number) * DAY;
  const isFirst = index === 0;
  const isNewest = index === mints.length - 1;
  return {
    secretArn: id,
    baseVersionId: isFirst ? "none" : mints.length - index === 1 ? PREVIOUS : `version-${index}`,
    versionId: isNewest ? CURRENT : `version-${index + 1}`,
    agentInstanceId: `ai_${id}`,
    takenAt,
    graceFrom: takenAt,
    attemptEndsAt: takenAt + 3 * MINUTE,
    mint: 1,
    outcome: "promoted",
    mintedAt: [],
    inVain: 0,
    ordered: false,
    earlierMints: [],
    settledAt: takenAt + 2 * SECOND,
    fingerprint: fingerprintOf(`${id}-${index}`),
    ...(!isFirst && {
      previousFingerprint: fingerprintOf(`${id}-${index - 1}`),
      previousKeyExpiresAt: takenAt + DAY,
      previousKeyHonoured: true,
      graceLeftMs: DAY - 2 * SECOND,
    }),
  };
}

export function record(
  overrides: Partial<IntentRecord> & Pick<IntentRecord, "outcome" | "takenAt">,
): IntentRecord {
  return {
    secretArn: "sample",
    baseVersionId: CURRENT,
    versionId: "version-next",
    agentInstanceId: "ai_sample",
    graceFrom: overrides.takenAt,
    attemptEndsAt: overrides.takenAt + 3 * MINUTE,
    mint: 1,
    mintedAt: [],
    inVain: 0,
    ordered: false,
    earlierMints: [],
    ...overrides,
  };
}

const putBack = fingerprintOf("claims-1");

export const SAMPLE: readonly Audited[] = [
  sample({ id: "support", mints: [197, 107, 17] }),
  sample({
    id: "billing",
    mints: [180.4, 90.4, 0.4],
    facts: { lastChangedAt: NOW - 0.4 * DAY },
  }),
  sample({
    id: "claims",
    mints: [210, 120.2, 0.3],
    facts: { lastChangedAt: NOW - 3 * HOUR },
    key: { fingerprint: putBack, issuedAt: NOW - 120.2 * DAY },
  }),
  sample({
    id: "search-assistant-for-the-customers-of-the-north",
    mints: [88],
    facts: { unused: { since: NOW - 40 * DAY } },
    records: [record({ outcome: "paused", takenAt: NOW - 2 * DAY, attemptEndsAt: NOW + 2 * DAY })],
  }),
  sample({
    id: "translation",
    mints: [195, 105, 15],
    key: { accepted: false },
  }),
  sample({
    id: "onboarding",
    mints: [90.1],
    facts: { pendingVersionId: "version-next", pendingSince: NOW - 3 * HOUR },
    records: [record({ outcome: "refused", takenAt: NOW - 3 * HOUR })],
    asked: [
      {
        askedAt: [2, 1, 0].map((hours) => NOW - hours * HOUR - 20 * MINUTE),
        because: ["mint-refused"],
        answer: "reattempted",
      },
    ],
  }),
];
