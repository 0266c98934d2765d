import { finding } from "../../../core/audit/findings";
import { type Memory, NOTHING } from "../../../core/audit/memory";
import { issuedByHand, recall, remember, writeDown } from "../../../core/audit/remember";
import { DAY } from "../../../local/clock";
import { SECRET_ARN, START } from "../../../proofs/harness/builders";
import { facts, intentRecord, listed, remembered, runAt } from "./facts-builder";
import { logged } from "./logged";

const NOW = START + DAY;

describe("what is found", () => {
  test("is in the order of urgency, and has since when it is so", () => {
    const found = [remembered("instance-inactive", { pagedAt: START })];
    const findings = [
      finding("paused", "support", "-"),
      finding("rotation-overdue", "support", "-"),
      finding("instance-inactive", "support", "-"),
    ];
    const log = logged();

    const kept = remember(findings, runAt(NOW, { found }), log);

    expect(kept.map(({ severity, name, since }) => [severity, name, since])).toEqual([
      ["page", "instance-inactive", START],
      ["heal", "rotation-overdue", NOW],
      ["note", "paused", NOW],
    ]);
    expect(kept[0]?.pagedAt).toBe(START);
    // What was known before is not logged again.
    expect(log.lines).toEqual(["warn found", "warn found"]);
  });

  test("and was paged is no longer that once it is less than a page", () => {
    const found = [remembered("control-plane-unavailable", { severity: "page", pagedAt: START })];
    const [kept] = remember(
      [finding("control-plane-unavailable", "support", "-")],
      runAt(NOW, { found }),
      logged(),
    );

    expect(kept).not.toHaveProperty("pagedAt");
  });

  test("has a text that is not long", () => {
    const [kept] = remember([finding("paused", "support", "x".repeat(1_000))], runAt(NOW), logged());
    expect(kept?.text).toHaveLength(200);
  });
});

describe("the date in a value", () => {
  const intents = [intentRecord({ outcome: "promoted", versionId: "version-0" })];
  const byHand = { intents, currentVersionId: "version-1" };

  test("is kept for keys that no rotation has promoted, as long as their version stays", () => {
    const dated = { [SECRET_ARN]: { versionId: "version-1", at: START } };

    expect(issuedByHand([facts(byHand)])).toEqual(dated);
    expect(issuedByHand([listed({ ...byHand, issuedAt: START })])).toEqual(dated);
    expect(issuedByHand([listed(byHand)])).toEqual({});
    expect(issuedByHand([facts()])).toEqual({});
  });
});

describe("the memory", () => {
  test("that can't be read is nothing, and says why", async () => {
    const read = () => Promise.reject(Object.assign(new Error(), { name: "AccessDeniedException" }));

    expect(await recall({ read })).toEqual({ before: NOTHING, unreadable: "AccessDeniedException" });
    expect(await recall({ read: async () => NOTHING })).toEqual({ before: NOTHING });
  });

  test("holds what a record has room for", async () => {
    const written: Memory[] = [];
    const many = Array.from({ length: 1_500 }, () => remembered("key-refused"));
    const memory = { write: async (left: Memory) => void written.push(left) };

    await writeDown({ memory, log: logged() }, { ...NOTHING, found: many, untold: many });
    await writeDown({ memory, log: logged() }, { ...NOTHING, found: many.slice(0, 900), untold: many });

    expect(written.map(({ found, untold }) => [found.length, untold.length])).toEqual([
      [1_000, 0],
      [900, 100],
    ]);
  });

  test("that can't be written is logged, and no error", async () => {
    const log = logged();
    await writeDown({ memory: { write: () => Promise.reject(new Error()) }, log }, NOTHING);
    expect(log.lines).toEqual(["error the audit could not be written down"]);
  });
});
