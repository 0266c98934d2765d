import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, realpath, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { AWS_PROVIDER_VERSIONS } from "../../core/contract";
import { PrerequisiteError } from "./prerequisite-error";
import { type Terraform, terraformPlatform } from "./terraform";

const run = promisify(execFile);

/** The variable by which a user names a filesystem mirror. */
export const MIRROR_VARIABLE = "VALMI_TERRAFORM_MIRROR";

export interface AwsProvider {
  /** A folder in the layout of Terraform's filesystem mirrors that holds the provider. */
  readonly mirror: string;
  /** Terraform's address of it, such as `registry.terraform.io/hashicorp/aws`. */
  readonly address: string;
}

export interface FindAwsProviderOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly terraform: Terraform;
  /** Where a provider fetched by Terraform is kept for the next run. */
  readonly cacheFolder: string;
  /** @default - Terraform's standard locations for this user and system */
  readonly standardMirrors?: readonly string[];
  /** Folders whose children and grandchildren may be a mirror. @default - the file system's root, home */
  readonly searchRoots?: readonly string[];
  readonly report?: (line: string) => void;
}

/**
 * Finds the AWS provider as a filesystem mirror: the one that `VALMI_TERRAFORM_MIRROR` names; Terraform's standard
 * locations; what an earlier run fetched. Where none has it, lets Terraform fetch it the way this machine's user has
 * configured; where Terraform can't, looks for a mirror in plain sight.
 *
 * @throws PrerequisiteError where there is none for this system and an allowed version.
 */
export async function findAwsProvider(options: FindAwsProviderOptions): Promise<AwsProvider> {
  const { env, terraform, cacheFolder, report } = options;
  const address = `${terraform.registryHost}/hashicorp/aws`;
  const fetched = join(cacheFolder, "providers");

  const named = env[MIRROR_VARIABLE];
  if (named) {
    if (await holdsProvider(named, address)) return { mirror: await realpath(named), address };
    throw new PrerequisiteError(
      `${MIRROR_VARIABLE} names ${named}, which has no ${address} ${AWS_PROVIDER_VERSIONS} for this system`,
      `name a folder that "terraform providers mirror" filled, or unset the variable`,
    );
  }

  for (const mirror of [...(options.standardMirrors ?? standardMirrors(env)), fetched]) {
    if (await holdsProvider(mirror, address)) return { mirror: await realpath(mirror), address };
  }

  report?.("no AWS provider in the standard places: asking Terraform to fetch it");
  const refusal = await fetchProvider(terraform, env, cacheFolder);
  if (await holdsProvider(fetched, address)) return { mirror: await realpath(fetched), address };

  for (const root of options.searchRoots ?? ["/", homedir()]) {
    const mirror = await mirrorBelow(root, address);
    if (mirror !== undefined) return { mirror, address };
  }
  throw new PrerequisiteError(
    `no AWS provider ${AWS_PROVIDER_VERSIONS}: Terraform can't fetch it (${refusal}), and no mirror was found`,
    `give it a network, or put the path of a folder that "terraform providers mirror" filled into ${MIRROR_VARIABLE}`,
  );
}

/** The CLI configuration that makes Terraform take the AWS provider from the mirror and ask nobody. */
export function terraformCliConfig({ mirror, address }: AwsProvider): string {
  return [
    "disable_checkpoint = true",
    "provider_installation {",
    "  filesystem_mirror {",
    `    path    = ${JSON.stringify(mirror)}`,
    `    include = [${JSON.stringify(address)}]`,
    "  }",
    "}",
    "",
  ].join("\n");
}

/**
 * Terraform's "implied local mirror directories" and a plugin cache, which has the same layout.
 *
 * @see https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories
 */
export function standardMirrors(env: NodeJS.ProcessEnv, home = homedir()): string[] {
  const dataFolders = (env.XDG_DATA_DIRS ?? "/usr/local/share:/usr/share").split(":");
  return [
    "terraform.d/plugins",
    join(home, ".terraform.d", "plugins"),
    join(env.XDG_DATA_HOME ?? join(home, ".local", "share"), "terraform", "plugins"),
    join(home, "Library", "Application Support", "io.terraform", "plugins"),
    ...dataFolders.map((folder) => join(folder, "terraform", "plugins")),
    ...(env.TF_PLUGIN_CACHE_DIR ? [env.TF_PLUGIN_CACHE_DIR] : []),
  ];
}

/** Whether a folder has an allowed version for this system, unpacked or as the zip that Terraform also takes. */
export async function holdsProvider(mirror: string, address: string): Promise<boolean> {
  const { os, arch } = terraformPlatform();
  const folder = join(mirror, address);
  for (const entry of await entriesOf(folder)) {
    const packed = new RegExp(`^terraform-provider-aws_(.+)_${os}_${arch}\\.zip$`).exec(entry)?.[1];
    if (packed !== undefined && isAllowed(packed)) return true;
    if (isAllowed(entry) && (await entriesOf(join(folder, entry, `${os}_${arch}`))).length > 0) return true;
  }
  return false;
}

function isAllowed(version: string): boolean {
  const match = /^(\d+)\.(\d+)\.\d+$/.exec(version);
  const [major, minor] = [Number(match?.[1]), Number(match?.[2])];
  return (major === 5 && minor >= 100) || major === 6;
}

/** At most two levels down, and never into what the kernel, the boot or temporary files keep there. */
async function mirrorBelow(root: string, address: string): Promise<string | undefined> {
  const skipped = new Set(["proc", "sys", "dev", "run", "boot", "tmp", "lost+found"]);
  let level = [root];
  for (let depth = 0; depth <= 2; depth += 1) {
    for (const folder of level) {
      if (await holdsProvider(folder, address)) return realpath(folder);
    }
    if (depth === 2) break;
    const children = await Promise.all(
      level.map(async (folder) => (await entriesOf(folder)).map((entry) => join(folder, entry))),
    );
    level = children.flat().filter((child) => !skipped.has(basename(child)));
  }
  return undefined;
}

/**
 * Lets Terraform fetch the provider under the user's own configuration (registry, network mirror, proxy). A plugin
 * cache has the layout of a filesystem mirror, so the cache that this fills is what later runs take it from.
 *
 * @returns why it failed, or "" where it didn't.
 */
async function fetchProvider(
  terraform: Terraform,
  env: NodeJS.ProcessEnv,
  cacheFolder: string,
): Promise<string> {
  await mkdir(cacheFolder, { recursive: true });
  const scratch = await mkdtemp(join(cacheFolder, "providers.partial-"));
  try {
    const plugins = join(scratch, "plugins");
    await mkdir(plugins);
    const required = { aws: { source: "hashicorp/aws", version: AWS_PROVIDER_VERSIONS } };
    await writeFile(
      join(scratch, "main.tf.json"),
      JSON.stringify({ terraform: { required_providers: required } }),
    );
    await run(terraform.path, ["init", "-backend=false", "-input=false", "-no-color"], {
      cwd: scratch,
      env: {
        ...env,
        CHECKPOINT_DISABLE: "1",
        TF_PLUGIN_CACHE_DIR: plugins,
        TF_REGISTRY_CLIENT_TIMEOUT: "10",
        TF_REGISTRY_DISCOVERY_RETRY: "0",
      },
    });
    await rename(plugins, join(cacheFolder, "providers"));
    return "";
  } catch (error) {
    const output = (error as { stderr?: string }).stderr ?? (error as Error).message;
    return /could not connect to [^:]+/.exec(output.replace(/\s+/g, " "))?.[0] ?? "terraform init failed";
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
