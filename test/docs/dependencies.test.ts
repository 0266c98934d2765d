import { readFileSync } from "node:fs";
import path from "node:path";
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
