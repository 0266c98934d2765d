import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import packageJson from "../../package.json";

const run = promisify(execFile);
const PROJECT = join(__dirname, "../..");

const programs = Object.entries(packageJson.scripts).filter(([name]) => name.startsWith("local"));

test("all local programs are asked", () => {
  expect(programs.length).toBeGreaterThanOrEqual(4);
});

test.each(programs)(
  "%s has a --help that starts nothing, and names its options",
  async (_name, script) => {
    const [, file = ""] = / (local\S+\.ts)$/.exec(script) ?? [];
    const { stdout, stderr } = await run(process.execPath, ["--import", "tsx", file, "--help"], {
      cwd: PROJECT,
    });
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^Usage: .+\n\n.+[\s\S]*\n {2}--\S+ .*\n[\s\S]* -h, --help/);
  },
  60_000,
);
