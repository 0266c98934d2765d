import { execFileSync } from "node:child_process";
import { OperatorWorld } from "./operator-world";

const hasZsh = exists("zsh");
if (!hasZsh) console.warn("No zsh on PATH: its completion is not tried.");

function exists(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const ASK = {
  bash: `eval "$SCRIPT"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _valmi_agent_keys; echo "\${COMPREPLY[*]}"`,
  zsh: `compdef() { : }; compadd() { print -r -- \${(M)found:#$words[CURRENT]*} }; _default() { print -r -- }
eval "$SCRIPT"; words=("$@"); CURRENT=$#; _valmi_agent_keys`,
};

describe.each(["bash", ...(hasZsh ? ["zsh"] : [])] as (keyof typeof ASK)[])("%s", (shell) => {
  test.each<[string[], string]>([
    [["ro"], "rotate rollback"],
    [["--v"], "--version"],
    [["operator-key", ""], "set rotate --help"],
    [["operator-key", "set", "--se"], "--secret"],
    [["rotate", "dev/support", "--em"], "--emergency"],
    [["rotate", "dev/support", "--emergency", "--y"], "--yes"],
    [["adopt", "--auth", ""], "api-key bearer"],
    [["completion", ""], "bash zsh --help"],
    [["exec", "--secret", "a", "--", "--se"], ""],
    [["no-such", "--se"], ""],
  ])("%j", async (words, candidates) => {
    const { out, code } = await OperatorWorld.empty().run(`completion ${shell}`);
    expect(code).toBe(0);
    const answer = execFileSync(shell, ["-c", ASK[shell], shell, "valmi-agent-keys", ...words], {
      env: { ...process.env, SCRIPT: out },
      encoding: "utf8",
    });
    expect(answer.trim()).toBe(candidates);
  });

  test("an unknown shell is wrong usage", async () => {
    expect(await OperatorWorld.empty().run("completion fish")).toMatchObject({ code: 2 });
  });
});
