import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { PrerequisiteError } from "./prerequisite-error";

const run = promisify(execFile);

/** The release that is fetched where the machine has neither Terraform nor OpenTofu. */
export const TERRAFORM_RELEASE = "1.11.4";

/** Postconditions, which the stacks rely on, came with 1.2 of both programs' common ancestor. */
const OLDEST_MINOR = 2;

const RELEASES_URL = "https://releases.hashicorp.com";

export interface Terraform {
  /** Absolute path of the program, or a name on PATH where the user's own setting names one so. */
  readonly path: string;
  readonly version: string;
  /** The registry that a provider's short name belongs to: OpenTofu has one of its own. */
  readonly registryHost: "registry.terraform.io" | "registry.opentofu.org";
}

export interface FindTerraformOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Where a fetched release is kept for the next run. */
  readonly cacheFolder: string;
  /** Unpacks the release: Node has no reader of zip files. */
  readonly python: string;
  /** @default - the vendor's release site */
  readonly releasesUrl?: string;
  /** Told in one line before a download starts. */
  readonly report?: (line: string) => void;
}

/**
 * Finds Terraform or OpenTofu: what `TERRAFORM_BINARY_NAME` names (CDKTF's own setting), then `terraform` and `tofu`
 * on PATH, then a release fetched earlier, then the vendor's release site.
 *
 * @throws PrerequisiteError where there is none, or one that doesn't run or is too old.
 */
export async function findTerraform(options: FindTerraformOptions): Promise<Terraform> {
  const { env, cacheFolder } = options;
  if (env.TERRAFORM_BINARY_NAME) return inspect(env.TERRAFORM_BINARY_NAME, env);

  const installed = (await onPath("terraform", env)) ?? (await onPath("tofu", env));
  if (installed !== undefined) return inspect(installed, env);

  const fetched = join(cacheFolder, `terraform-${TERRAFORM_RELEASE}`, "terraform");
  if (!(await isExecutable(fetched))) await fetchTerraform(options);
  return inspect(fetched, env);
}

/** The full path of a program on PATH, as a shell would find it; undefined where there is none. */
export async function onPath(program: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const folder of (env.PATH ?? "").split(delimiter).filter((entry) => entry !== "")) {
    const path = join(folder, program);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

/** Terraform's names of this machine's system and processor. */
export function terraformPlatform(): { readonly os: string; readonly arch: string } {
  if (process.platform === "win32") {
    throw new PrerequisiteError(
      "the local run needs Linux or macOS",
      "run it in WSL: https://learn.microsoft.com/windows/wsl/install",
    );
  }
  return { os: process.platform, arch: process.arch === "x64" ? "amd64" : process.arch };
}

async function inspect(path: string, env: NodeJS.ProcessEnv): Promise<Terraform> {
  const { version, productName } = await versionOf(path, env);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 1 || (major === 1 && minor < OLDEST_MINOR)) {
    throw new PrerequisiteError(
      `${path} is version ${version}; 1.${OLDEST_MINOR} or later is needed`,
      `upgrade it, or put another one's path into TERRAFORM_BINARY_NAME`,
    );
  }
  const registryHost = productName === "OpenTofu" ? "registry.opentofu.org" : "registry.terraform.io";
  return { path, version, registryHost };
}

async function versionOf(
  path: string,
  env: NodeJS.ProcessEnv,
): Promise<{ version: string; productName: string }> {
  try {
    // A CLI config file named in the environment that isn't there would print a warning in front of the version.
    const { TF_CLI_CONFIG_FILE: _, ...quiet } = env;
    const { stdout } = await run(path, ["version"], { env: { ...quiet, CHECKPOINT_DISABLE: "1" } });
    const match = /^(Terraform|OpenTofu) v(\d+\.\d+\.\d+\S*)/m.exec(stdout);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new Error(`its "version" printed ${JSON.stringify(stdout.slice(0, 60))}`);
    }
    return { productName: match[1], version: match[2] };
  } catch (error) {
    throw new PrerequisiteError(
      `${path} doesn't run as Terraform or OpenTofu (${(error as Error).message})`,
      "correct TERRAFORM_BINARY_NAME or PATH",
      { cause: error },
    );
  }
}

/**
 * Fetches the pinned release. What is verified: that the archive has the SHA-256 that the vendor's `SHA256SUMS` of
 * the same release lists, and both came over verified TLS from the vendor's site. The signature of that list isn't
 * checked.
 */
async function fetchTerraform(options: FindTerraformOptions): Promise<void> {
  const { cacheFolder, python, releasesUrl = RELEASES_URL, report } = options;
  const { os, arch } = terraformPlatform();
  const archive = `terraform_${TERRAFORM_RELEASE}_${os}_${arch}.zip`;
  const release = `${releasesUrl}/terraform/${TERRAFORM_RELEASE}`;

  const sums = (await download(`${release}/terraform_${TERRAFORM_RELEASE}_SHA256SUMS`)).toString("utf8");
  report?.(`fetching Terraform ${TERRAFORM_RELEASE}`);
  const content = await download(`${release}/${archive}`);

  const expected = sums
    .split("\n")
    .find((line) => line.endsWith(`  ${archive}`))
    ?.split(" ")[0];
  const got = createHash("sha256").update(content).digest("hex");
  if (got !== expected) {
    throw new PrerequisiteError(
      `${release}/${archive} has the SHA-256 ${got}, its list says ${expected ?? "nothing about it"}`,
      "don't use that file; install Terraform or OpenTofu by hand",
    );
  }

  // Renamed into place when complete, so that a second run beside this one never sees half of it.
  const partial = join(cacheFolder, `terraform-${TERRAFORM_RELEASE}.partial-${process.pid}`);
  await mkdir(partial, { recursive: true });
  try {
    await writeFile(join(partial, archive), content);
    await run(python, ["-m", "zipfile", "-e", join(partial, archive), partial]);
    await chmod(join(partial, "terraform"), 0o755);
    await rm(join(partial, archive));
    await rename(partial, join(cacheFolder, `terraform-${TERRAFORM_RELEASE}`)).catch(async (error) => {
      if (!(await isExecutable(join(cacheFolder, `terraform-${TERRAFORM_RELEASE}`, "terraform"))))
        throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function download(url: string): Promise<Buffer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(120_000) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    const { message, cause } = error as Error;
    throw new PrerequisiteError(
      `neither "terraform" nor "tofu" is on PATH, and ${url} can't be fetched ` +
        `(${cause instanceof Error ? cause.message : message})`,
      "install Terraform (https://developer.hashicorp.com/terraform/install) or OpenTofu " +
        "(https://opentofu.org/docs/intro/install/), or put its path into TERRAFORM_BINARY_NAME",
      { cause: error },
    );
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
