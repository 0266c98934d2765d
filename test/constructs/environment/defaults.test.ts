import { readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { type AgentKeysSettings, resolveSettings } from "../../../constructs";
import { leastSettings } from "../../helpers/synth";

/** The whole tree of settings with their defaults, each by its last name. */
function byName(value: unknown, found = new Map<string, unknown>()): Map<string, unknown> {
  for (const [name, each] of Object.entries(value ?? {})) {
    found.set(name, each);
    if (typeof each === "object") byName(each, found);
  }
  return found;
}

test("a setting that is given as undefined has its default", () => {
  const given = {
    ...leastSettings,
    controlPlane: {
      ...leastSettings.controlPlane,
      url: undefined,
      auth: undefined,
      gracePeriodHours: undefined,
    },
    rotation: { automaticallyAfterDays: undefined, windowHours: undefined },
    functions: { runtime: undefined, architecture: undefined, logRetentionDays: undefined },
    alerts: { healing: undefined, runbookUrl: undefined, trail: undefined, dashboard: undefined },
    removal: undefined,
    tags: undefined,
    kms: undefined,
  };
  expect(resolveSettings(given as unknown as AgentKeysSettings)).toEqual(resolveSettings(leastSettings));
});

test("every default is the one that its setting's documentation names", () => {
  const folder = path.join(__dirname, "..", "..", "..", "constructs", "environment");
  const defaults = byName(resolveSettings(leastSettings));
  const named = readdirSync(folder)
    .map((file) => readFileSync(path.join(folder, file), "utf8"))
    .flatMap((text) => [...text.matchAll(/@default ("[^"]*"|\w+)[^\n]*\n(?:\s*\*\/\n)?\s*readonly (\w+)\?/g)])
    .map(([, value = "", name = ""]) => [name, JSON.parse(value)] as const)
    // These follow from the name of the environment or the instance.
    .filter(([, value]) => !String(value).includes("<"));

  expect(named.length).toBeGreaterThan(12);
  // What only some instances have is not in the environment's own settings.
  const resolved = named.filter(([name]) => defaults.has(name));
  expect(resolved.map(([name]) => [name, defaults.get(name)])).toEqual(resolved);
  expect(named.filter(([name]) => !defaults.has(name))).toEqual([
    ["revision", 0],
    ["encryptsFunctions", false],
  ]);
});
