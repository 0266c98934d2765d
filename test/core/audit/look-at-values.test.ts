import type { Directory } from "../../../core/audit/connect";
import { slotOf } from "../../../core/audit/intervals";
import { lookAtValues } from "../../../core/audit/look-at-values";
import { NOTHING } from "../../../core/audit/memory";
import { dueLooks } from "../../../core/audit/turns";
import { Use } from "../../../core/audit/use";
import { ControlPlaneError } from "../../../core/control-plane/errors";
import { serialiseRecord } from "../../../core/key/stored-value";
import { DAY, HOUR } from "../../../local/clock";
import { record, START } from "../../../proofs/harness/builders";
import { listed, runAt } from "./facts-builder";

// A whole day has to be made up for, so that every key is due.
const NOW = START + DAY + 12 * HOUR;
const run = runAt(NOW, { checkedThrough: slotOf(NOW) - 288 });
const fleet = ["a", "b", "c", "d"].map((id) =>
  listed({ id, secretArn: `arn:${id}`, secretName: `valmi/dev/${id}/agent-key` }),
);
const order = dueLooks(fleet, run);
const third = order[2] as (typeof order)[number];

const controlPlane = {
  now: () => NOW,
  checkAgentKey: async () => ({ accepted: true, agentInstanceId: "ai_1" }),
  getInstance: async () => undefined,
} as unknown as Directory;

/** `befall` is called before each read. */
async function look({
  befall = () => {},
  plane = controlPlane as Directory | "none",
  budget = { remainingMs: () => 240_000 },
}: {
  befall?: (secretArn: string) => void;
  plane?: Directory | "none";
  budget?: { remainingMs: () => number };
} = {}) {
  const use = new Use(NOTHING.use, 30 * DAY);
  const secrets = {
    readVersion: async (secretArn: string) => {
      befall(secretArn);
      return serialiseRecord(record());
    },
  };
  const looks = await lookAtValues(
    { secrets, budget, use },
    run,
    fleet,
    plane === "none" ? undefined : plane,
  );
  return { ...looks, seen: looks.facts.filter(({ deep }) => deep).map(({ id }) => id), use };
}

const of = (looks: readonly { readonly look: { readonly id: string } }[]) =>
  looks.map(({ look: { id } }) => id).sort();

test("all whose turn it is are looked at, and the others are left as they are", async () => {
  const { facts, seen, checkedThrough, failures } = await look();

  expect([seen, checkedThrough, failures]).toEqual([["a", "b", "c", "d"], slotOf(NOW), []]);
  expect(facts.map(({ id }) => id)).toEqual(["a", "b", "c", "d"]);
});

test("without a Control Plane nothing is looked at, and the next run begins where this one would have", async () => {
  const { seen, checkedThrough } = await look({ plane: "none" });

  expect([seen, checkedThrough]).toEqual([[], (order[0]?.slot ?? 0) - 1]);
});

test("what time does not suffice for is left to the next run", async () => {
  let looks = 0;
  const { seen, checkedThrough, failures } = await look({
    budget: { remainingMs: () => (looks++ < 2 ? 240_000 : 44_999) },
  });

  expect([seen, checkedThrough, failures]).toEqual([of(order.slice(0, 2)), third.slot - 1, []]);
});

test("a Control Plane that fails ends the looks; what it failed for is due in the next run", async () => {
  const error = new ControlPlaneError("unavailable", "-", "no");
  let checks = 0;
  const plane = {
    ...controlPlane,
    getInstance: () => (++checks > 2 ? Promise.reject(error) : Promise.resolve(undefined)),
  };
  const { seen, checkedThrough, failures } = await look({ plane });

  expect([seen, checkedThrough, failures]).toEqual([of(order.slice(0, 2)), third.slot - 1, [{ error }]]);
});

test("a value that can't be read keeps nobody else from being looked at", async () => {
  const error = new Error("AccessDeniedException");
  const { seen, checkedThrough, failures } = await look({
    befall: (secretArn) => {
      if (secretArn === "arn:b") throw error;
    },
  });

  expect([seen, checkedThrough]).toEqual([["a", "c", "d"], slotOf(NOW)]);
  expect(failures).toEqual([{ error, instance: "b" }]);
});

test("a look that comes late counts as another read, since the value may have been read before", async () => {
  const { use } = await look();
  expect([...use.remembered(new Set()).readEarly.ids].sort()).toEqual(["a", "b", "c", "d"]);
});
