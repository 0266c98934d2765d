import { environments } from "../../environments";
import { environmentNamed } from "../../local/environment-named";

it("takes the environment of that name", () => {
  expect(environmentNamed("dev", environments).name).toBe("dev");
  expect(() => environmentNamed("qa", environments)).toThrow(
    /^environments\.ts has no environment "qa"[\s\S]*choose one of: dev, staging, production/,
  );
});

it("refuses environments with anything wrong before a run begins, whichever is asked for", () => {
  const [dev, ...others] = environments;
  const wrong = {
    ...dev,
    agentInstances: [{ id: "Bad_ID", agentType: { id: "at_support" } }],
  } as typeof dev & object;

  expect(() => environmentNamed("production", [wrong, ...others])).toThrow(
    "- dev, agent instance Bad_ID: `id` must be",
  );
});
