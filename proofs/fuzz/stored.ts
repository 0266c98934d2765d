import { strict as assert } from "node:assert";
import fc from "fast-check";
import { AGENT_KEY_FIELD, SCHEMA_VERSION } from "../../core/contract";
import { parseIntent, UnreadableIntentError } from "../../core/intent-table/stored-intent";
import { AgentKey, ControlPlaneApiKey } from "../../core/key/credential";
import {
  composeRecord,
  parseRecord,
  serialiseRecord,
  UnreadableSecretValueError,
} from "../../core/key/stored-value";
import { succeed } from "../../core/protocol/intent";
import { orderUpon } from "../../core/protocol/orders";
import { TAG_NAMES } from "./events";
import { altered, garbled, jsonText, MARKERS, type Outcome, refusedBy, target, tellsNoKey } from "./target";

/** What stands in Secrets Manager and in DynamoDB, where others can write too. */

const YEAR_MS = 365 * 24 * 3_600_000;

/** A value of the present schema; each later schema adds its own here, and the ones before stay. */
const VALUES_BY_SCHEMA = {
  "1": {
    schemaVersion: "1",
    [AGENT_KEY_FIELD]: MARKERS.agentKey,
    agentInstanceId: "ai_1",
    agentInstanceName: "dev-support",
    agentTypeId: "at_1",
    accountId: "acc_1",
    contactId: "con_1",
    subscription: "sub_1",
    pricing: "per-reply",
    environment: "dev",
    controlPlaneUrl: "https://value.valmi.io/api/v1",
    issuedAt: "2026-01-01T00:00:00.000Z",
    previousKeyExpiresAt: "2026-01-02T00:00:00.000Z",
  },
} as const;
assert.ok(SCHEMA_VERSION in VALUES_BY_SCHEMA, "the present schema has no value to begin with");

const LEAST = {
  schemaVersion: "1",
  [AGENT_KEY_FIELD]: MARKERS.agentKey,
  agentInstanceId: "ai_1",
  issuedAt: "2026-01-01",
};
const OTHER_SCHEMAS = ["0", "2", "1.0", "", 1, null, [MARKERS.agentKey]];
const stored = fc.oneof(
  ...Object.values(VALUES_BY_SCHEMA).map((value) => ({ weight: 6, arbitrary: altered(value) })),
  { weight: 2, arbitrary: altered(LEAST) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...OTHER_SCHEMAS)
      .map((schemaVersion) => JSON.stringify({ ...VALUES_BY_SCHEMA[SCHEMA_VERSION], schemaVersion })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom("issuedAt", "previousKeyExpiresAt"),
        fc.constantFrom("+275760-09-13T00:00:00Z", "0", "soon"),
      )
      .map(([field, time]) => JSON.stringify({ ...VALUES_BY_SCHEMA[SCHEMA_VERSION], [field]: time })),
  },
  { weight: 3, arbitrary: garbled(altered(VALUES_BY_SCHEMA[SCHEMA_VERSION])) },
  { weight: 2, arbitrary: jsonText(...Object.keys(LEAST)) },
  { weight: 1, arbitrary: fc.constantFrom(MARKERS.agentKey, MARKERS.apiKey, "", "\ufeff{}") },
);

export const storedValues = target("stored values, of every schema", 14_000, stored, (value): Outcome => {
  try {
    const record = parseRecord(value);
    const written = JSON.parse(value);
    assert.equal(record.agentKey.reveal(), written[AGENT_KEY_FIELD]);
    assert.equal(record.agentInstanceId, written.agentInstanceId);
    assert.equal(record.issuedAt, Date.parse(written.issuedAt));
    assert.ok(written.schemaVersion in VALUES_BY_SCHEMA);
    // What was read can be written again, and is read as the same.
    assert.deepEqual(parseRecord(serialiseRecord(record)), record);
    new Date(record.issuedAt + YEAR_MS).toISOString();
    tellsNoKey(record.agentKey);
  } catch (error) {
    return refusedBy(error, UnreadableSecretValueError);
  }
  return "read";
});

