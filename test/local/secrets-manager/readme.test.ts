import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UNDOCUMENTED_DEFAULTS } from "../../../local/secrets-manager/model";
import { SUPPORTED_OPERATIONS } from "../../../local/secrets-manager/state";

const readme = readFileSync(join(__dirname, "../../../local/secrets-manager/README.md"), "utf8");

/** The first cells of a table below a heading, taken apart at commas. */
function firstCells(heading: string): string[] {
  const [, section = ""] = readme.split(`## ${heading}\n`);
  const [table = ""] = section.split("\n## ");
  return table
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| -"))
    .slice(1)
    .flatMap((line) => (line.split("|")[1] ?? "").split(","))
    .map((cell) => cell.trim());
}

test("the page lists every operation that is imitated, and no other", () => {
  const listed = firstCells("Operations").filter((name) => name !== "anything else");
  expect(listed.sort()).toEqual([...SUPPORTED_OPERATIONS].sort());
});

test("the page lists every option for what AWS doesn't document", () => {
  const listed = firstCells("What AWS doesn't document").map((name) => name.replaceAll("`", ""));
  expect(listed.sort()).toEqual(Object.keys(UNDOCUMENTED_DEFAULTS).sort());
});
