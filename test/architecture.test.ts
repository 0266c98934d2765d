import { readdirSync, readFileSync, statSync } from "node:fs";
import * as path from "node:path";

/** The rooms of the project, and from which others each may take what it needs: `docs/architecture.md`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  lambda: ["core"],
  agent: ["core"],
  // Names, plain data and pure checks alone: `core/contract.ts` and `core/rules.ts`.
  constructs: ["core"],
  cli: ["agent", "core"],
  local: ["cli", "agent", "lambda", "constructs", "core", "top"],
  examples: ["constructs", "agent", "top"],
  bench: ["local", "constructs", "core", "top"],
  proofs: ["local", "cli", "agent", "lambda", "constructs", "core", "top"],
  test: ["proofs", "bench", "examples", "local", "cli", "agent", "lambda", "constructs", "core", "top"],
  // environments.ts, main.ts and the programs beside them.
  top: ["constructs", "core"],
};

/** The folders of the core, the lowest first: each may use those before it. */
const CORE = [
  "core",
  "core/key",
  "core/control-plane",
  "core/settings",
  "core/secrets",
  "core/protocol",
  "core/intent-table",
  "core/rotation",
  "core/provisioning",
  "core/audit",
];

const ROOT = path.join(__dirname, "..");

const sources = Object.keys(MAY_IMPORT)
  .flatMap((room) =>
    room === "top"
      ? readdirSync(ROOT)
      : readdirSync(path.join(ROOT, room), { recursive: true, encoding: "utf8" }).map((file) =>
          path.join(room, file),
        ),
  )
  .filter((file) => file.endsWith(".ts"));

const texts = new Map(sources.map((file) => [file, readFileSync(path.join(ROOT, file), "utf8")]));

function modulesOf(file: string): string[] {
  const text = texts.get(file) ?? "";
  return [...text.matchAll(/(?:\bfrom|\bimport|require\(|import\()\s*"([^"]+)"/g)].map(
    ([, name]) => `${name}`,
  );
}

/** The files that a file imports, of this project. */
function importsOf(file: string): string[] {
  return modulesOf(file)
    .filter((name) => name.startsWith("."))
    .map((name) => path.join(path.dirname(file), name))
    .map((target) => [`${target}.ts`, path.join(target, "index.ts")].find((each) => texts.has(each)))
    .filter((target) => target !== undefined);
}

const edges = sources.flatMap((file) => importsOf(file).map((target) => ({ file, target })));

const roomOf = (file: string) => (file.includes(path.sep) ? (file.split(path.sep)[0] ?? "") : "top");
const shown = ({ file, target }: { readonly file: string; readonly target: string }) =>
  `${file} -> ${target}`;

test("all sources are looked at", () => {
  expect(sources.length).toBeGreaterThan(300);
  expect(edges.length).toBeGreaterThan(800);
  const rooms = readdirSync(ROOT).filter(
    (name) =>
      statSync(path.join(ROOT, name)).isDirectory() &&
      !/^\.|^(node_modules|dist|cdktf\.out|docs|clients)$/.test(name),
  );
  expect(rooms.sort()).toEqual(
    Object.keys(MAY_IMPORT)
      .filter((room) => room !== "top")
      .sort(),
  );
});

test("imports run one way among the rooms", () => {
  const upwards = edges.filter(({ file, target }) => {
    const [from, to] = [roomOf(file), roomOf(target)];
    return from !== to && !MAY_IMPORT[from]?.includes(to);
  });
  expect(upwards.map(shown)).toEqual([]);
});

test("imports run one way among the folders of the core", () => {
  const rank = (file: string) => CORE.indexOf(path.dirname(file));
  const inCore = edges.filter(({ file, target }) => roomOf(file) === "core" && roomOf(target) === "core");
  expect(inCore.length).toBeGreaterThan(50);
  expect(
    inCore.filter(({ file, target }) => rank(target) > rank(file) || rank(target) < 0).map(shown),
  ).toEqual([]);
});

test("no file imports itself by way of others", () => {
  const targets = new Map(sources.map((file) => [file, importsOf(file)]));
  const done = new Set<string>();
  const circles: string[] = [];
  const follow = (file: string, way: readonly string[]) => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(" -> "));
    if (done.has(file) || way.includes(file)) return;
    for (const target of targets.get(file) ?? []) follow(target, [...way, file]);
    done.add(file);
  };
  for (const file of sources) follow(file, []);
  expect(circles).toEqual([]);
});

test("constructs take names, plain data and pure checks from the core, and nothing else", () => {
  const [contract, rules] = [path.join("core", "contract.ts"), path.join("core", "rules.ts")];
  const taken = edges.filter(
    ({ file, target }) => roomOf(file) === "constructs" && roomOf(target) === "core",
  );
  expect([...new Set(taken.map(({ target }) => target))].sort()).toEqual([contract, rules]);
  expect(modulesOf(contract)).toEqual([]);
  expect(modulesOf(rules).filter((name) => !name.startsWith("node:"))).toEqual([]);
});

test("only constructs, main.ts and examples build infrastructure", () => {
  const builds = sources.filter((file) =>
    modulesOf(file).some((name) => /^(cdktf|constructs|@cdktf\/)/.test(name)),
  );
  const allowed = ["constructs", "examples", "bench", "proofs", "test"];
  expect(builds.filter((file) => file !== "main.ts" && !allowed.includes(roomOf(file)))).toEqual([]);
  expect(builds).toContain("main.ts");
});

// The barrel loads every resource of the provider: seconds, and more than a gigabyte.
test("resources of the provider are imported one by one", () => {
  const names = sources
    .filter((file) => roomOf(file) === "constructs")
    .flatMap(modulesOf)
    .filter((name) => name.startsWith("@cdktf/"));
  expect(names.length).toBeGreaterThan(5);
  expect(names.filter((name) => !/^@cdktf\/provider-aws\/lib\/[a-z-]+$/.test(name))).toEqual([]);
});

test("the user's fleet is described by the constructs' types alone", () => {
  expect(modulesOf("environments.ts")).toEqual(["./constructs"]);
});
