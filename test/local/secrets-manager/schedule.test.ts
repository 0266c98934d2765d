import { DAY, HOUR } from "../../../local/clock";
import { checkRules, nextWindow, windowAfterMissed } from "../../../local/secrets-manager/schedule";

/** Thursday, 1 January 2026, 00:00 UTC. */
const START = Date.UTC(2026, 0, 1);

const stamp = (time: number) => new Date(time).toISOString().slice(0, 16);

function span(rules: object, after: number, now = after): string {
  const found = nextWindow(rules, after, now);
  return found ? `${stamp(found.opensAt)} ${stamp(found.closesAt)}` : "none";
}

const expression = (ScheduleExpression: string, Duration?: string) => ({
  ScheduleExpression,
  ...(Duration && { Duration }),
});

// https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html
describe("the next window", () => {
  test.each([
    ["days: a whole UTC day", { AutomaticallyAfterDays: 90 }, "2026-04-01T00:00 2026-04-02T00:00"],
    ["days, shorter", { AutomaticallyAfterDays: 90, Duration: "3h" }, "2026-04-01T00:00 2026-04-01T03:00"],
    ["a rate in days", expression("rate(10 days)"), "2026-01-11T00:00 2026-01-12T00:00"],
    ["a rate of one day", expression("rate(1 day)"), "2026-01-02T00:00 2026-01-03T00:00"],
    ["a rate in hours: an hour each", expression("rate(4 hours)"), "2026-01-01T16:00 2026-01-01T17:00"],
    [
      "a daily hour: to the end of the day",
      expression("cron(0 8 * * ? *)"),
      "2026-01-02T08:00 2026-01-03T00:00",
    ],
    ["an hour with a duration", expression("cron(0 8 * * ? *)", "2h"), "2026-01-02T08:00 2026-01-02T10:00"],
    [
      "every eight hours: an hour each",
      expression("cron(0 /8 * * ? *)"),
      "2026-01-01T16:00 2026-01-01T17:00",
    ],
    ["the first day of a month", expression("cron(0 0 1 * ? *)"), "2026-02-01T00:00 2026-02-02T00:00"],
    ["quarterly", expression("cron(0 2 1 1/3 ? *)"), "2026-04-01T02:00 2026-04-02T00:00"],
    ["the last day of a month", expression("cron(0 17 L * ? *)"), "2026-01-31T17:00 2026-02-01T00:00"],
    ["days of the week", expression("cron(0 4 ? * MON-FRI *)"), "2026-01-02T04:00 2026-01-03T00:00"],
    ["a Sunday, which is 1", expression("cron(0 4 ? * 1 *)"), "2026-01-04T04:00 2026-01-05T00:00"],
    ["the second Tuesday", expression("cron(0 10 ? FEB TUE#2 *)"), "2026-02-10T10:00 2026-02-11T00:00"],
    ["the last Friday", expression("cron(0 10 ? * 6L *)"), "2026-01-30T10:00 2026-01-31T00:00"],
    ["29 February", expression("cron(0 0 29 2 ? *)"), "2028-02-29T00:00 2028-03-01T00:00"],
    ["no schedule", {}, "none"],
  ])("of %s", (_what, rules, expected) => {
    expect(span(checkRules(rules), START + 13 * HOUR)).toBe(expected);
  });

  test("is today's where days have run out, or tomorrow's where today's has closed", () => {
    const rules = { AutomaticallyAfterDays: 10, Duration: "3h" };
    expect(span(rules, START, START + 30 * DAY + HOUR)).toBe("2026-01-31T00:00 2026-01-31T03:00");
    expect(span(rules, START, START + 30 * DAY + 5 * HOUR)).toBe("2026-02-01T00:00 2026-02-01T03:00");
  });

  test("after a missed one is the first that isn't over", () => {
    const found = windowAfterMissed({ AutomaticallyAfterDays: 10 }, START, START + 35 * DAY);
    expect(stamp(found?.opensAt ?? 0)).toBe("2026-02-10T00:00");
  });
});

describe("rules that Secrets Manager refuses", () => {
  test.each([
    ["0 days", { AutomaticallyAfterDays: 0 }],
    ["1001 days", { AutomaticallyAfterDays: 1_001 }],
    ["both", { AutomaticallyAfterDays: 1, ScheduleExpression: "rate(1 day)" }],
    ["a rate below 4 hours", expression("rate(3 hours)")],
    ["a rate in minutes", expression("rate(600 minutes)")],
    ["minutes other than 0", expression("cron(30 8 * * ? *)")],
    ["a year", expression("cron(0 8 * * ? 2027)")],
    ["neither day a ?", expression("cron(0 8 * * * *)")],
    ["both days a ?", expression("cron(0 8 ? * ? *)")],
    ["five fields", expression("cron(0 8 * * ?)")],
    ["hour 24", expression("cron(0 24 * * ? *)")],
    ["a weekday that doesn't exist", expression("cron(0 8 ? * FOO *)")],
    ["a descending range", expression("cron(0 8 20-10 * ? *)")],
    ["a step of 0", expression("cron(0 /0 * * ? *)")],
    ["a date that doesn't exist", expression("cron(0 8 31 2 ? *)")],
    ["the nearest weekday, which isn't supported here", expression("cron(0 8 15W * ? *)")],
    ["a window into the next day", expression("cron(0 22 * * ? *)", "3h")],
    ["a window into the next window", expression("cron(0 /6 * * ? *)", "7h")],
    ["a window longer than its rate", expression("rate(4 hours)", "5h")],
    ["a window of no hours", { AutomaticallyAfterDays: 1, Duration: "0h" }],
    ["a window in minutes", { AutomaticallyAfterDays: 1, Duration: "9m" }],
    ["a window longer than a day", { AutomaticallyAfterDays: 1, Duration: "25h" }],
  ])("%s", (_what, rules) => {
    expect(() => checkRules(rules)).toThrow(expect.objectContaining({ code: "InvalidParameterException" }));
  });

  test("are told with field, rule and what was got", () => {
    expect(() => checkRules(expression("cron(0 24 * * ? *)"))).toThrow(
      "RotationRules.ScheduleExpression: hours must be from 0 to 23, got: 24.",
    );
  });
});
