import { readFileSync } from "node:fs";
import { join } from "node:path";
import { STOPS } from "../../core/protocol/stops";
import { promiseTable } from "../../proofs/explorer/promise";

const page = readFileSync(join(__dirname, "..", "..", "docs", "rotation-protocol.md"), "utf8");

test("the page tables the promise that the explorer checks", () => {
  expect(page).toContain(promiseTable());
});

test.each(Object.entries(STOPS))("the page lists the stop %s in the words of the code", (name, text) => {
  expect(page).toContain(`| \`${name}\` | ${text} |`);
});
