import { readFileSync } from "node:fs";
import path from "node:path";
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

test("the version is the package's", async () => {
  const { version } = JSON.parse(readFileSync(path.join(__dirname, "../../package.json"), "utf8"));
  expect(await OperatorWorld.empty().run("--version")).toEqual({ code: 0, out: version, err: "" });
});

test.each<[string, string, number, string]>([
  ["a refusal", "rollback dev/support --json", 3, "refused"],
  ["wrong usage", "show dev/none --json", 2, "usage"],
  ["an option that is none", "status --json --agent_abc123xyz", 2, "usage"],
])("%s is JSON too, if that was asked for", async (_, line, code, exit) => {
  const desk = await OperatorWorld.ready();
  const ran = await desk.run(line);
  expect(ran.code).toBe(code);
  const { error } = JSON.parse(ran.out);
  expect(error).toEqual({ exit, code, message: expect.any(String) });
  expect(ran.err).toContain(error.message);
  expect(ran.out).not.toContain("agent_abc123xyz");
});

test("what the command of exec is called with is not this program's", async () => {
  expect(await OperatorWorld.empty().run("exec --secret none --events x -- true --json")).toMatchObject({
    code: 2,
    out: "",
  });
});
