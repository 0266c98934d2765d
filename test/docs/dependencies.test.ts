import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import { buildSync } from "esbuild";
import { bundledPackages, entryPointOf } from "../../bundle-functions";
import { FUNCTION_PURPOSES } from "../../core/contract";

const ROOT = path.join(__dirname, "..", "..");
const read = (file: string) => readFileSync(path.join(ROOT, file), "utf8");
const { dependencies, devDependencies, peerDependencies } = JSON.parse(read("package.json"));
const page = read("docs/dependencies.md");
const [tables = "", bundles = ""] = page.split("## In the bundles");

interface Row {
  readonly name: string;
  readonly cells: readonly string[];
}
const rows: Row[] = [...tables.matchAll(/^\| `([^`]+)` \|(.+)\|$/gm)].map(([, name = "", rest = ""]) => ({
  name,
  cells: rest.split("|").map((cell) => cell.trim()),
}));

test("every dependency is in a table, once, with why, where and its licence, and no other", () => {
  const named = Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies });
  expect(rows.map(({ name }) => name).sort()).toEqual(named.sort());
  expect(rows.filter(({ cells }) => cells.length !== 3 || cells.includes(""))).toEqual([]);
});

test.each(rows)("the licence of $name", ({ name, cells }) => {
  expect(JSON.parse(read(`node_modules/${name}/package.json`)).license).toBe(cells[2]);
});

test("what users install stands under that heading", () => {
  const [, section = ""] = tables.split("## What users install");
  const [installed = ""] = section.split("## ");
  for (const { name } of rows)
    expect([name, installed.includes(`| \`${name}\``)]).toEqual([name, name in dependencies]);
});

/** The packages that a program imports, itself or by way of this project's files. */
function importedBy(...entryPoints: string[]): string[] {
  const { metafile } = buildSync({
    absWorkingDir: ROOT,
    entryPoints,
    bundle: true,
    packages: "external",
    platform: "node",
    write: false,
    outdir: "unwritten",
    metafile: true,
  });
  const modules = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  return modules
    .filter((module) => !isBuiltin(module) && !module.startsWith("."))
    .map((module) => module.split("/", module.startsWith("@") ? 2 : 1).join("/"));
}

/** What is deployed, installed or run. */
const PROGRAMS: Readonly<Record<string, string[]>> = {
  rotation: importedBy(entryPointOf("rotation")),
  provisioning: importedBy(entryPointOf("provisioning")),
  auditor: importedBy(entryPointOf("audit")),
  "command line": importedBy("cli/main.ts"),
  "agent library": importedBy("agent/index.ts"),
  constructs: importedBy("constructs/index.ts"),
  "whoever deploys": importedBy("main.ts"),
  "local runs": importedBy(
    "local/demo.ts",
    "local/consumers.ts",
    "local/control-plane/start.ts",
    "local/secrets-manager/start.ts",
  ),
};

/** Where a package ends up: in what users install, or else in what deploys, or else in local runs; empty for nowhere. */
function endsUpIn(name: string): string {
  const programs = Object.keys(PROGRAMS).filter((program) => PROGRAMS[program]?.includes(name));
  const installed = programs.filter((program) => !["whoever deploys", "local runs"].includes(program));
  const shown = installed.length > 0 ? installed : programs.slice(0, 1);
  return shown.join(", ").replace("rotation, provisioning, auditor", "functions");
}

/** Programs of their own, which whoever deploys starts: by `cdktf.json`, and by README. */
const STARTED = ["tsx", "cdktf-cli"];
/** What the third column says of a package that no program imports. */
const IMPORTED_BY_NONE = ["the build", "types only", "nowhere"];

test.each(rows.filter(({ name }) => !STARTED.includes(name)))("where $name ends up", ({ name, cells }) => {
  const [, where = ""] = cells;
  const found = endsUpIn(name);
  if (found) expect(where).toBe(found);
  else expect(IMPORTED_BY_NONE).toContain(where.split(":")[0]);
});

test("whatever is imported anywhere is declared", () => {
  const rooms = [
    "agent",
    "bench",
    "cli",
    "constructs",
    "core",
    "examples",
    "lambda",
    "local",
    "proofs",
    "test",
  ];
  const files = rooms.flatMap((room) =>
    readdirSync(path.join(ROOT, room), { recursive: true, encoding: "utf8" }).map(
      (file) => `${room}/${file}`,
    ),
  );
  const imported = files
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => [...read(file).matchAll(/^(?:import|export|\}) .*from "([^."][^"]*)";$/gm)])
    .map(([, module = ""]) => module.split("/", module.startsWith("@") ? 2 : 1).join("/"))
    .filter((name) => !isBuiltin(name) && !/^node:/.test(name));
  expect(new Set(imported).size).toBeGreaterThan(20);
  // Types alone stand under the name of what they describe, or as a package of their own; the last are of a test's own app.
  const declared = (name: string) => rows.some((row) => [name, `@types/${name}`].includes(row.name));
  const ours = ["valmi-agent-keys"];
  expect([...new Set(imported)].filter((name) => !declared(name) && !ours.includes(name))).toEqual([]);
});

interface Locked {
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly integrity?: string;
  readonly link?: boolean;
  /** Comes in the package that it stands below, which has the hash. */
  readonly inBundle?: boolean;
}
const { packages } = JSON.parse(read("package-lock.json")) as {
  readonly packages: Readonly<Record<string, Locked>>;
};
const locked = Object.entries(packages).filter(([folder]) => folder.includes("node_modules/"));

test("the lock file pins everything by its hash", () => {
  expect(locked.length).toBeGreaterThan(300);
  expect(
    locked
      .filter(([, { integrity, link, inBundle }]) => !integrity && !link && !inBundle)
      .map(([folder]) => folder),
  ).toEqual([]);
});

test("no package that users install has an install script; those of the tests are named", () => {
  const withScript = locked.filter(([, { hasInstallScript }]) => hasInstallScript);
  expect(withScript.filter(([, { dev }]) => !dev)).toEqual([]);
  for (const [folder] of withScript) expect(page).toContain(`\`${folder.replace(/^.*node_modules\//, "")}\``);
});

test.each(FUNCTION_PURPOSES)(
  "the bundle of the %s function holds what is named here, under the licences named here",
  (name) => {
    const allowed = [...bundles.matchAll(/^\| (`.+) \| ([\w.-]+) \|$/gm)].flatMap(([, names = "", licence]) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, pattern = ""]) => ({ pattern, licence })),
    );
    expect(allowed.length).toBeGreaterThan(5);
    const packagesOf = bundledPackages(entryPointOf(name));
    const unnamed = packagesOf.filter(
      ({ name: found, licence }) =>
        licence !== undefined &&
        !allowed.some(
          (each) =>
            each.licence === licence &&
            (each.pattern.endsWith("/*")
              ? found.startsWith(each.pattern.slice(0, -1))
              : found === each.pattern),
        ),
    );
    expect(unnamed).toEqual([]);
    const own = packagesOf.find(({ licence }) => licence === undefined);
    expect(own?.bytes).toBeGreaterThan(10_000);
  },
);