const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom(...Object.values(MARKERS)));

/** What stands in the secret's tags and at the Control Plane goes into the value as it is, whatever it is. */
export const composedValues = target(
  "tags and names that go into a value",
  6_000,
  fc.record({
    tags: fc.dictionary(fc.oneof(fc.constantFrom(...TAG_NAMES), fc.string()), text),
    instance: fc.record({ id: text, name: text, agentTypeId: text, accountId: text, contactId: text }),
    issuedAt: fc.integer({ min: 0, max: Date.UTC(9999, 0) }),
  }),
  ({ tags, instance, issuedAt }): Outcome => {
    const record = composeRecord({ agentKey: new AgentKey(MARKERS.agentKey), issuedAt }, instance, tags);
    try {
      assert.deepEqual(parseRecord(serialiseRecord(record)), record);
    } catch (error) {
      // The Control Plane's client lets no such id through.
      assert.equal(instance.id, "");
      return refusedBy(error, UnreadableSecretValueError);
    }
    return "read";
  },
);

const INTENT = {
  secretArn: { S: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s-AbCdEf" },
  baseVersionId: { S: "version-1" },
  versionId: { S: "version-2" },
  owner: { S: MARKERS.agentKey },
  agentInstanceId: { S: "ai_1" },
  takenAt: { N: "1767225600000" },
  graceFrom: { N: "1767225600000" },
  attemptEndsAt: { N: "1767225780000" },
  mint: { N: "1" },
  idempotencyKey: { S: MARKERS.apiKey },
  outcome: { S: "open" },
  earlierMints: { L: [{ S: "1:version-0:1767225600000" }] },
  expiresAt: { N: "1801785600" },
};
const NUMBERS = ["", " ", "1e999", "-1", "0", "1.5", "8640000000000001", "NaN", "0x10", "9007199254740993"];

export const intents = target(
  "intents in the table",
  12_000,
  fc.oneof(
    altered(INTENT, "S", "N", "L", "BOOL", "NULL", "M"),
    fc
      .tuple(fc.constantFrom("takenAt", "graceFrom", "attemptEndsAt", "mint"), fc.constantFrom(...NUMBERS))
      .map(([field, N]) => JSON.stringify({ ...INTENT, [field]: { N } })),
  ),
  (item): Outcome => {
    try {
      const intent = parseIntent(JSON.parse(item));
      // Whatever is reckoned from it can be written down.
      const next = succeed(intent, intent);
      const names = {
        secretArn: intent.secretArn,
        baseVersionId: "version-1",
        agentInstanceId: "ai_1",
        owner: "o",
      };
      const order = orderUpon(intent, {
        ...names,
        kind: "paused",
        now: intent.takenAt,
        until: intent.takenAt,
      });
      for (const each of order ? [intent, next, order] : [intent, next]) {
        assert.ok(Number.isSafeInteger(each.mint) || each.mint === Number.MAX_SAFE_INTEGER + 1);
        for (const time of [each.takenAt, each.graceFrom, each.attemptEndsAt])
          new Date(time + YEAR_MS).toISOString();
      }
      assert.deepEqual(intent.outcome, JSON.parse(item).outcome.S);
    } catch (error) {
      return refusedBy(error, UnreadableIntentError);
    }
    return "read";
  },
);

/** The operator's API key as it stands in its secret, or comes by standard input; an agent key likewise. */
export const credentials = target("keys as text", 6_000, text, (key): Outcome => {
  for (const Credential of [AgentKey, ControlPlaneApiKey]) {
    try {
      const credential = new Credential(key);
      assert.equal(credential.reveal(), key);
      tellsNoKey(`${credential} ${JSON.stringify({ credential })}`);
      tellsNoKey(credential);
      new Headers({ authorization: `Bearer ${key}` });
    } catch (error) {
      const outcome = refusedBy(error, TypeError);
      assert.ok(key === "" || !(error as Error).message.includes(key) || key.length < 4, "tells the text");
      return outcome;
    }
  }
  return "read";
});
