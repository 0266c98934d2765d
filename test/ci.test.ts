import { readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(__dirname, "..");
const read = (file: string) => readFileSync(path.join(ROOT, file), "utf8");
const scripts: Readonly<Record<string, string>> = JSON.parse(read("package.json")).scripts;
const ci = read(".ci/run");
const run = new Set([
  ...[...ci.matchAll(/^ *check .*\bnpm run --silent ([\w:-]+)/gm)].map(([, name]) => name),
  "test",
]);

/** Scripts whose program a test starts: the test, and what it starts. */
const STARTED_BY: Readonly<Record<string, readonly [test: string, program: string]>> = {
  build: ["test/e2e/package.test.ts", "tsconfig.build.json"],
  local: ["test/e2e/demo.test.ts", "local/demo.ts"],
  "local:consumers": ["test/e2e/consumers.test.ts", "local/consumers.ts"],
  "local:control-plane": ["test/local/control-plane/start.test.ts", "local/control-plane/start.ts"],
  "local:secrets-manager": ["test/local/secrets-manager/start.test.ts", "local/secrets-manager/start.ts"],
};

/** Scripts that consist of others, or that do by writing what another one checks. */
const SAME_AS: Readonly<Record<string, readonly string[]>> = {
  check: ["lint", "types", "test"],
  format: ["lint"],
  prepack: ["build"],
};

test("CI runs every script of package.json by its name, or a test starts its program", () => {
  const known = [...run, ...Object.keys(STARTED_BY), ...Object.keys(SAME_AS)];
  expect(known.sort()).toEqual(Object.keys(scripts).sort());
  for (const others of Object.values(SAME_AS))
    expect(others.filter((name) => !run.has(name) && !(name in STARTED_BY))).toEqual([]);
});

test.each(Object.entries(STARTED_BY))("%s is started by %j", (name, [file, program]) => {
  expect(scripts[name]).toContain(program);
  expect(read(file)).toContain(program);
});

test("every check of CI names a script, or is README's test command", () => {
  const checks = [...ci.matchAll(/^ *check (?:'[^']+'|"[^"]+") (.+)$/gm)].map(([, command]) => command);
  expect(checks.length).toBeGreaterThan(20);
  expect(checks.filter((command) => !/^npm run --silent /.test(String(command)))).toEqual([
    'bash -c "$test_command"',
  ]);
});
