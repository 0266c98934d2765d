import { find } from "../../../core/audit/find";
import { finding } from "../../../core/audit/findings";
import { DAY, HOUR } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { facts, intentRecord, key, listed, remembered, runAt } from "./facts-builder";

const NOW = START + DAY;
const found = [
  remembered("key-refused"),
  remembered("rotation-off"),
  remembered("mapping-differs", { instance: "x" }),
];
const names = (findings: ReturnType<typeof find>) => findings.map(({ name }) => name);

test("what a look at the value has shown stays found until the next such look", () => {
  expect(names(find(listed(), [], runAt(NOW, { found })))).toEqual(["key-refused"]);
  expect(names(find(facts(), [], runAt(NOW, { found })))).toEqual([]);
});

test("what is found anew stands in the place of what was found before", () => {
  const refused = facts(key({ accepted: false, belongsTo: undefined }));
  const [fresh, ...others] = find(refused, [], runAt(NOW, { found }));

  expect([fresh?.name, fresh?.text, others]).toEqual([
    "key-refused",
    expect.stringContaining("aaaaaaaaaaaa"),
    [],
  ]);
});

test("what has two shapes is told once, whichever of them is seen", () => {
  const before = { found: [remembered("current-missing")] };
  const { currentVersionId: _, ...empty } = listed();

  expect(names(find(empty, [], runAt(NOW, before)))).toEqual(["current-missing"]);
  expect(names(find(listed(), [], runAt(NOW, before)))).toEqual(["current-missing"]);
  expect(names(find(facts(), [], runAt(NOW, before)))).toEqual([]);
});

test("a look that fails is not told twice", () => {
  const failed = [finding("secrets-unreadable", "support", "AccessDeniedException")];
  const before = { found: [remembered("secrets-unreadable")] };

  expect(names(find(listed(), [], runAt(NOW, before)))).toEqual(["secrets-unreadable"]);
  expect(names(find(listed(), failed, runAt(NOW, before)))).toEqual([]);
});

test("a pause that began since then ends the healing of what was found", () => {
  const pause = intentRecord({ outcome: "paused", attemptEndsAt: NOW + HOUR });
  const heals = (given: ReturnType<typeof find>) => given.find(({ name }) => name === "key-refused")?.heals;

  expect(heals(find(listed(), [], runAt(NOW, { found })))).toBe(true);
  expect(heals(find(listed({ intents: [pause] }), [], runAt(NOW, { found })))).toBe(false);
});
