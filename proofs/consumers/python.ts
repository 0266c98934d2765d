import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import path from "node:path";
import { SettableClock } from "../../local/clock";
import { startControlPlane } from "../../local/control-plane/server";
import { exitOf } from "../../local/processes";
import { startSecretsManager } from "../../local/secrets-manager/server";
import { findPython } from "../../local/toolchain/ministack";
import { PYTHON_CLIENT, preparePythonClient } from "../../local/toolchain/python-client";

/*
 * Tests of the Python client in a virtual environment of its own, kept below `.local/` for the next run, against the
 * local Secrets Manager and Control Plane. Arguments go to pytest.
 */
const ROOT = path.join(__dirname, "../..");

async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const code = await exitOf(spawn(command, args, { cwd: PYTHON_CLIENT, env, stdio: "inherit" }));
  if (code !== 0) throw new Error(`${path.basename(command)} ${args[1] ?? ""} ended with ${code}`);
}

async function main(args: readonly string[]): Promise<void> {
  const python = await findPython(process.env);
  const interpreter = await preparePythonClient(python, path.join(ROOT, ".local"));
  const folder = path.dirname(path.dirname(interpreter));
  await run(interpreter, ["-m", "mypy", "--cache-dir", path.join(folder, "mypy")]);

  const secretsManager = await startSecretsManager({ clock: new SettableClock() });
  const controlPlane = await startControlPlane({ clock: new SettableClock() });
  try {
    await run(interpreter, ["-m", "pytest", "-p", "no:cacheprovider", ...args], {
      ...process.env,
      AWS_REGION: "eu-west-1",
      AWS_DEFAULT_REGION: "eu-west-1",
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      AWS_CONFIG_FILE: path.join(tmpdir(), "none"),
      AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
      TEST_CONTROL_PLANE_URL: controlPlane.url,
      TEST_API_KEY: controlPlane.apiKey,
      VALUE_BACKEND_URL: controlPlane.url.replace(/\/api\/v1$/, ""),
      // Nobody takes the SDK's telemetry here.
      VALUE_OTEL_ENDPOINT: "http://127.0.0.1:9",
    });
  } finally {
    await Promise.all([secretsManager.close(), controlPlane.close()]);
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`error: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});
