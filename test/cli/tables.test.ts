import { coloured, factsTable, table } from "../../cli/tables";

const HEAD = ["instance", "key", "finding"];
const ROWS = [
  ["dev/support", "0123456789ab", "promotion-overdue\nkey-on-fuse"],
  ["dev/billing", "ba9876543210", "nobody was seen to read it since January"],
];
const wide = (columns: number | undefined) => table({ columns }, HEAD, ROWS);
const widthOf = (text: string) => Math.max(...text.split("\n").map(({ length }) => length));

test("no terminal shows it: every cell on its own lines", () => {
  expect(wide(undefined)).toContain(
    "│ dev/billing │ ba9876543210 │ nobody was seen to read it since January │",
  );
});

test.each([200, 76, 60, 51])("%d columns are enough, and no word is cut", (columns) => {
  const text = wide(columns);
  expect(widthOf(text)).toBeLessThanOrEqual(columns);
  expect(text).toMatch(/^┌─+┬─+┬─+┐$/m);
  for (const word of ROWS.flat().join(" ").split(/\s/)) expect(text).toContain(word);
});

test("narrower still, each row is a list", () => {
  expect(wide(40)).toBe(
    "instance: dev/support\nkey: 0123456789ab\nfinding: promotion-overdue, key-on-fuse\n\n" +
      "instance: dev/billing\nkey: ba9876543210\nfinding: nobody was seen to read it since January",
  );
});

test("a column may be narrower than the terminal", () => {
  expect(widthOf(table({ columns: undefined }, HEAD, ROWS, { 2: 20 }))).toBe(1 + 14 + 15 + 23);
});

test("facts fit as well", () => {
  const facts = [
    ["key", "0123456789ab"],
    ["read", "by nobody but the auditor since January"],
  ];
  expect(widthOf(factsTable({ columns: 30 }, facts))).toBeLessThanOrEqual(30);
  expect(factsTable({ columns: 12 }, facts)).toBe(
    "key: 0123456789ab\nread: by nobody but the auditor since January",
  );
});

test("colours take no room", () => {
  const red = coloured({ hasColours: true }, "red", "NO");
  expect(red).not.toBe("NO");
  expect(coloured({ hasColours: false }, "red", "NO")).toBe("NO");
  expect(table({ columns: undefined }, ["valid"], [[red]]).split("\n")[0]).toBe("┌───────┐");
});
