import { Use, type UseMemory } from "../../../core/audit/use";
import { DAY, HOUR } from "../../../local/clock";
import { facts } from "./facts-builder";

const NOTED_AFTER = 30 * DAY;
const TODAY = Date.UTC(2026, 5, 1);
const EVENING = TODAY + 22 * HOUR;
const NOBODY: UseMemory = { unused: {}, readEarly: { day: 0, ids: [] } };

const since = (days: number) => ({ since: TODAY - days * DAY });
const remembering = (unused: UseMemory["unused"], readEarly = NOBODY.readEarly) =>
  new Use({ unused, readEarly }, NOTED_AFTER);
const secret = (lastAccessedDay?: number, lastChangedAt = TODAY - 40 * DAY) =>
  facts({ lastChangedAt, ...(lastAccessedDay === undefined ? {} : { lastAccessedDay }) });

describe("at its turn in the evening a key", () => {
  test.each<[string, UseMemory["unused"], number | undefined, UseMemory["unused"]]>([
    ["that was read today is used", { support: since(3) }, TODAY, {}],
    ["that was last read yesterday is unused from today on", {}, TODAY - DAY, { support: since(0) }],
    ["that was never read is unused from today on", {}, undefined, { support: since(0) }],
    ["that was unused already is so since then", { support: since(3) }, TODAY - DAY, { support: since(3) }],
    [
      "that was unused for long and was read is told",
      { support: since(30) },
      TODAY,
      { support: { ...since(30), readAgainAt: EVENING } },
    ],
    [
      "is told for a week, whether it is read on or not",
      { support: { ...since(60), readAgainAt: EVENING - 6 * DAY } },
      TODAY - DAY,
      { support: { ...since(60), readAgainAt: EVENING - 6 * DAY } },
    ],
    [
      "that was told for a week, and is read on, is used",
      { support: { ...since(60), readAgainAt: EVENING - 7 * DAY } },
      TODAY,
      {},
    ],
    [
      "that was told for a week, and was read once, is unused anew",
      { support: { ...since(60), readAgainAt: EVENING - 7 * DAY } },
      TODAY - DAY,
      { support: since(0) },
    ],
  ])("%s", (_, before, lastAccessedDay, after) => {
    const use = remembering(before);
    use.beforeTurn(secret(lastAccessedDay), EVENING);
    expect(use.remembered(new Set(["support"])).unused).toEqual(after);
  });
});

describe("nothing is told by a day", () => {
  const unchanged = { support: since(40) };
  const unusedIn = (use: Use) => use.remembered(new Set(["support"])).unused;

  test("on which the auditor has read the key before its turn", () => {
    const use = remembering(unchanged);
    use.beforeAnotherRead("support", TODAY + HOUR);
    const next = new Use(use.remembered(new Set(["support"])), NOTED_AFTER);
    next.beforeTurn(secret(TODAY), EVENING);
    expect(unusedIn(next)).toEqual(unchanged);

    // The day after counts again.
    next.beforeTurn(secret(TODAY + DAY), EVENING + DAY);
    expect(unusedIn(next)).toEqual({ support: { ...since(40), readAgainAt: EVENING + DAY } });
  });

  test("on which it was read before the turn of so many that nobody knows of all", () => {
    const ids = Array.from({ length: 1_000 }, (_, index) => `agent-${index}`);
    const use = remembering(unchanged, { day: TODAY, ids });
    use.beforeTurn(secret(TODAY), EVENING);
    expect(unusedIn(use)).toEqual(unchanged);
  });

  test("on which a rotation or a deploy has changed the secret", () => {
    const use = remembering(unchanged);
    use.beforeTurn(secret(TODAY, TODAY + HOUR), EVENING);
    expect(unusedIn(use)).toEqual(unchanged);
  });

  test("of which most is to come", () => {
    const use = remembering(unchanged);
    use.beforeTurn(secret(TODAY), TODAY + 2 * HOUR);
    expect(unusedIn(use)).toEqual(unchanged);
  });
});

test("a key that there is no more is forgotten, and no more are remembered than a record has room for", () => {
  const ids = Array.from({ length: 2_000 }, (_, index) => `agent-${index}`);
  const use = remembering(Object.fromEntries(ids.map((id) => [id, since(1)])));
  for (const id of ids) use.beforeAnotherRead(id, EVENING);

  expect(use.remembered(new Set(["agent-7"])).unused).toEqual({ "agent-7": since(1) });
  const { unused, readEarly } = use.remembered(new Set(ids));
  expect(Object.keys(unused)).toHaveLength(500);
  expect(readEarly.ids).toHaveLength(1_000);
});
