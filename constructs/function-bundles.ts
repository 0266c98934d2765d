import * as path from "node:path";
import { FUNCTION_PURPOSES, type FunctionPurpose } from "../core/contract";

/** Zips with the code of the functions: each holds `index.js`, which exports `handler`. */
export type FunctionBundles = Readonly<Record<FunctionPurpose, string>>;

/** @param bundleOf makes or finds the zip of one function, and gives its path */
export function functionBundles(bundleOf: (name: FunctionPurpose) => string): FunctionBundles {
  return Object.fromEntries(FUNCTION_PURPOSES.map((name) => [name, bundleOf(name)])) as FunctionBundles;
}

/** The bundles that this package ships. */
export function shippedBundles(): FunctionBundles {
  return functionBundles((name) => path.join(__dirname, "..", "functions", `${name}.zip`));
}
