import * as path from "node:path";
import { buildSync } from "esbuild";
import type { FunctionBundles } from "./constructs";

/** The oldest Node.js that runs a function: Lambda's nodejs20.x and the local runs. */
const TARGET = "node20";

/**
 * Bundles the Lambda functions, everything that they import included, each into a folder of its own below `outdir`.
 * The same sources give the same bytes, wherever they lie.
 */
export function bundleFunctions(outdir: string): FunctionBundles {
  const bundle = (name: string) => {
    const folder = path.resolve(outdir, name);
    bundleFunction(`lambda/${name}/handler.ts`, path.join(folder, "index.js"));
    return folder;
  };
  return { rotation: bundle("rotation"), provisioning: bundle("provisioning") };
}

/** Bundles one function, as all of them are: the entry point's path is relative to the project. */
export function bundleFunction(entryPoint: string, outfile: string): void {
  buildSync({
    absWorkingDir: __dirname,
    entryPoints: [entryPoint],
    outfile,
    bundle: true,
    platform: "node",
    target: TARGET,
    format: "cjs",
    minify: true,
    logLevel: "warning",
  });
}

if (require.main === module) {
  const [outdir] = process.argv.slice(2);
  if (!outdir) throw new Error("Usage: tsx bundle-functions.ts OUTDIR");
  bundleFunctions(outdir);
}
