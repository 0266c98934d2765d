import type { AgentKeysSettings } from "../../constructs";
import { synthAgentKeys } from "../helpers/synth";

const instances = ["support", "research"].map((id) => ({ id, agentType: { id: "at_1" } }));
const guards = (changes: Partial<AgentKeysSettings>) =>
  Object.values(
    synthAgentKeys({ agentInstances: instances, ...changes }).configuration.data
      ?.aws_secretsmanager_secrets ?? {},
  );

test("looks for secrets of protected instances that the configuration doesn't name", () => {
  const [guard, ...others] = guards({});
  expect(others).toEqual([]);
  const removed =
    'setsubtract([for name in self.names : name if endswith(name, "/agent-key")], ' +
    '["valmi/dev/support/agent-key","valmi/dev/research/agent-key"])';
  expect(guard).toEqual({
    filter: [{ name: "name", values: ["valmi/dev/"] }],
    lifecycle: {
      postcondition: [
        {
          condition: `\${length(${removed}) == 0}`,
          error_message: expect.stringContaining(
            `protected and not in the configuration: \${join(", ", ${removed})}. Put them back`,
          ),
        },
      ],
    },
  });
});

test.each(["deactivate", "delete"] as const)("isn't there where removal is %s", (removal) => {
  expect(guards({ removal })).toEqual([]);
});
