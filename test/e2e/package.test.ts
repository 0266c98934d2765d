import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { unzipSync } from "fflate";
import { bundleFunctions } from "../../bundle-functions";

/** The package as it is published, built and packed outside the clone, and installed in a folder of somebody else's. */
const run = promisify(execFile);
const ROOT = path.join(__dirname, "..", "..");
const folder = mkdtempSync(path.join(tmpdir(), "valmi-agent-keys-package-"));
const app = path.join(folder, "app");
const installed = path.join(app, "node_modules", "valmi-agent-keys");
const manifest = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }).sort();

async function build(outdir: string): Promise<void> {
  const files = manifest.files.filter((each: string) => each !== "dist");
  for (const file of [...files, "LICENSE", "package.json"]) {
    cpSync(path.join(ROOT, file), path.join(outdir, file), { recursive: true });
  }
  bundleFunctions(path.join(outdir, "dist", "functions"));
  const compiler = path.join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const args = [compiler, "-p", "tsconfig.build.json", "--outDir", path.join(outdir, "dist")];
  await run(process.execPath, args, { cwd: ROOT });
}

/** Unpacks the package, and gives it what it declares and nothing else. */
async function install(built: string): Promise<void> {
  const { stdout } = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], {
    cwd: built,
  });
  mkdirSync(installed, { recursive: true });
  const archive = path.join(folder, JSON.parse(stdout)[0].filename);
  await run("tar", ["-xzf", archive, "-C", installed, "--strip-components", "1"]);
  for (const name of declared) {
    const link = path.join(app, "node_modules", name);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(path.join(ROOT, "node_modules", name), link);
  }
}

beforeAll(async () => {
  const built = path.join(folder, "built");
  await build(built);
  await install(built);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const filesOf = (pattern: RegExp) =>
  readdirSync(path.join(installed, "dist"), { recursive: true, encoding: "utf8" }).filter(
    (file) => pattern.test(file) && !file.startsWith(`functions${path.sep}`),
  );

/** The other packages that files below `dist` name: `@scope/name` or `name`. */
function packagesOf(files: readonly string[]): string[] {
  const modules = files.flatMap((file) =>
    [
      ...readFileSync(path.join(installed, "dist", file), "utf8").matchAll(
        /(?:from |require\(|import\()"([^."][^"]*)"/g,
      ),
    ].map(([, module]) => String(module)),
  );
  const names = modules
    .filter((module) => !isBuiltin(module))
    .map((module) => module.split("/", module.startsWith("@") ? 2 : 1).join("/"));
  return [...new Set(names)].filter((name) => name !== manifest.name).sort();
}

test("needs exactly what it declares", () => {
  const files = filesOf(/\.js$/);
  expect(files).toEqual(
    expect.arrayContaining([path.join("constructs", "index.js"), path.join("cli", "main.js")]),
  );
  expect(packagesOf(files)).toEqual(declared);
  expect(packagesOf(filesOf(/\.d\.ts$/)).filter((name) => !declared.includes(name))).toEqual([]);
});

test("has its licence", () => {
  expect(manifest.license).toBe("MIT");
  expect(readFileSync(path.join(installed, "LICENSE"), "utf8")).toMatch(/^MIT License\n/);
});

test("declares one version of what its functions are made of", () => {
  const bundled = ["@aws-lambda-powertools/logger", "@aws-sdk/client-dynamodb", "esbuild"];
  const versions = [
    ...Object.values(manifest.dependencies),
    ...bundled.map((name) => manifest.devDependencies[name] ?? manifest.dependencies[name]),
  ];
  for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});

test("brings its functions along to an app of somebody else's", async () => {
  const outdir = path.join(folder, "out");
  const main = path.join(app, "main.js");
  writeFileSync(
    main,
    `const { App, TerraformStack } = require("cdktf");
const { AwsProvider } = require("@cdktf/provider-aws/lib/provider");
const { AgentKeys } = require("valmi-agent-keys");

const app = new App({ outdir: ${JSON.stringify(outdir)} });
const stack = new TerraformStack(app, "theirs");
new AwsProvider(stack, "aws", { region: "eu-central-1" });
new AgentKeys(stack, "agent-keys", {
  name: "production",
  region: "eu-central-1",
  controlPlane: { apiKeySecretName: "valmi/production/operator-api-key" },
  agentInstances: [{ id: "support", agentType: { name: "Customer Support Bot" } }],
});
app.synth();
`,
  );
  await run(process.execPath, [main], { cwd: app });
  const stack = path.join(outdir, "stacks", "theirs");
  const { resource } = JSON.parse(readFileSync(path.join(stack, "cdk.tf.json"), "utf8"));
  expect(Object.keys(resource.aws_secretsmanager_secret)).toHaveLength(1);
  const functions: { filename: string }[] = Object.values(resource.aws_lambda_function);
  expect(functions).toHaveLength(3);
  for (const { filename } of functions) {
    expect(Object.keys(unzipSync(readFileSync(path.join(stack, filename))))).toEqual(["index.js"]);
  }
}, 60_000);

test("has its command", async () => {
  const command = path.join(installed, manifest.bin["valmi-agent-keys"]);
  const { stdout } = await run(process.execPath, [command, "--help"], { cwd: app });
  expect(stdout).toContain("Usage: valmi-agent-keys");
  expect(stdout).toContain("adopt [options]");
}, 30_000);

test("gives an agent its key without any infrastructure", async () => {
  const main = path.join(app, "agent.js");
  writeFileSync(
    main,
    `const { agentKeys } = require("valmi-agent-keys/agent");
const loaded = Object.keys(require.cache).filter((file) => /node_modules.(@?cdktf|constructs).|dist.constructs./.test(file));
console.log(typeof agentKeys, loaded.length);
`,
  );
  const { stdout } = await run(process.execPath, [main], { cwd: app });
  expect(stdout).toBe("function 0\n");
}, 30_000);

test.each([
  ["commonjs", "node10"],
  ["node16", "node16"],
])(
  "has types for an agent compiled for %s, %s",
  async (module, moduleResolution) => {
    const main = path.join(app, "agent.ts");
    writeFileSync(
      main,
      `import { agentKeys } from "valmi-agent-keys/agent";

const key: Promise<string> = agentKeys({ secretId: "x" }).call(async (key) => key.reveal());
// @ts-expect-error a key is no text
const text: string = agentKeys({ secretId: "x" }).current();
`,
    );
    const compiler = path.join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "ES2022", "--types", "node"];
    const typeRoots = ["--typeRoots", path.join(ROOT, "node_modules", "@types")];
    const resolution = ["--module", module, "--moduleResolution", moduleResolution];
    await run(process.execPath, [compiler, ...options, ...typeRoots, ...resolution, main], { cwd: app });
  },
  60_000,
);
