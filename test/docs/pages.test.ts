import { readFileSync } from "node:fs";
import * as path from "node:path";
import { FINDINGS } from "../../core/audit/findings";

test("every name that is paged has a section in docs/operations.md, and every section a name", () => {
  const page = readFileSync(path.join(__dirname, "..", "..", "docs", "operations.md"), "utf8");
  const pages = page.slice(page.indexOf("\n## Pages\n")).split("\n## ")[1] ?? "";

  expect([...pages.matchAll(/^### (.+)$/gm)].map(([, name]) => name).sort()).toEqual(
    Object.keys(FINDINGS).sort(),
  );
});
