import fc from "fast-check";
import { type EnvironmentFacts, environmentFindings } from "../../../core/audit/environment-findings";
import type { DeepFacts, InstanceFacts } from "../../../core/audit/facts";
import { FINDING_NAMES, FINDINGS, type Finding, type FindingName } from "../../../core/audit/findings";
import { findingsOf } from "../../../core/audit/instance-findings";
import { INTENT_OUTCOMES } from "../../../core/protocol/intent";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { facts, intentRecord, ROTATION_FUNCTION, THRESHOLDS } from "./facts-builder";

const NOW = START + 100 * DAY;
const moments = fc.constantFrom(...[0, MINUTE, HOUR, DAY, 3 * DAY, 95 * DAY].map((ago) => NOW - ago));
const versions = fc.constantFrom("version-1", "version-2", "version-3");
const fingerprints = fc.constantFrom("aaaaaaaaaaaa", "bbbbbbbbbbbb");

const intents = fc.array(
  fc
    .record({
      baseVersionId: versions,
      versionId: versions,
      outcome: fc.constantFrom(...INTENT_OUTCOMES),
      takenAt: moments,
      attemptEndsAt: moments.map((time) => time + HOUR),
      previousFingerprint: fingerprints,
      previousKeyExpiresAt: moments.map((time) => time + DAY),
    })
    .map(intentRecord),
  { maxLength: 3 },
);

const deepFacts: fc.Arbitrary<DeepFacts> = fc.oneof(
  fc.record({
    lookedAt: fc.constant(NOW),
    value: fc.constantFrom("missing" as const, "unreadable" as const),
  }),
  fc.record(
    {
      lookedAt: fc.constant(NOW),
      value: fc.constant("readable" as const),
      key: fc.record(
        {
          fingerprint: fingerprints,
          agentInstanceId: fc.constant("ai_1"),
          issuedAt: moments,
          previousKeyExpiresAt: moments.map((time) => time + HOUR),
          accepted: fc.boolean(),
          belongsTo: fc.constantFrom("ai_1", "ai_2"),
        },
        { requiredKeys: ["fingerprint", "agentInstanceId", "issuedAt", "accepted"] },
      ),
      previousKey: fc.record({ fingerprint: fingerprints, accepted: fc.boolean() }),
      instance: fc.record({
        name: fc.constant("dev-support"),
        isActive: fc.boolean(),
        ownership: fc.constantFrom("ours" as const, "theirs" as const),
        differs: fc.constantFrom([], ["valmi:account"]),
      }),
    },
    { requiredKeys: ["lookedAt", "value", "key"] },
  ),
);

const anyFacts: fc.Arbitrary<InstanceFacts & { deep: DeepFacts }> = fc
  .record(
    {
      currentVersionId: versions,
      pendingVersionId: versions,
      pendingSince: moments,
      createdAt: moments,
      intents,
      unused: fc.record({ since: moments, readAgainAt: moments }, { requiredKeys: ["since"] }),
      rotation: fc.record({
        enabled: fc.boolean(),
        scheduled: fc.boolean(),
        functionArn: fc.constantFrom(ROTATION_FUNCTION, "arn:other"),
      }),
      deep: deepFacts,
    },
    { requiredKeys: ["createdAt", "intents", "rotation", "deep"] },
  )
  .map((changes) => {
    const { currentVersionId: _, ...base } = facts();
    const issuedAt = changes.deep.key?.issuedAt;
    return { ...base, ...changes, ...(issuedAt === undefined ? {} : { issuedAt }) };
  });

describe("what the entry of a finding says is so", () => {
  test("of whatever facts show it: by the list, by the value, how urgent, and whether it heals", () => {
    const shown = new Set<FindingName>();
    const isOfEntry = ({ name, severity, heals }: Finding) =>
      FINDINGS[name].severities.includes(severity) && (FINDINGS[name].heals === true || !heals);
    fc.assert(
      fc.property(anyFacts, ({ deep, ...listed }) => {
        const byList = findingsOf(listed, THRESHOLDS, NOW);
        const byBoth = findingsOf({ ...listed, deep }, THRESHOLDS, NOW);
        const byValue = byBoth.filter(({ name }) => !byList.some((each) => each.name === name));
        for (const { name } of byBoth) shown.add(name);
        expect([
          ...byList.filter(({ name }) => !FINDINGS[name].shownBy.includes("list")),
          ...byValue.filter(({ name }) => !FINDINGS[name].shownBy.includes("value")),
          ...byBoth.filter((each) => !isOfEntry(each)),
        ]).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
    // Every name that concerns an instance is among what was shown.
    const ofInstances = FINDING_NAMES.filter((name) =>
      FINDINGS[name].shownBy.every((sight) => sight === "list" || sight === "value"),
    );
    expect([...shown].sort()).toEqual([...ofInstances].sort());
  });

  test("of the environment's findings", () => {
    const everything: EnvironmentFacts = {
      environment: "dev",
      intentsUnreadable: "-",
      selfTest: { at: NOW, failures: ["write-secret"] },
      rotationFunctionUnusable: "-",
      mayBeInvoked: false,
      alertRouteBroken: "-",
      orphans: [{ agentInstanceId: "ai_9", secretName: "valmi/dev/gone/agent-key" }],
      behindMs: DAY,
    };
    const troubles = (
      ["operator-key-missing", "operator-key-refused", "control-plane-unavailable"] as const
    ).flatMap((trouble) => [NOW, NOW - DAY].map((since) => ({ trouble, since, detail: "-" })));
    const found = troubles.flatMap((controlPlane) =>
      environmentFindings({ ...everything, controlPlane }, NOW),
    );
    for (const { name, severity, heals } of found) {
      expect([name, FINDINGS[name].severities.includes(severity), heals]).toEqual([name, true, false]);
    }
    const ofEnvironment = FINDING_NAMES.filter((name) =>
      FINDINGS[name].shownBy.every((sight) => sight === "environment"),
    );
    expect([...new Set(found.map(({ name }) => name))].sort()).toEqual([...ofEnvironment].sort());
  });

  test("whatever another rotation heals is not only a note, and what is healed silently heals", () => {
    for (const [name, { severities, heals = false }] of Object.entries(FINDINGS)) {
      expect([name, heals && !severities.includes("page")]).toEqual([name, false]);
      expect([name, severities.includes("heal") && !heals]).toEqual([name, false]);
    }
  });
});
