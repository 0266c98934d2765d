import { readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";

const root = path.join(__dirname, "..", "..");

/** Sources below a folder (tests and benchmarks, which may build what they like, are elsewhere). */
const sources = (folder: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => path.join(folder, file));

const atTop = readdirSync(root).filter((file) => file.endsWith(".ts"));

const importsOf = (file: string): string[] =>
  [...readFileSync(path.join(root, file), "utf8").matchAll(/(?:from|import|require\()\s*"([^"]+)"/g)].map(
    ([, module]) => String(module),
  );

const isInfrastructure = (module: string) => /^(cdktf|constructs|@cdktf\/)/.test(module);

test("only constructs and main.ts build infrastructure", () => {
  const others = [
    ...["consumer", "lambda", "local", "cli"].flatMap(sources),
    ...atTop.filter((file) => file !== "main.ts"),
  ];
  expect(others.length).toBeGreaterThan(10);
  expect(others.filter((file) => importsOf(file).some(isInfrastructure))).toEqual([]);
  expect(importsOf("main.ts").some(isInfrastructure)).toBe(true);
});

test("functions know nothing of constructs, and constructs of functions nothing but the contract", () => {
  const reaches = (file: string, folder: string) =>
    importsOf(file)
      .filter((module) => module.startsWith("."))
      .map((module) => path.join(path.dirname(file), module))
      .filter((module) => module.startsWith(`${folder}${path.sep}`));
  expect(sources("lambda").flatMap((file) => reaches(file, "constructs"))).toEqual([]);
  expect([...new Set(sources("constructs").flatMap((file) => reaches(file, "lambda")))]).toEqual([
    path.join("lambda", "contract"),
  ]);
});

// The barrel loads every resource of the provider: seconds, and more than a gigabyte.
test("resources of the provider are imported one by one", () => {
  const fromProvider = sources("constructs")
    .flatMap(importsOf)
    .filter((module) => module.startsWith("@cdktf/"));
  expect(fromProvider.length).toBeGreaterThan(5);
  expect(fromProvider.filter((module) => !/^@cdktf\/provider-aws\/lib\/[a-z-]+$/.test(module))).toEqual([]);
});

test("what an environment is, is described without any of it", () => {
  expect(importsOf("constructs/environment.ts")).toEqual(["../lambda/contract"]);
  expect(importsOf("environments.ts")).toEqual(["./constructs"]);
});
