import { execFile } from "node:child_process";
import { access, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { PrerequisiteError } from "./prerequisite-error";
import { onPath } from "./terraform";

const run = promisify(execFile);

/** The emulator's version. Behaviour that the local run relies on was checked with this one only. */
export const MINISTACK_VERSION = "1.5.33";

/** MiniStack's own lower bound. */
const OLDEST_PYTHON_MINOR = 10;

export interface Python {
  readonly path: string;
  /** Such as `3.11`. */
  readonly version: string;
}

/**
 * Finds a Python that can make virtual environments.
 *
 * @throws PrerequisiteError where there is none, it is too old, or its system left `venv` out.
 */
export async function findPython(env: NodeJS.ProcessEnv): Promise<Python> {
  const path = (await onPath("python3", env)) ?? (await onPath("python", env));
  const install = `install Python 3.${OLDEST_PYTHON_MINOR} or later with venv (Debian: apt install python3-venv)`;
  if (path === undefined) throw new PrerequisiteError('neither "python3" nor "python" is on PATH', install);

  const probe = "import sys; print('%d.%d' % sys.version_info[:2]); import venv, ensurepip";
  const { stdout, failure } = await run(path, ["-c", probe], { env }).then(
    ({ stdout }) => ({ stdout, failure: undefined }),
    (error: { stdout?: string; message: string }) => ({ stdout: error.stdout ?? "", failure: error }),
  );
  const version = stdout.trim();
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major !== 3 || minor < OLDEST_PYTHON_MINOR) {
    throw new PrerequisiteError(`${path} is Python ${version || "of an unknown version"}`, install);
  }
  if (failure !== undefined) {
    throw new PrerequisiteError(`${path} (Python ${version}) has no venv module`, install, {
      cause: failure,
    });
  }
  return { path, version };
}

export interface InstallMinistackOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly python: Python;
  /** Where the virtual environment is kept for the next run. */
  readonly cacheFolder: string;
  readonly report?: (line: string) => void;
}

/**
 * Makes a virtual environment that holds MiniStack, once per version of both.
 *
 * @returns the path of the environment's Python; `python -m ministack` starts the emulator.
 * @throws PrerequisiteError where pip can't install it.
 */
export async function installMinistack(options: InstallMinistackOptions): Promise<string> {
  const { env, python, cacheFolder, report } = options;
  const folder = join(cacheFolder, `ministack-${MINISTACK_VERSION}-python-${python.version}`);
  const interpreter = join(folder, "bin", "python");
  if (await exists(interpreter)) return interpreter;

  report?.(`installing MiniStack ${MINISTACK_VERSION} (once)`);
  // Renamed into place when complete, so that a second run beside this one never sees half of it. A moved virtual
  // environment finds its packages by the path of its interpreter; only its scripts would not, and none is used.
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    await run(python.path, ["-m", "venv", partial], { env });
    const requirement = `ministack==${MINISTACK_VERSION}`;
    const pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", requirement];
    await run(join(partial, "bin", "python"), pip, { env });
    await rename(partial, folder).catch(async (error) => {
      if (!(await exists(interpreter))) throw error;
    });
  } catch (error) {
    const lines = ((error as { stderr?: string }).stderr ?? "").trim().split("\n");
    throw new PrerequisiteError(
      `MiniStack ${MINISTACK_VERSION} can't be installed (${lines.at(-1) || (error as Error).message})`,
      "give pip a package index that has it (PIP_INDEX_URL), or set AWS_ENDPOINT_URL to a running emulator",
      { cause: error },
    );
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return interpreter;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
