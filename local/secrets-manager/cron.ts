import { DAY_MS, HOUR_MS } from "../../core/time";
import { invalidParameter } from "./errors";

/** Every date that a cron expression can name comes within eight years (29 February around a century year). */
const HORIZON_DAYS = 8 * 366;

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/**
 * `cron(0 H D M W *)` as Secrets Manager reads it: whole hours, UTC, Sunday is 1. Nothing in this project writes such an
 * expression: its secrets rotate after a number of days. It is read for other users of the local Secrets Manager, whose
 * Terraform may have one, and because it is part of what the service accepts.
 */
export interface Cron {
  /** Ascending. */
  readonly hours: readonly number[];
  matchesDay(dayStart: number): boolean;
}

interface FieldRange {
  readonly field: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const HOURS: FieldRange = { field: "hours", min: 0, max: 23 };
const DAYS: FieldRange = { field: "day of month", min: 1, max: 31 };
const MONTH: FieldRange = { field: "month", min: 1, max: 12, names: MONTHS };
const WEEK: FieldRange = { field: "day of week", min: 1, max: 7, names: WEEKDAYS };

function refuse(field: string, rule: string, got: string): never {
  throw invalidParameter(`RotationRules.ScheduleExpression: ${field} must be ${rule}, got: ${got}.`);
}

function number(text: string, { field, min, max, names }: FieldRange): number {
  const named = names?.indexOf(text.toUpperCase()) ?? -1;
  const value = named >= 0 ? named + min : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) refuse(field, `from ${min} to ${max}`, text);
  return value;
}

/** Lists, ranges and steps: `1,15`, `MON-FRI`, `1/3`, `8-18/2`. */
function set(text: string, range: FieldRange): ReadonlySet<number> {
  const values = new Set<number>();
  for (const part of text.split(",")) {
    const [span = "", step] = part.split("/");
    // `/8` steps from the least value on.
    const all = span === "*" || (span === "" && step !== undefined);
    const [first = "", last] = all ? [String(range.min), String(range.max)] : span.split("-");
    const from = number(first, range);
    const to = last !== undefined ? number(last, range) : step !== undefined ? range.max : from;
    const by = step === undefined ? 1 : Number(step);
    if (!Number.isInteger(by) || by < 1) refuse(range.field, "a step of at least 1", text);
    if (to < from) refuse(range.field, "an ascending range", text);
    for (let value = from; value <= to; value += by) values.add(value);
  }
  return values;
}

type DayRule = (date: Date) => boolean;

const daysInMonth = (date: Date) =>
  new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();

function monthDayRule(text: string): DayRule {
  if (text.toUpperCase() === "L") return (date) => date.getUTCDate() === daysInMonth(date);
  const days = set(text, DAYS);
  return (date) => days.has(date.getUTCDate());
}

function weekDayRule(text: string): DayRule {
  const nth = /^(\w+)#([1-5])$/.exec(text);
  if (nth) {
    const day = number(nth[1] ?? "", WEEK);
    return (date) => date.getUTCDay() + 1 === day && Math.ceil(date.getUTCDate() / 7) === Number(nth[2]);
  }
  const last = /^(\d)L$/i.exec(text);
  if (last) {
    const day = number(last[1] ?? "", WEEK);
    return (date) => date.getUTCDay() + 1 === day && date.getUTCDate() + 7 > daysInMonth(date);
  }
  const days = set(text, WEEK);
  return (date) => days.has(date.getUTCDay() + 1);
}

/** @param fields what stands between the parentheses */
export function parseCron(fields: string): Cron {
  const parts = fields.trim().split(/\s+/);
  const [minutes = "", hours = "", monthDay = "", month = "", weekDay = "", year = ""] = parts;
  if (parts.length !== 6) refuse("cron()", "six fields", fields);
  if (minutes !== "0") refuse("minutes", "0", minutes);
  if (year !== "*") refuse("year", "*", year);
  if ((monthDay === "?") === (weekDay === "?")) {
    refuse("exactly one of day of month and day of week", "?", `${monthDay} and ${weekDay}`);
  }
  const months = set(month, MONTH);
  const dayRule = weekDay === "?" ? monthDayRule(monthDay) : weekDayRule(weekDay);
  const cron: Cron = {
    hours: [...set(hours, HOURS)].sort((a, b) => a - b),
    matchesDay(dayStart) {
      const date = new Date(dayStart);
      return months.has(date.getUTCMonth() + 1) && dayRule(date);
    },
  };
  if (nextInstant(cron, 0) === null) refuse("cron()", "a date that exists", fields);
  return cron;
}

/** The first instant after `after` that the expression names; `null` if there is none. */
export function nextInstant(cron: Cron, after: number): number | null {
  const firstDay = Math.floor(after / DAY_MS) * DAY_MS;
  for (let offset = 0; offset <= HORIZON_DAYS; offset += 1) {
    const dayStart = firstDay + offset * DAY_MS;
    if (!cron.matchesDay(dayStart)) continue;
    const hour = cron.hours.find((each) => dayStart + each * HOUR_MS > after);
    if (hour !== undefined) return dayStart + hour * HOUR_MS;
  }
  return null;
}
