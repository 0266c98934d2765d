import type { Environment } from "../../../constructs";
import { environments } from "../../../environments";
import { CHAPTERS, skippedChapters } from "../../../local/demo/chapters";

const [dev] = environments;
if (dev === undefined) throw new Error("environments.ts is empty");
const with_ = (fields: Partial<Environment>) => Object.keys(skippedChapters({ ...dev, ...fields })).sort();

const ADOPTED = { id: "old", adopt: { agentInstanceId: "ai_1", existingKey: "provided" } } as const;

test("the shipped dev tells everything", () => {
  expect(skippedChapters(dev)).toEqual({});
});

test.each<[string, Partial<Environment>, string[]]>([
  ["removal protect", { removal: "protect" }, ["destroy"]],
  ["the default of removal", { removal: undefined as never }, ["destroy"]],
  ["removal deactivate", { removal: "deactivate" }, []],
  ["healing that only says what it would do", { alerts: { healing: "dry-run" } }, ["healing"]],
  [
    "a grace period of zero",
    { controlPlane: { ...dev.controlPlane, gracePeriodHours: 0 } },
    ["grace", "noLoss"],
  ],
  ["a short grace period", { controlPlane: { ...dev.controlPlane, gracePeriodHours: 2 } }, []],
  ["a key that is provided", { agentInstances: [ADOPTED] }, ["provisioningCalls"]],
  [
    "a key that is minted for an adopted instance",
    { agentInstances: [{ id: "old", adopt: { agentInstanceId: "ai_1", existingKey: "refresh" } }] },
    [],
  ],
  ["no rotation", { rotation: "off" }, ["grace", "healing", "interval", "onDemand", "rotationCalls"]],
  [
    "no instance",
    { agentInstances: [] },
    Object.keys(CHAPTERS)
      .filter((name) => name !== "destroy")
      .sort(),
  ],
])("%s leaves out what doesn't apply", (_what, fields, skipped) => {
  expect(with_(fields)).toEqual(skipped);
});

test("one reason is enough, and names the setting", () => {
  const skipped = skippedChapters({ ...dev, rotation: "off", alerts: { healing: "dry-run" } });
  expect(skipped.healing).toBe("`rotation` is `off`");
});
