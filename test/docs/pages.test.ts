import { readFileSync } from "node:fs";
import * as path from "node:path";
import { FINDING_NAMES, FINDINGS } from "../../core/audit/findings";
import { SELF_TESTS } from "../../core/rotation/self-test";

const page = readFileSync(path.join(__dirname, "..", "..", "docs", "operations.md"), "utf8");
const pages = page.slice(page.indexOf("\n## Pages\n")).split("\n## ")[1] ?? "";

test("every name that is paged has a section in docs/operations.md, and every section a name", () => {
  expect([...pages.matchAll(/^### (.+)$/gm)].map(([, name]) => name)).toEqual(FINDING_NAMES);
});

test("the table of the names says what their entries say", () => {
  const rows = FINDING_NAMES.map((name) => {
    const { says, severities, shownBy, heals } = FINDINGS[name];
    return `| [${name}](#${name}) | ${severities.join(", then ")} | ${shownBy.join(" or ")} | ${heals ? "yes" : ""} | ${says} |`;
  });
  const table = ["| name | kind | seen in | asks for a rotation | |", "|---|---|---|---|---|", ...rows].join(
    "\n",
  );

  expect(pages).toContain(`\n${table}\n`);
});

test("the self-test's section names every test, under whoever is at fault", () => {
  const section = pages.slice(pages.indexOf("\n### self-test-failed\n")).split("\n### ")[1] ?? "";
  const namesIn = (text: string) => [...text.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
  const [table = "", ...others] = [
    section
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) => line.split("|")[1])
      .join("\n"),
    ...section.split("\n").filter((line) => line.startsWith("If the instance is at fault")),
  ];
  const testsOf = (atFault: string) =>
    Object.entries(SELF_TESTS).flatMap(([name, whose]) => (whose === atFault ? [name] : []));

  expect(namesIn(table)).toEqual(testsOf("function"));
  expect(namesIn(others.join("\n")).slice(0, testsOf("instance").length)).toEqual(testsOf("instance"));
});
