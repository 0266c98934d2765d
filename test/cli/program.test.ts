import { OperatorWorld } from "./operator-world";

test("help is no error, names every command, and says what the exit codes mean", async () => {
  const { code, out, err } = await OperatorWorld.empty().run("--help");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  for (const command of ["status", "rotate", "rollback", "revoke", "doctor", "report", "exec"]) {
    expect(out).toContain(`\n  ${command} `);
  }
  expect(out).toContain("\n  3  refused, since it would break a promise or nobody agreed;");
});

test.each([
  "agent_abc123xyz",
  "rotate dev/support --agent_abc123xyz",
  "rotate dev/support --wait agent_abc123xyz",
])("a key where none belongs is wrong usage, and is not repeated: %s", async (line) => {
  const { code, out, err } = await OperatorWorld.empty().run(line);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain("[masked]");
  expect(err).not.toContain("agent_abc123xyz");
});
