import type { InstanceFacts } from "../../../core/audit/facts";
import { noteProbes, tolerant } from "../../../core/audit/notes";
import { DAY } from "../../../local/clock";
import { SECRET_ARN, START } from "../../../proofs/harness/builders";
import { deep, facts, listed } from "./facts-builder";
import { logged } from "./logged";

const inGrace = (instance: object | undefined = facts().deep?.instance): InstanceFacts =>
  facts(
    deep({
      key: { ...facts().deep?.key, previousKeyExpiresAt: START + 2 * DAY },
      previousKey: { fingerprint: "bbbbbbbbbbbb", accepted: true },
      instance,
    }),
  );

test("the key before is noted with what was promised of it, unless its instance is inactive", async () => {
  const probes: unknown[] = [];
  const journal = { probed: async (...probe: unknown[]) => void probes.push(probe) };
  const inactive = inGrace({ ...facts().deep?.instance, isActive: false });

  await noteProbes(journal, [listed(), facts(), inactive, inGrace()]);

  const probe = { fingerprint: "bbbbbbbbbbbb", accepted: true, versionId: "version-1" };
  expect(probes).toEqual([[SECRET_ARN, { ...probe, promisedUntil: START + 2 * DAY, at: START + DAY }]]);
});

test("a journal that can't be written is logged once, and not tried again", async () => {
  let tries = 0;
  const write = () => {
    tries++;
    return Promise.reject(new Error("denied"));
  };
  const log = logged();
  const journal = tolerant({ asked: write, probed: write }, log);

  await journal.asked(SECRET_ARN, { at: START, because: [], answer: "asked" });
  await noteProbes(journal, [inGrace()]);

  expect([tries, log.lines]).toEqual([1, ["error the journal could not be written"]]);
});
