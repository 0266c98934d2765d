import fc from "fast-check";
import { SECRET_TAGS } from "../../../core/contract";
import { AgentKey } from "../../../core/key/credential";
import {
  type AgentKeyRecord,
  composeRecord,
  parseRecord,
  serialiseRecord,
  UnreadableSecretValueError,
} from "../../../core/key/stored-value";
import { record, START } from "../../../proofs/harness/builders";

const plain = ({ agentKey, ...mapping }: AgentKeyRecord) => ({ ...mapping, agentKey: agentKey.reveal() });

const keyText = fc.string({ unit: "grapheme-ascii", minLength: 1 }).filter((text) => !text.includes(" "));
const time = fc.date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true }).map(Number);
const anyRecord: fc.Arbitrary<AgentKeyRecord> = fc
  .record(
    {
      agentKey: keyText.map((text) => new AgentKey(text)),
      agentInstanceId: fc.string({ minLength: 1 }),
      agentInstanceName: fc.string(),
      agentTypeId: fc.string(),
      accountId: fc.string(),
      contactId: fc.string(),
      subscription: fc.string({ unit: "grapheme" }),
      pricing: fc.string(),
      environment: fc.string(),
      controlPlaneUrl: fc.webUrl(),
      issuedAt: time,
      previousKeyExpiresAt: time,
    },
    { noNullPrototype: true },
  )
  .chain((whole) => {
    const { previousKeyExpiresAt: _, ...first } = whole;
    return fc.constantFrom<AgentKeyRecord>(whole, first);
  });

test("reads what it writes", () => {
  fc.assert(
    fc.property(anyRecord, (written) => {
      expect(plain(parseRecord(serialiseRecord(written)))).toEqual(plain(written));
    }),
  );
});

test("writes flat JSON whose every field is a string and always there", () => {
  expect(JSON.parse(serialiseRecord(record({ contactId: "", pricing: "" })))).toEqual({
    schemaVersion: "1",
    VALMI_AGENT_KEY: "agent_abc123xyz",
    agentInstanceId: "ai_1",
    agentInstanceName: "dev-support",
    agentTypeId: "at_support",
    accountId: "acc_123",
    contactId: "",
    subscription: "sub_1",
    pricing: "",
    environment: "dev",
    controlPlaneUrl: "https://value.valmi.io/api/v1",
    issuedAt: "2026-01-01T00:00:00.000Z",
    previousKeyExpiresAt: "",
  });
});

test("reads a value that has only what a key cannot do without", () => {
  const value = {
    schemaVersion: "1",
    VALMI_AGENT_KEY: "agent_abc123xyz",
    agentInstanceId: "ai_1",
    issuedAt: "2026-01-01",
  };
  expect(plain(parseRecord(JSON.stringify(value)))).toMatchObject({
    agentKey: "agent_abc123xyz",
    accountId: "",
    issuedAt: START,
  });
});

describe("refuses, by the field's name and without any of the value,", () => {
  const whole = JSON.parse(serialiseRecord(record())) as Record<string, unknown>;
  test.each<[string, unknown, string]>([
    ["text that is not JSON", "agent_abc123xyz", "the secret's value is not JSON"],
    ["a text", '"agent_abc123xyz"', "(whole value)"],
    ["a list", '["agent_abc123xyz"]', "schemaVersion"],
    ["null", "null", "(whole value)"],
    ["a later schema", { ...whole, schemaVersion: "2" }, "schemaVersion"],
    ["a value before schemas", { ...whole, schemaVersion: undefined }, "schemaVersion"],
    ["a value without key", { ...whole, VALMI_AGENT_KEY: undefined }, "VALMI_AGENT_KEY"],
    ["an empty key", { ...whole, VALMI_AGENT_KEY: "" }, "VALMI_AGENT_KEY"],
    ["a key that no header can carry", { ...whole, VALMI_AGENT_KEY: "agent_abc 123" }, "VALMI_AGENT_KEY"],
    ["a nested key", { ...whole, VALMI_AGENT_KEY: { text: "agent_abc123xyz" } }, "VALMI_AGENT_KEY"],
    ["a value without instance", { ...whole, agentInstanceId: "" }, "agentInstanceId"],
    ["a time that is none", { ...whole, issuedAt: "agent_abc123xyz" }, "issuedAt"],
    ["a time past what can be reckoned with", { ...whole, issuedAt: "+275760-09-13T00:00:00Z" }, "issuedAt"],
    ["an end of grace that is none", { ...whole, previousKeyExpiresAt: "soon" }, "previousKeyExpiresAt"],
    ["a field of another type", { ...whole, accountId: 7 }, "accountId"],
  ])("%s", (_, value, named) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const error = failure(() => parseRecord(text));
    expect(error).toBeInstanceOf(UnreadableSecretValueError);
    expect(error.name).toBe("UnreadableSecretValueError");
    expect(error.message).toContain(named);
    expect(error.message).not.toContain("agent_abc");
    expect(error.cause).toBeUndefined();
  });

  test("any garbled value", () => {
    const garbled = fc.oneof(
      fc.json(),
      fc.tuple(fc.nat(), fc.string()).map(([at, text]) => {
        const value = serialiseRecord(record());
        const cut = at % value.length;
        return value.slice(0, cut) + text + value.slice(cut + 1);
      }),
    );
    fc.assert(
      fc.property(garbled, (value) => {
        try {
          expect(parseRecord(value).agentKey).toBeInstanceOf(AgentKey);
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableSecretValueError);
          expect((error as Error).message).not.toContain("abc123");
        }
      }),
    );
  });
});

describe("a record is made", () => {
  const instance = {
    id: "ai_1",
    name: "dev-support",
    agentTypeId: "at_1",
    accountId: "acc_1",
    contactId: "con_1",
  };
  const agentKey = new AgentKey("agent_abc123xyz");

  test("from the Control Plane's instance and the secret's tags", () => {
    const tags = {
      [SECRET_TAGS.subscription]: "sub_1",
      [SECRET_TAGS.pricing]: "price_1",
      [SECRET_TAGS.environment]: "dev",
      [SECRET_TAGS.controlPlaneUrl]: "https://value.valmi.io/api/v1",
    };
    expect(
      composeRecord({ agentKey, issuedAt: START, previousKeyExpiresAt: START + 1 }, instance, tags),
    ).toEqual({
      agentKey,
      agentInstanceId: "ai_1",
      agentInstanceName: "dev-support",
      agentTypeId: "at_1",
      accountId: "acc_1",
      contactId: "con_1",
      subscription: "sub_1",
      pricing: "price_1",
      environment: "dev",
      controlPlaneUrl: "https://value.valmi.io/api/v1",
      issuedAt: START,
      previousKeyExpiresAt: START + 1,
    });
  });

  test("where nothing is tagged and there was no key before", () => {
    const made = composeRecord({ agentKey, issuedAt: START }, instance, {});
    expect(made).toMatchObject({ subscription: "", pricing: "", environment: "", controlPlaneUrl: "" });
    expect(made).not.toHaveProperty("previousKeyExpiresAt");
  });
});

function failure(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}
