import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findPython } from "../../local/toolchain/ministack";

const run = promisify(execFile);

export const ROOT = join(__dirname, "..", "..");

/** Where the virtual environments are kept for the next run. */
const CACHE = join(ROOT, ".local");

/** A program from PyPI in a virtual environment of its own, installed once. */
export class PythonTool {
  private constructor(private readonly interpreter: string) {}

  /** @param requirement name and exact version, such as `checkov==3.3.30` */
  static async install(requirement: string): Promise<PythonTool> {
    const python = await findPython(process.env);
    const folder = join(CACHE, `${requirement.replace("==", "-")}-python-${python.version}`);
    const interpreter = join(folder, "bin", "python");
    if (await exists(interpreter)) return new PythonTool(interpreter);

    console.log(`installing ${requirement} (once)`);
    await mkdir(CACHE, { recursive: true });
    // Renamed into place when complete; a moved environment finds its packages by the path of its interpreter.
    const partial = await mkdtemp(`${folder}.partial-`);
    try {
      await run(python.path, ["-m", "venv", partial]);
      const pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        requirement,
      ];
      await run(join(partial, "bin", "python"), pip, { maxBuffer: 1e8 });
      await rename(partial, folder);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
    return new PythonTool(interpreter);
  }

  /** Runs one of its modules and gives what it prints. Exit codes other than 0 and those given are errors. */
  async run(args: readonly string[], { cwd = ROOT, exitCodes = [0] } = {}): Promise<string> {
    const environment = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
    const options = { cwd, env: environment, maxBuffer: 1e8 };
    try {
      return (await run(this.interpreter, [...args], options)).stdout;
    } catch (error) {
      const { code, stdout } = error as { readonly code?: unknown; readonly stdout?: string };
      if (exitCodes.includes(code as number)) return stdout ?? "";
      throw error;
    }
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
