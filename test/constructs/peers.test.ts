import { execFile } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { transformSync } from "@swc/core";
import { readFileSync } from "node:fs";
import { removeFolders, temporaryFolder } from "../local/programs";

const ROOT = path.join(__dirname, "../..");
const manifest = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
const peers: readonly string[] = Object.keys(manifest.peerDependencies);
afterEach(removeFolders);

/** The package, published with these packages beside it. Gives the text of what it throws. */
async function load(installed: readonly string[]): Promise<string> {
  const folder = temporaryFolder();
  const dist = path.join(folder, "dist", "constructs");
  mkdirSync(dist, { recursive: true });
  cpSync(path.join(ROOT, "package.json"), path.join(folder, "package.json"));
  const { code } = transformSync(readFileSync(path.join(ROOT, "constructs/peers.ts"), "utf8"), {
    jsc: { parser: { syntax: "typescript" }, target: "es2022" },
    module: { type: "commonjs" },
  });
  writeFileSync(path.join(dist, "peers.js"), code);
  for (const name of installed) {
    const link = path.join(folder, "node_modules", name);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(path.join(ROOT, "node_modules", name), link);
  }
  return promisify(execFile)(process.execPath, [path.join(dist, "peers.js")], { cwd: folder }).then(
    () => "",
    (error: { stderr: string }) => error.stderr,
  );
}

test("every peer is optional, so that an agent's install brings none", () => {
  expect(manifest.peerDependenciesMeta).toEqual(
    Object.fromEntries(peers.map((name) => [name, { optional: true }])),
  );
});

test("a deploy without them says which to install, with their versions", async () => {
  const text = await load([]);
  for (const [name, range] of Object.entries(manifest.peerDependencies)) {
    expect(text).toContain(`'${name}@${range}'`);
  }
  expect(text).toContain("To fix: npm install ");
});

test.each(peers)("%s alone is named where it alone is missing", async (name) => {
  const text = await load(peers.filter((each) => each !== name));
  expect(text).toContain(`are not installed: ${name}. To fix: npm install '${name}@`);
});

test("with all of them it says nothing", async () => {
  expect(await load(peers)).toBe("");
});

test("it is looked at before anything that needs them is loaded", () => {
  expect(readFileSync(path.join(ROOT, "constructs/index.ts"), "utf8")).toMatch(/^import "\.\/peers";\n/);
});
