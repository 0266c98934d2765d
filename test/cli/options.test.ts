import { InvalidArgumentError } from "commander";
import { amount, MOST_HOURS, MOST_SECONDS, spanOfTime } from "../../cli/options";
import { HOUR_MS, MINUTE_MS } from "../../core/time";

test.each([
  ["5", 5],
  ["7.5", 7.5],
  ["86400", 86_400],
])("reads %s", (text, number) => {
  expect(amount(5, MOST_SECONDS)(text)).toBe(number);
});

test.each(["4.9", "-5", "", "5s", "1e3", "0x10", "Infinity", "86401", "9".repeat(400)])(
  "refuses '%s'",
  (text) => {
    const read = () => amount(5, MOST_SECONDS)(text);
    expect(read).toThrow(InvalidArgumentError);
    expect(read).toThrow("It must be a number from 5 to 86400.");
  },
);

test("what is allowed is what a timer and a date can hold", () => {
  expect(MOST_SECONDS * 1_000 * 1.2).toBeLessThan(2 ** 31);
  expect(new Date(Date.UTC(9999, 0) + MOST_HOURS * 3_600_000).toISOString()).toBeTruthy();
});

test.each([
  ["90m", 90 * MINUTE_MS],
  ["12h", 12 * HOUR_MS],
  ["1.5d", 36 * HOUR_MS],
])("reads %s", (text, ms) => {
  expect(spanOfTime(text)).toBe(ms);
});

test.each(["5", "-1h", "1w", "0h", "366d", ""])("refuses '%s' as a time", (text) => {
  expect(() => spanOfTime(text)).toThrow("It must be a time up to 365d, such as 90m, 12h or 5d.");
});
