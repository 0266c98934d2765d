import type { Directory } from "../../../core/audit/connect";
import { slotOf } from "../../../core/audit/intervals";
import { lookHourly } from "../../../core/audit/look-hourly";
import type { HourlyLook } from "../../../core/audit/memory";
import { markDescription } from "../../../core/key/ownership";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { intentRecord, listed, runAt } from "./facts-builder";

const NOW = START + DAY;
const orphan = (id: string, secretName = `valmi/dev/${id}/agent-key`) => ({
  agentInstanceId: id,
  secretName,
});
const location = { accountId: "123456789012", region: "eu-west-1" };

/** A Control Plane with one instance for each secret's name that a marker may name, by its id. */
function controlPlaneOf(instances: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const controlPlane = {
    instances: async function* () {
      for (const id of Object.keys(instances)) yield { id };
    },
    getInstance: async (id: string) => {
      asked.push(id);
      const secretName = instances[id] ?? "";
      return {
        description: secretName === "" ? "by hand" : markDescription("", { ...location, secretName }),
      };
    },
  } as unknown as Directory;
  return { asked, controlPlane };
}

async function look(
  before: HourlyLook | undefined,
  {
    controlPlane,
    now = NOW,
    remainingMs = 240_000,
  }: { controlPlane?: Directory; now?: number; remainingMs?: number } = {},
) {
  const calls: string[] = [];
  const deps = {
    alerts: { brokenRoute: async () => void calls.push("route") },
    rotationFunction: {
      mayBeInvoked: async () => {
        calls.push("policy");
        return true;
      },
    },
    budget: { remainingMs: () => remainingMs },
  };
  const around = {
    listed: [listed()],
    intents: new Map([[listed().secretArn, [intentRecord()]]]),
    ...(controlPlane ? { controlPlane } : {}),
  };
  const run = runAt(now, before ? { hourly: before } : {});
  return { calls, ...(await lookHourly(deps, run, around)) };
}

const last: HourlyLook = { slot: slotOf(NOW), mayBeInvoked: false, orphans: [orphan("ai_7")] };

test.each([
  ["an hour has not passed", { now: NOW + 55 * MINUTE }],
  ["there is no time", { now: NOW + HOUR, remainingMs: 44_999 }],
])("what was seen last stands while %s", async (_, options) => {
  expect(await look(last, options)).toEqual({ calls: [], hourly: last, failures: [] });
});

test("an hour later, at first, and if the clock was ahead everything is looked at", async () => {
  for (const [before, now] of [
    [last, NOW + HOUR],
    [undefined, NOW],
    [last, NOW - HOUR],
  ] as const) {
    const { calls, hourly } = await look(before, { now });
    expect([calls, hourly?.slot, hourly?.mayBeInvoked]).toEqual([["route", "policy"], slotOf(now), true]);
  }
});

test("without a Control Plane the orphans are those of the last look", async () => {
  expect((await look(last, { now: NOW + HOUR })).hourly?.orphans).toEqual(last.orphans);
});

test("an orphan is marked for a secret of this environment that is gone", async () => {
  const { asked, controlPlane } = controlPlaneOf({
    ai_1: "valmi/dev/support/agent-key",
    ai_2: "valmi/dev/support/agent-key",
    ai_3: "valmi/dev/gone/agent-key",
    ai_4: "valmi/production/gone/agent-key",
    ai_5: "",
  });
  const { hourly } = await look(undefined, { controlPlane });

  expect(hourly?.orphans).toEqual([orphan("ai_3", "valmi/dev/gone/agent-key")]);
  // The intents name the first.
  expect(asked).toEqual(["ai_2", "ai_3", "ai_4", "ai_5"]);
});

test("an unknown instance is asked about once a day, an orphan every hour", async () => {
  const { asked, controlPlane } = controlPlaneOf({ ai_6: "", ai_7: "valmi/dev/ai_7/agent-key" });
  let hourly: HourlyLook | undefined = last;
  for (let hour = 1; hour <= 24; hour++)
    ({ hourly } = await look(hourly, { controlPlane, now: NOW + hour * HOUR }));

  expect(asked.filter((id) => id === "ai_6")).toHaveLength(1);
  expect(asked.filter((id) => id === "ai_7")).toHaveLength(24);
  expect(hourly?.orphans).toEqual(last.orphans);
});

test("a Control Plane that fails leaves the last orphans", async () => {
  const error = new Error("away");
  const { controlPlane } = controlPlaneOf({ ai_7: "" });
  const failing = { ...controlPlane, getInstance: () => Promise.reject(error) } as Directory;

  expect(await look(last, { controlPlane: failing, now: NOW + HOUR })).toMatchObject({
    hourly: { orphans: last.orphans },
    failures: [{ error }],
  });
});
