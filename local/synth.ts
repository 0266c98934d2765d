/*
 * Loads one module in another folder, and then a second one in the working folder: `synth.ts <folder> <first> <then>`.
 *
 * A run of `cdktf` has a folder of its own, into which the stacks are synthesised. `environments.ts` may read files beside
 * it, such as `readFileSync("customers.json")`, which works where `npx cdktf deploy` is typed. So it is loaded there, and is
 * at hand already when the module that synthesises asks for it.
 */
const [, , folder = "", first = "", then = ""] = process.argv;

const workingFolder = process.cwd();
process.chdir(folder);
require(first);
process.chdir(workingFolder);
require(then);
