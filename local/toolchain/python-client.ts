import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { exitOf } from "../processes";
import type { Python } from "./ministack";
import { PrerequisiteError } from "./prerequisite-error";

export const PYTHON_CLIENT = resolve(__dirname, "../../clients/python");

/**
 * A virtual environment with the Python client of this project, as its sources are now, and what its tests need: boto3,
 * Valmi's SDK, pytest. It is kept for the next run, and made anew where `pyproject.toml` has changed.
 *
 * @returns the path of its Python
 * @throws PrerequisiteError where pip can't install it.
 */
export async function preparePythonClient(
  python: Python,
  cacheFolder: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const folder = join(cacheFolder, `python-client-${python.version}`);
  const interpreter = join(folder, "bin", "python");
  const stamp = join(folder, "pyproject.toml");
  const wanted = await readFile(join(PYTHON_CLIENT, "pyproject.toml"), "utf8");
  if ((await readFile(stamp, "utf8").catch(() => undefined)) === wanted) return interpreter;
  await mkdir(cacheFolder, { recursive: true });
  const quiet = ["--quiet", "--no-input", "--disable-pip-version-check"];
  const steps = [
    [python.path, "-m", "venv", folder],
    [interpreter, "-m", "pip", "install", ...quiet, "--editable", ".[test]"],
  ] as const;
  for (const [program, ...args] of steps) {
    const code = await exitOf(spawn(program, args, { cwd: PYTHON_CLIENT, env, stdio: "inherit" }));
    if (code === 0) continue;
    throw new PrerequisiteError(
      `the Python client can't be installed: ${args[1]} ended with ${code}`,
      "give pip a package index that has boto3 and value-python (PIP_INDEX_URL)",
    );
  }
  await writeFile(stamp, wanted);
  return interpreter;
}
