import { readFileSync } from "node:fs";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ServedDesk } from "./cli-desk";

const RED = "\u001b[31m";

let served: ServedDesk;
beforeAll(async () => {
  served = await ServedDesk.open();
  served.desk.addSecret("old", "support");
});
afterAll(() => served.close());

describe("a table at a terminal", () => {
  test.each([100, 80, 40])("fits into %d columns", async (columns) => {
    const shown = served.atTerminal(["verify"], {}, columns);
    expect(await shown.ended).toBe(4);
    const table = shown.out().slice(0, shown.out().indexOf("old/support: unseen"));
    const lines = stripVTControlCharacters(table).split(/[\r\n]+/);
    expect(lines.length).toBeGreaterThan(3);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(columns);
    expect(table).toContain(served.desk.fingerprint);
  });
});

describe("colours", () => {
  test.each<[string, NodeJS.ProcessEnv, boolean]>([
    ["at a terminal", {}, true],
    ["NO_COLOR is there, and empty", { NO_COLOR: "" }, true],
    ["NO_COLOR has any value", { NO_COLOR: "0" }, false],
    ["the terminal has none", { TERM: "dumb" }, false],
  ])("%s", async (_, env, hasColours) => {
    const shown = served.atTerminal(["status"], env);
    expect(await shown.ended).toBe(4);
    expect(shown.out().includes(RED)).toBe(hasColours);
  });

  test("none in a pipe", async () => {
    expect((await served.run(["status"])).out).not.toContain("\u001b");
  });
});

test("long work shows how far it is, to a person only", async () => {
  const shown = served.atTerminal(["status"]);
  await shown.ended;
  expect(shown.out()).toContain("1 of 2");
  expect((await served.run(["status"])).err).toBe("");
});

test("- is standard output", async () => {
  const { code, out } = await served.run(["report", "--environment", "dev", "--out", "-"]);
  expect({ code, page: out.trim() }).toEqual({
    code: 0,
    page: expect.stringMatching(/^<!doctype html>[\s\S]+<\/html>$/),
  });
});

test("--version", async () => {
  const { version } = JSON.parse(readFileSync(path.join(__dirname, "../../package.json"), "utf8"));
  expect(await served.run(["--version"])).toEqual({ code: 0, out: `${version}\n`, err: "" });
});
