import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Loaded before everything else of the constructs. The packages that they build on are optional peers, since an agent needs
 * none of them and they are ten times its size. So whoever deploys without them is told which to install.
 */
const { peerDependencies } = manifest();
const missing = Object.entries(peerDependencies).filter(([name]) => !isInstalled(name));
if (missing.length > 0) {
  const packages = missing.map(([name, range]) => `'${name}@${range}'`);
  throw new Error(
    `valmi-agent-keys: a deploy needs packages that are not installed: ${missing.map(([name]) => name).join(", ")}. ` +
      `To fix: npm install ${packages.join(" ")}. An agent needs none of them: import "valmi-agent-keys/agent".`,
  );
}

function isInstalled(name: string): boolean {
  try {
    require.resolve(`${name}/package.json`);
    return true;
  } catch (error) {
    // A package that hides its manifest is there.
    return (error as NodeJS.ErrnoException).code === "ERR_PACKAGE_PATH_NOT_EXPORTED";
  }
}

/** Below `dist` in the published package, and beside this folder in a clone. */
function manifest(): { readonly peerDependencies: Readonly<Record<string, string>> } {
  const file = [join(__dirname, "..", "package.json"), join(__dirname, "../..", "package.json")].find(existsSync);
  return JSON.parse(readFileSync(String(file), "utf8"));
}
