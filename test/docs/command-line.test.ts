import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { command } from "../../core/command-line";

const ROOT = path.join(__dirname, "../..");
const COMMANDS = readdirSync(path.join(ROOT, "cli/commands")).map((file) => path.basename(file, ".ts"));

/** Whatever is sold as a way to start a command, but as `command` writes it or as an image starts the runner. */
const OTHER_SPELLINGS = [
  new RegExp(`(?<!npx --no-install |bin\\\\?/)valmi-agent-keys (${COMMANDS.join("|")})\\b`, "g"),
  // It would fetch a package of that name, whoever has published it, and run it beside the user's credentials.
  /npx ((-y|--yes) )?valmi-agent-keys/g,
  /"npx", "valmi-agent-keys"/g,
  /tsx cli\/main/g,
];

test("a line to paste is written in one way", () => {
  expect(command("status")).toBe("npx --no-install valmi-agent-keys status");
  expect(COMMANDS).toContain("operator-key");

  const files = execFileSync("git", ["ls-files", "--", "*.ts", "*.md", "*.py", "*.json"], {
    cwd: ROOT,
    encoding: "utf8",
  })
    .split("\n")
    .filter((file) => file !== "" && file !== path.relative(ROOT, __filename));
  expect(files.length).toBeGreaterThan(400);
  const found = files.flatMap((file) => {
    const text = readFileSync(path.join(ROOT, file), "utf8");
    return OTHER_SPELLINGS.flatMap((spelling) => text.match(spelling) ?? []).map(
      (each) => `${file}: ${each}`,
    );
  });
  expect(found).toEqual([]);
});
