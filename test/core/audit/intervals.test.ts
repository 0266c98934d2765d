import {
  AUDIT_INTERVAL_MS,
  firstSlotDue,
  isDue,
  isEvening,
  isNight,
  slotOf,
} from "../../../core/audit/intervals";

const DAY_OF_SLOTS = Array.from({ length: 288 }, (_, slot) => 1_000 + slot);
const names = Array.from({ length: 1_000 }, (_, index) => `valmi/production/agent-${index}/agent-key`);

test("every key is due once a day, or once an hour, and a fleet is spread evenly", () => {
  const daily = DAY_OF_SLOTS.map((slot) => names.filter((name) => isDue(name, "daily", slot, slot)).length);
  const hourly = DAY_OF_SLOTS.slice(0, 12).map(
    (slot) => names.filter((name) => isDue(name, "hourly", slot, slot)).length,
  );

  expect(daily.reduce((sum, count) => sum + count)).toBe(names.length);
  expect(hourly.reduce((sum, count) => sum + count)).toBe(names.length);
  expect(Math.max(...daily)).toBeLessThan(15);
  expect(Math.max(...hourly)).toBeLessThan(130);
});

test("in the evening of UTC each key is due once, before the self-test, and most of the day is over", () => {
  const time = (slot: number) => new Date(slot * AUDIT_INTERVAL_MS).toISOString().slice(11, 16);
  const used = DAY_OF_SLOTS.filter((slot) => names.some((name) => isDue(name, "evening", slot, slot)));
  const evening = DAY_OF_SLOTS.map(
    (slot) => names.filter((name) => isDue(name, "evening", slot, slot)).length,
  );

  expect(evening.reduce((sum, count) => sum + count)).toBe(names.length);
  expect(Math.max(...evening)).toBeLessThan(60);
  expect([time(Math.min(...used)), time(Math.max(...used))]).toEqual(["21:00", "23:40"]);
  expect(DAY_OF_SLOTS.filter((slot) => isEvening(slot * AUDIT_INTERVAL_MS))).toHaveLength(36);
  const night = DAY_OF_SLOTS.filter((slot) => isNight(slot * AUDIT_INTERVAL_MS));
  expect(night.map(time)).toEqual(["23:45", "23:50", "23:55"]);
  expect(used.filter((slot) => !isEvening(slot * AUDIT_INTERVAL_MS) || night.includes(slot))).toEqual([]);
});

test("slots that nobody looked in are made up for, up to a day", () => {
  const now = 1_000 * AUDIT_INTERVAL_MS + 7;

  expect(slotOf(now)).toBe(1_000);
  expect(firstSlotDue(undefined, now)).toBe(1_000);
  expect(firstSlotDue(999, now)).toBe(1_000);
  expect(firstSlotDue(990, now)).toBe(991);
  expect(firstSlotDue(10, now)).toBe(713);
  // A clock that went back.
  expect(firstSlotDue(2_000, now)).toBe(1_000);
  expect(names.filter((name) => !isDue(name, "daily", 713, 1_000))).toEqual([]);
  expect(names.filter((name) => !isDue(name, "hourly", 989, 1_000))).toEqual([]);
});

test("what is due in a stretch of slots is what is due in one of them", () => {
  const [name = ""] = names;
  const single = [991, 992, 993].some((slot) => isDue(name, "daily", slot, slot));

  expect(isDue(name, "daily", 991, 993)).toBe(single);
  for (const each of names.slice(0, 100)) {
    expect(isDue(each, "hourly", 991, 993)).toBe(
      [991, 992, 993].some((slot) => isDue(each, "hourly", slot, slot)),
    );
  }
});
