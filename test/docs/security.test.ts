import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(__dirname, "..", "..");
const page = readFileSync(path.join(ROOT, "SECURITY.md"), "utf8");
const [, claims = ""] = page.split("## Which test holds which claim");
const rows = [...claims.matchAll(/^\| (.+) \| (`.+`) \|$/gm)].map(([, claim = "", tests = ""]) => ({
  claim,
  tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, file = ""]) => file),
}));

test("there are claims", () => {
  expect(rows.length).toBeGreaterThan(15);
});

test.each(rows)("a test holds: $claim", ({ tests }) => {
  expect(tests.length).toBeGreaterThan(0);
  expect(
    tests.filter((file) => !/^(test|proofs)\//.test(file) || !existsSync(path.join(ROOT, file))),
  ).toEqual([]);
});

test("a file that the page names elsewhere is there, too", () => {
  const files = [...page.matchAll(/`([\w./-]+\.(?:md|ts))`/g)].map(([, file = ""]) => file);
  expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
});

test("reports go where GitHub takes them in private, and no address is invented", () => {
  expect(page).toContain("Report a vulnerability");
  expect(page).not.toMatch(/[\w.]+@[\w.]+|mailto:/);
});
