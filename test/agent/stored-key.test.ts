import { readFileSync } from "node:fs";
import path from "node:path";
import { parseStoredKey } from "../../agent/stored-key";
import { AgentKey } from "../../core/key/credential";
import { parseRecord, serialiseRecord } from "../../core/key/stored-value";
import { record } from "../../proofs/harness/builders";

/** The Python library is run with the same ones. */
interface StoredValueCase {
  readonly case: string;
  readonly value: string;
  readonly key?: string;
  readonly previousKeyExpiresAtMs?: number;
  /** Part of the text in which an unreadable value is told. */
  readonly reason?: string;
}

const cases: readonly StoredValueCase[] = JSON.parse(
  readFileSync(path.join(__dirname, "../../clients/python/tests/stored-values.json"), "utf8"),
);

test.each(cases.map((each) => [each.case, each] as const))("%s", (_, each) => {
  if (each.key === undefined) {
    const [error] = [() => parseStoredKey(each.value)].map(failure);
    expect(error?.message).toContain(each.reason);
    expect(error?.message).not.toContain("abc123xyz");
    return;
  }
  const { agentKey, previousKeyExpiresAt } = parseStoredKey(each.value);
  expect([agentKey.reveal(), previousKeyExpiresAt]).toEqual([each.key, each.previousKeyExpiresAtMs]);
});

test("an agent reads what the functions write, and they refuse every time that it refuses", () => {
  const written = record({
    agentKey: new AgentKey("agent_abc123xyz"),
    previousKeyExpiresAt: 1_767_312_000_000,
  });
  const text = serialiseRecord(written);
  expect(parseStoredKey(text).previousKeyExpiresAt).toBe(1_767_312_000_000);
  for (const { value, reason } of cases.filter(({ reason }) => reason === "previousKeyExpiresAt")) {
    const { previousKeyExpiresAt } = JSON.parse(value);
    expect(() => parseRecord(JSON.stringify({ ...JSON.parse(text), previousKeyExpiresAt }))).toThrow(reason);
  }
});

function failure(call: () => unknown): Error | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
