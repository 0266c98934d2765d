import { deepStrictEqual } from "node:assert";
import { format, inspect } from "node:util";
import { serialize } from "node:v8";
import { Logger } from "@aws-lambda-powertools/logger";
import fc from "fast-check";
import { AgentKey, ControlPlaneApiKey } from "../../../core/key/credential";

const TEXT = "agent_abc123xyz";

function thrownBy(act: () => void): string {
  try {
    act();
  } catch (error) {
    return inspect(error, { depth: null, showHidden: true });
  }
  throw new Error("nothing was thrown");
}

function loggedBy(act: (logger: Logger) => void): string {
  const lines: unknown[] = [];
  const spy = jest.spyOn(console, "error").mockImplementation((...line) => void lines.push(...line));
  process.env.POWERTOOLS_DEV = "true";
  try {
    act(new Logger({ logLevel: "DEBUG" }));
  } finally {
    delete process.env.POWERTOOLS_DEV;
    spy.mockRestore();
  }
  if (lines.length === 0) throw new Error("nothing was logged");
  return lines.join("\n");
}

describe.each([
  ["an agent key", new AgentKey(TEXT), /^\[agent key [0-9a-f]{12}\]$/],
  ["an operator's API key", new ControlPlaneApiKey(TEXT), /^\[Control Plane API key [0-9a-f]{12}\]$/],
])("%s", (_, key, shown) => {
  test.each<[string, () => unknown]>([
    ["toString", () => key.toString()],
    ["String()", () => String(key)],
    ["a template literal", () => `${key}`],
    // biome-ignore lint/style/useTemplate: concatenation is what is tried
    ["concatenation", () => key + ""],
    ["joining", () => [key].join()],
    ["JSON", () => JSON.parse(JSON.stringify(key))],
    ["inspect", () => inspect(key)],
  ])("shows its fingerprint by %s", (_how, print) => {
    expect(print()).toMatch(shown);
  });

  test.each<[string, () => unknown]>([
    ["JSON of what holds it", () => JSON.stringify({ headers: [{ key }] })],
    ["inspect of what holds it", () => inspect({ a: { b: { key } } }, { depth: null, showHidden: true })],
    [
      "inspect past its own way",
      () => inspect(key, { customInspect: false, showHidden: true, getters: true }),
    ],
    ["its own properties", () => inspect(Object.getOwnPropertyDescriptors(key), { depth: null })],
    ["spreading", () => JSON.stringify({ ...key })],
    ["structuredClone", () => inspect(structuredClone(key), { showHidden: true })],
    ["an error's text", () => new Error(`refused: ${key}`).message],
    [
      "an error's cause",
      () => inspect(new Error("refused", { cause: key }), { showHidden: true, depth: null }),
    ],
    ["an error's cause in its stack", () => new Error("refused", { cause: { key } }).stack],
    [
      "an error of several",
      () => inspect(new AggregateError([{ key }, new Error("", { cause: key })]), { depth: null }),
    ],
    [
      "an error's own fields",
      () => inspect(Object.assign(new Error("refused"), { key }), { showHidden: true }),
    ],
    ["format", () => format("%s %o %O %j %d %i %f", key, key, key, key, key, key, key)],
    ["an assertion", () => thrownBy(() => deepStrictEqual({ key }, { key: "another" }))],
    [
      "a line of the log",
      () => loggedBy((logger) => logger.error("refused", { key, error: new Error("", { cause: key }) })),
    ],
    ["serialisation", () => serialize({ key }).toString("latin1")],
    [
      "its entries",
      () => inspect([Object.entries(key), Object.keys(key), Reflect.ownKeys(key)], { depth: null }),
    ],
    ["JSON of its prototype's methods", () => JSON.stringify(Object.assign(Object.create(key), { key }))],
    ["a number", () => String(Number(key))],
    ["a URL", () => encodeURIComponent(key as unknown as string)],
    ["base64", () => Buffer.from(String(key)).toString("base64")],
  ])("does not show its text by %s", (_how, print) => {
    expect(print()).not.toContain(TEXT);
    expect(print()).not.toContain(Buffer.from(TEXT).toString("base64"));
  });

  test("is lost rather than copied", () => {
    expect(() => (structuredClone(key) as typeof key).reveal()).toThrow(TypeError);
    expect(() => (({ ...key }) as typeof key).reveal()).toThrow(TypeError);
    expect(() => Object.create(key).reveal()).toThrow(TypeError);
  });

  test("gives its text on demand", () => {
    expect(key.reveal()).toBe(TEXT);
  });
});

test("tells keys apart by their fingerprint", () => {
  expect(new AgentKey(TEXT).fingerprint).toBe(new AgentKey(TEXT).fingerprint);
  expect(new AgentKey(TEXT).fingerprint).not.toBe(new AgentKey(`${TEXT}0`).fingerprint);
  expect(new AgentKey(TEXT).equals(new AgentKey(TEXT))).toBe(true);
  expect(new AgentKey(TEXT).equals(new AgentKey(`${TEXT}0`))).toBe(false);
});

test.each([
  ["", "an empty text"],
  ["agent_abc 123xyz", "16 characters, some of them not allowed"],
  ["agent_abc123xyz\n", "16 characters, some of them not allowed"],
  ["agent_äbc123", "12 characters, some of them not allowed"],
  [undefined as unknown as string, "a value of type undefined"],
  [{ secret: TEXT } as unknown as string, "a value of type object"],
])("refuses %j without repeating it", (text, described) => {
  expect(() => new AgentKey(text)).toThrow(
    new TypeError(`agent key: must be visible ASCII without spaces, got ${described}`),
  );
});

test("refuses whatever no header can carry, and never repeats it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 8 }), (text) => {
      const visible = /^[\x21-\x7e]+$/.test(text);
      try {
        expect(new ControlPlaneApiKey(text).reveal()).toBe(text);
        expect(visible).toBe(true);
      } catch (error) {
        expect(visible).toBe(false);
        expect((error as Error).message).not.toContain(text);
      }
    }),
  );
});

test.each([
  ["agent_abc123xyz", true],
  ["agent_prod_abc-123", true],
  ["agent_abc12", false],
  ["token_abc123xyz", false],
  ["agent_abc.123", false],
  ["agent_abc123xyz.1", false],
  ["1.agent_abc123xyz", false],
])("reports whether %s has the documented shape", (text, known) => {
  expect(new AgentKey(text).hasKnownFormat).toBe(known);
});
