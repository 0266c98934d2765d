import { mkdirSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { buildSync } from "esbuild";
import { zipSync } from "fflate";
import type { FunctionBundles } from "./constructs";

/** The oldest Node.js that runs a function: Lambda's nodejs20.x and the local runs. */
const TARGET = "node20";

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
  const bundle = (name: string) => {
    const code = bundleFunction(`lambda/${name}/handler.ts`);
    const file = path.resolve(outdir, `${name}.zip`);
    writeFileSync(file, zipSync({ "index.js": [code, { mtime: MODIFIED, ...ATTRIBUTES }] }));
    return file;
  };
  return { rotation: bundle("rotation"), provisioning: bundle("provisioning"), audit: bundle("audit") };
}

/**
 * Bundles one function, as all of them are: the entry point's path is relative to the project.
 *
 * @returns the text of the one module that it becomes, in UTF-8.
 */
export function bundleFunction(entryPoint: string): Uint8Array {
  const { outputFiles } = buildSync({
    absWorkingDir: __dirname,
    entryPoints: [entryPoint],
    write: false,
    bundle: true,
    platform: "node",
    target: TARGET,
    format: "cjs",
    minify: true,
    logLevel: "warning",
  });
  const [module] = outputFiles;
  if (!module) throw new Error(`esbuild made nothing of ${entryPoint}`);
  return module.contents;
}

if (require.main === module) {
  const [outdir] = process.argv.slice(2);
  if (!outdir) throw new Error("Usage: tsx bundle-functions.ts OUTDIR");
  bundleFunctions(outdir);
}
