import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";

const root = path.join(__dirname, "..");
const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "valmi-agent-keys-test-")));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("synthesises all environments from another folder, with output and state in that folder", () => {
  const url = "http://127.0.0.1:4711/api/v1";
  execFileSync(process.execPath, ["--import", require.resolve("tsx"), path.join(root, "main.ts")], {
    cwd: folder,
    env: { ...process.env, VALMI_AGENT_KEYS_LOCAL: url },
  });
  for (const name of ["dev", "staging", "production"]) {
    const output = path.join(folder, "cdktf.out", "stacks", name);
    const stack = JSON.parse(readFileSync(path.join(output, "cdk.tf.json"), "utf8"));
    expect(stack.terraform.backend).toEqual({
      local: { path: path.join(folder, `terraform.${name}.tfstate`) },
    });
    for (const lambda of Object.values<{ filename: string; environment: { variables: object } }>(
      stack.resource.aws_lambda_function,
    )) {
      expect(existsSync(path.join(output, lambda.filename))).toBe(true);
      expect(lambda.environment.variables).toMatchObject({ VALMI_CONTROL_PLANE_URL: url });
    }
  }
});
