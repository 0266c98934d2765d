import type { Memory } from "../../../core/audit/memory";
import type { PageText } from "../../../core/audit/page";
import { decidePages, page } from "../../../core/audit/paging";
import { DAY, HOUR, MINUTE } from "../../../local/clock";
import { START } from "../../../proofs/harness/builders";
import { remembered, runAt } from "./facts-builder";
import { logged } from "./logged";

const NOW = START + 2 * DAY;
const [support, billing] = ["support", "billing"].map((instance) => ({ instance }));
const inWords = (found: Memory["found"], before: Partial<Memory> = {}, hasMemory = true, now = NOW) =>
  decidePages(found, runAt(now, before), hasMemory).map(
    ({ state, name, findings }) => `${state} ${name}: ${findings.map(({ instance }) => instance).join(", ")}`,
  );

describe("the pages of a run", () => {
  test("are one for each name, with all its instances, and none for what is no page", () => {
    const found = [
      remembered("key-refused", support),
      remembered("instance-gone", support),
      remembered("key-refused", billing),
      remembered("paused", billing),
      remembered("rotation-overdue", billing),
    ];
    expect(inWords(found)).toEqual(["found key-refused: support, billing", "found instance-gone: support"]);
  });

  test.each([
    ["nobody was told of it yet", [undefined], true],
    ["one of its instances is new", [NOW - HOUR, undefined], true],
    ["all were told within the day", [NOW - HOUR, NOW - DAY], false],
    ["the last telling was a day ago", [NOW - DAY], true],
    ["a run comes a little earlier than a day later", [NOW - DAY + 2 * MINUTE], true],
  ])("are due if %s", (_, times, isDue) => {
    const found = times.map((pagedAt, index) =>
      remembered("key-refused", {
        instance: `agent-${index}`,
        ...(pagedAt === undefined ? {} : { pagedAt }),
      }),
    );
    expect(inWords(found)).toHaveLength(isDue ? 1 : 0);
  });

  test("tell what has ended and was told, once nothing else of it lasts", () => {
    const told = { pagedAt: START };
    const before = {
      found: [
        remembered("key-refused", { ...support, ...told }),
        remembered("key-refused", { ...billing, ...told }),
        remembered("instance-gone", support),
      ],
      untold: [remembered("mapping-differs", support)],
    };
    expect(inWords([remembered("key-refused", { ...billing, pagedAt: NOW })], before)).toEqual([
      "resolved key-refused: support",
      "resolved mapping-differs: support",
    ]);
  });

  test("say nothing of what has ended unheard and is found again", () => {
    const before = { untold: [remembered("key-refused", support)] };
    expect(inWords([remembered("key-refused", support)], before)).toEqual(["found key-refused: support"]);
  });

  test("go by the hour if nobody can remember", () => {
    const found = [remembered("key-refused", support)];
    const times = Array.from(
      { length: 12 },
      (_, slot) => inWords(found, {}, false, NOW + slot * 5 * MINUTE).length,
    );
    expect(times).toEqual([1, ...Array(11).fill(0)]);
  });

  test("do not tell new instances from known ones if more are found than are remembered", () => {
    const crowd = Array.from({ length: 1_000 }, (_, index) =>
      remembered("key-refused", { instance: `${index}`, pagedAt: NOW - HOUR }),
    );
    expect(inWords([...crowd, remembered("key-refused", support)], { found: crowd })).toEqual([]);
  });
});

describe("paging", () => {
  const found = [remembered("key-refused", support)];
  const due = { name: "key-refused", state: "found", findings: found } as const;
  const over = {
    name: "instance-gone",
    state: "resolved",
    findings: [remembered("instance-gone", support)],
  } as const;
  const send = (publish: (text: PageText) => Promise<void>, before: Partial<Memory> = {}) =>
    page({ alerts: { publish }, log: logged() }, [due, over], found, runAt(NOW, before));

  test("notes when it was", async () => {
    expect(await send(async () => {})).toEqual({
      pages: [due, over],
      found: [{ ...found[0], pagedAt: NOW }],
      untold: [],
      canPage: true,
    });
  });

  test("that fails is itself found, and what has ended is told later", async () => {
    const paged = await send(() => Promise.reject(new Error("denied")));

    expect(paged).toMatchObject({ pages: [], untold: over.findings, canPage: false });
    expect(paged.found).toEqual([
      found[0],
      expect.objectContaining({ name: "alert-route-broken", instance: "dev", since: NOW }),
    ]);
  });

  test("that fails is found once, since it first failed", async () => {
    const before = { found: [remembered("alert-route-broken", { instance: "dev", since: START })] };
    const paged = await send(() => Promise.reject(new Error("denied")), before);

    expect(paged.found.filter(({ name }) => name === "alert-route-broken")).toMatchObject([{ since: START }]);
  });
});
