import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(__dirname, "..", "..");
const read = (file: string) => readFileSync(path.join(ROOT, file), "utf8");
const { scripts } = JSON.parse(read("package.json"));
const page = read("CONTRIBUTING.md");

test("every proof is in the table, and every command of the page is a script", () => {
  const named = new Set([...page.matchAll(/npm run ([\w:]+)/g)].map(([, name = ""]) => name));
  expect([...named].filter((name) => !(name in scripts))).toEqual([]);
  const proofs = Object.keys(scripts).filter((name) => /^(test:|bench:|simulate$)/.test(name));
  expect(proofs.filter((name) => !named.has(name))).toEqual([]);
});

test("every file that the page names is there", () => {
  const files = [...page.matchAll(/`([\w./-]+\/[\w./-]*)`/g)].map(([, file = ""]) => file);
  expect(files.length).toBeGreaterThan(10);
  expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
});
