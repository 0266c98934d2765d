import type { InstanceFacts } from "../../../core/audit/facts";
import { needsValue, unspentIntent } from "../../../core/audit/unfinished";
import { START } from "../../../proofs/harness/builders";
import { facts, intentRecord, listed } from "./facts-builder";

test("an intent is spent when its key is current, and when AWSCURRENT is on a younger one", () => {
  const of = (changes: Partial<InstanceFacts>) => unspentIntent(facts(changes))?.outcome;

  expect(of({ intents: [intentRecord()] })).toBe("open");
  expect(of({ intents: [intentRecord({ outcome: "promoted" })] })).toBeUndefined();
  expect(
    of({ intents: [intentRecord({ versionId: "version-1", baseVersionId: "version-0" })] }),
  ).toBeUndefined();
  expect(of({ intents: [intentRecord({ baseVersionId: "version-0", takenAt: START - 1 })] })).toBeUndefined();
  // The old value was stored again under a new version: its key is older than the mint.
  expect(of({ intents: [intentRecord({ baseVersionId: "version-0", takenAt: START + 1 })] })).toBe("open");
});

test("whether an intent only seems unspent, the value has to tell", () => {
  const intents = [intentRecord({ baseVersionId: "version-0" })];

  expect(needsValue(listed({ intents }))).toBe(true);
  expect(needsValue(listed({ intents: [intentRecord()] }))).toBe(false);
  expect(needsValue(facts({ intents }))).toBe(false);
});
