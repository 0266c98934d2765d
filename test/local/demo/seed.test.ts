import { environments } from "../../../environments";
import { FrozenClock } from "../../../local/clock";
import { ControlPlaneState } from "../../../local/control-plane/state";
import { addAdoptedInstances, seedFor } from "../../../local/demo/seed";

const page = { skip: 0, limit: 100 };

it.each(environments.map((environment) => [environment.name, environment] as const))(
  "lets every instance of %s be created",
  (_, environment) => {
    const seed = seedFor(environment);
    const state = new ControlPlaneState({ clock: new FrozenClock(), seed });
    const workspaceId = seed.workspaces[0]?.id ?? "";

    for (const { id, agentType, accountId = null, contactId = null } of environment.agentInstances) {
      const types = state.listAgentTypes(workspaceId, page).agentTypes;
      const type = types.find(
        (each) =>
          agentType !== undefined &&
          ("id" in agentType ? each.id === agentType.id : each.name === agentType.name),
      );
      const input = { name: id, description: "", agentTypeId: type?.id ?? "", accountId, contactId };
      expect(() => state.createInstance(workspaceId, input)).not.toThrow();
    }
  },
);

it("knows every agent type by its name, however alike the names are", () => {
  const names = ["Bot Ä", "Bot Ö", "bot-ä", "Adopted", "at_named_1"];
  const seed = seedFor({
    agentInstances: [
      ...names.map((name, index) => ({ id: `i-${index}`, agentType: { name } })),
      { id: "again", agentType: { name: "Bot Ä" } },
      { id: "by-id", agentType: { id: "at_named_1" } },
    ],
  });
  const known = seed.agentTypes.map(({ name }) => name);
  expect(names.filter((name) => !known.includes(name))).toEqual([]);
  expect(new Set(seed.agentTypes.map(({ id }) => id)).size).toBe(seed.agentTypes.length);
  expect(new Set(known).size).toBe(known.length);
  expect(seed.agentTypes.map(({ id }) => id)).toContain("at_named_1");
});

it("has the instances that are adopted, under the ids that they are adopted by", () => {
  const adopting = {
    agentInstances: [
      { id: "old", adopt: { agentInstanceId: "ai_42", existingKey: "refresh" as const } },
      { id: "new", agentType: { name: "Bot" } },
    ],
  };
  const state = new ControlPlaneState({ clock: new FrozenClock(), seed: seedFor(adopting) });

  addAdoptedInstances(state, adopting);

  const [only, ...others] = state.allInstances();
  expect(others).toEqual([]);
  expect(only).toMatchObject({ id: "ai_42", isActive: true });
  expect(state.identify(only?.keys[0]?.value).id).toBe("ai_42");
});
