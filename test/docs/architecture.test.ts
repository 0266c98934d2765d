import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(__dirname, "..", "..");
const page = readFileSync(path.join(ROOT, "docs/architecture.md"), "utf8");
const [, picture = ""] = /```mermaid\n([\s\S]*?)```/.exec(page) ?? [];

test("every file in the picture is there", () => {
  const files = [...picture.matchAll(/"([\w/.-]+\.ts)"/g)].map(([, file = ""]) => file);
  expect(files.length).toBeGreaterThan(20);
  expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
});

test("the page names every folder of the core", () => {
  const folders = readdirSync(path.join(ROOT, "core"), { withFileTypes: true }).filter((each) =>
    each.isDirectory(),
  );
  expect(folders.map(({ name }) => name).filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

test("ten changes", () => {
  const [, changes = ""] = page.split("## Ten changes");
  expect([...(changes.split("\n## ")[0] ?? "").matchAll(/^\| (?!change|-)/gm)]).toHaveLength(10);
});
