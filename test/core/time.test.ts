import { DAY_MS, HOUR_MS, MINUTE_MS, moment, span } from "../../core/time";

test.each([
  [0, "0 s"],
  [1, "under 1 s"],
  [59_999, "59 s"],
  [65_000, "1 min 5 s"],
  [HOUR_MS, "1 h"],
  [HOUR_MS + MINUTE_MS, "1 h 1 min"],
  [3 * DAY_MS + 4 * HOUR_MS, "3 d 4 h"],
])("says %d ms as %s", (ms, text) => {
  expect(span(ms)).toBe(text);
});

test("a moment is told to the minute", () => {
  expect(moment(Date.UTC(2026, 0, 31, 9, 5, 59))).toBe("2026-01-31 09:05 UTC");
});
