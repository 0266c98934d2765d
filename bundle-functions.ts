import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { buildSync } from "esbuild";
import { zipSync } from "fflate";
import { type FunctionBundles, functionBundles } from "./constructs/function-bundles";
import { FUNCTION_PURPOSES, type FunctionPurpose } from "./core/contract";

/** The oldest Node.js that runs a function: Lambda's nodejs20.x and the local runs. */
const TARGET = "node20";

export const entryPointOf = (name: FunctionPurpose): string => `lambda/${name}/handler.ts`;

/** Of every file in a bundle. A zip holds times without a zone, so that this is the same on every machine. */
const MODIFIED = new Date(1980, 0, 1);

/** Readable by all, as Lambda asks for; in a zip, the mode of a Unix file stands in the upper half. */
const ATTRIBUTES = { os: 3, attrs: 0o100644 << 16 };

/**
 * Bundles the Lambda functions, everything that they import included, each into a zip of its own in `outdir`.
 * The same sources give the same bytes, wherever they lie and whenever they are bundled.
 */
export function bundleFunctions(outdir: string): FunctionBundles {
  mkdirSync(outdir, { recursive: true });
  return functionBundles((name) => {
    const code = bundleFunction(entryPointOf(name));
    const file = path.resolve(outdir, `${name}.zip`);
    writeFileSync(file, zipSync({ "index.js": [code, { mtime: MODIFIED, ...ATTRIBUTES }] }));
    return file;
  });
}

/**
 * Bundles one function, as all of them are: the entry point's path is relative to the project.
 *
 * @returns the text of the one module that it becomes, in UTF-8.
 */
export function bundleFunction(entryPoint: string): Uint8Array {
  return build(entryPoint).code;
}

/** A package that has gone into a bundle, or, without a licence, the project's own code. */
export interface BundledPackage {
  readonly name: string;
  readonly licence: string | undefined;
  /** Of the bundle, minified. */
  readonly bytes: number;
}

/** What one function's bundle is made of, the largest part first. */
export function bundledPackages(entryPoint: string): readonly BundledPackage[] {
  const parts = new Map<string, { folder: string; bytes: number }>();
  for (const [file, { bytesInOutput }] of Object.entries(build(entryPoint).inputs)) {
    const [, folder, name] = /^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(file) ?? [
      undefined,
      "",
      "(own code)",
    ];
    const part = parts.get(name) ?? { folder, bytes: 0 };
    parts.set(name, { ...part, bytes: part.bytes + bytesInOutput });
  }
  return [...parts]
    .map(([name, { folder, bytes }]) => ({
      name,
      bytes,
      licence: folder === "" ? undefined : licenceIn(folder),
    }))
    .sort((one, other) => other.bytes - one.bytes);
}

function licenceIn(folder: string): string {
  return (
    JSON.parse(readFileSync(path.join(__dirname, folder, "package.json"), "utf8")).license ?? "none named"
  );
}

function build(entryPoint: string) {
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: __dirname,
    entryPoints: [entryPoint],
    write: false,
    bundle: true,
    platform: "node",
    target: TARGET,
    format: "cjs",
    minify: true,
    metafile: true,
    logLevel: "warning",
  });
  const [module] = outputFiles;
  const [output] = Object.values(metafile.outputs);
  if (!module || !output) throw new Error(`esbuild made nothing of ${entryPoint}`);
  return { code: module.contents, inputs: output.inputs };
}

/** A line for each package of each bundle, for `--list`. */
function listing(): string {
  return FUNCTION_PURPOSES.flatMap((name) => {
    const packages = bundledPackages(entryPointOf(name));
    const all = packages.reduce((sum, { bytes }) => sum + bytes, 0);
    const lines = packages.map(
      ({ name, licence = "", bytes }) => `${String(bytes).padStart(9)}  ${licence.padEnd(12)}  ${name}`,
    );
    return [`${name}: ${all} bytes`, ...lines, ""];
  }).join("\n");
}

if (require.main === module) {
  const [outdir] = process.argv.slice(2);
  if (!outdir) throw new Error("Usage: tsx bundle-functions.ts OUTDIR | --list");
  if (outdir === "--list") console.log(listing());
  else bundleFunctions(outdir);
}
