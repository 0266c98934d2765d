import { mkdir } from "node:fs/promises";
import { type AwsProvider, findAwsProvider } from "./toolchain/aws-provider";
import { findPython, installMinistack } from "./toolchain/ministack";
import { findOwnEmulator, type OwnEmulator } from "./toolchain/own-emulator";
import { findTerraform, type Terraform } from "./toolchain/terraform";

export { PrerequisiteError } from "./toolchain/prerequisite-error";

/** The programs that a local run needs beside Node. */
export interface Toolchain {
  readonly terraform: Terraform;
  readonly awsProvider: AwsProvider;
  /** The Python of a virtual environment that holds MiniStack, or the emulator that the user has running. */
  readonly emulator: { readonly python: string } | OwnEmulator;
}

export interface PrepareToolchainOptions {
  /** Where installs are kept from run to run, such as `.local` in the project's folder. */
  readonly cacheFolder: string;
  /** @default process.env */
  readonly env?: NodeJS.ProcessEnv;
  /** Told in one line before anything is downloaded or installed. */
  readonly report?: (line: string) => void;
}

/**
 * Finds what is on the machine, and fetches what isn't.
 *
 * @throws PrerequisiteError with the one thing to do where something can't be had.
 */
export async function prepareToolchain(options: PrepareToolchainOptions): Promise<Toolchain> {
  const { cacheFolder, env = process.env } = options;
  const report = options.report ?? (() => {});
  await mkdir(cacheFolder, { recursive: true });

  const python = await findPython(env);
  const terraform = await findTerraform({ env, cacheFolder, python: python.path, report });
  const awsProvider = await findAwsProvider({ env, terraform, cacheFolder, report });
  const own = await findOwnEmulator(env);
  const emulator = own ?? { python: await installMinistack({ env, python, cacheFolder, report }) };
  return { terraform, awsProvider, emulator };
}
