import { DAY_MS, HOUR_MS } from "../../core/time";
import { type Cron, nextInstant, parseCron } from "./cron";
import { invalidParameter } from "./errors";
import type { RotationRules } from "./model";

/*
 * Rotation rules and their windows, which open and close on UTC time.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_schedule.html
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html
 */

const MAX_DAYS = 1_000;
const MIN_RATE_HOURS = 4;

type Schedule =
  | { readonly kind: "days"; readonly days: number }
  | { readonly kind: "hours"; readonly hours: number }
  | { readonly kind: "cron"; readonly cron: Cron };

interface Span {
  readonly opensAt: number;
  readonly closesAt: number;
}

export const startOfDay = (time: number) => Math.floor(time / DAY_MS) * DAY_MS;

function parseRate(count: number, unit: string): Schedule {
  if (unit.startsWith("hour")) {
    if (count < MIN_RATE_HOURS) {
      throw invalidParameter(
        `RotationRules.ScheduleExpression: a rate must be at least ${MIN_RATE_HOURS} hours, got: ${count} hours.`,
      );
    }
    return { kind: "hours", hours: count };
  }
  if (count < 1 || count > MAX_DAYS) {
    throw invalidParameter(
      `RotationRules.ScheduleExpression: a rate must be 1-${MAX_DAYS} days, got: ${count} days.`,
    );
  }
  return { kind: "days", days: count };
}

function parseExpression(expression: string): Schedule {
  const rate = /^rate\((\d+) (hours?|days?)\)$/.exec(expression);
  if (rate) return parseRate(Number(rate[1]), rate[2] ?? "");
  const cron = /^cron\((.*)\)$/.exec(expression);
  if (cron) return { kind: "cron", cron: parseCron(cron[1] ?? "") };
  throw invalidParameter(
    `RotationRules.ScheduleExpression must be rate(n hours|days) or cron(0 H D M W *), got: ${expression}.`,
  );
}

/** Expressions are few and read again at every step. */
const parsed = new Map<string, Schedule>();

function scheduleOf(rules: RotationRules): Schedule | null {
  const { ScheduleExpression: expression, AutomaticallyAfterDays: days } = rules;
  if (expression === undefined) return days === undefined ? null : { kind: "days", days };
  const known = parsed.get(expression) ?? parseExpression(expression);
  parsed.set(expression, known);
  return known;
}

function durationHours(rules: RotationRules, schedule: Schedule): number | null {
  if (rules.Duration !== undefined) return Number(rules.Duration.slice(0, -1));
  const hourly = schedule.kind === "hours" || (schedule.kind === "cron" && schedule.cron.hours.length > 1);
  return hourly ? 1 : null;
}

function checkDuration(duration: string, schedule: Schedule | null): void {
  if (!/^[0-9]{1,2}h$/.test(duration) || Number(duration.slice(0, -1)) < 1) {
    throw invalidParameter(`RotationRules.Duration must be hours such as 3h, got: ${duration}.`);
  }
  const hours = Number(duration.slice(0, -1));
  if (hours > longestWindow(schedule)) {
    throw invalidParameter(
      "RotationRules.Duration must not extend into the next rotation window or the next UTC day, " +
        `got: ${duration} where at most ${longestWindow(schedule)}h fit.`,
    );
  }
}

function longestWindow(schedule: Schedule | null): number {
  if (schedule?.kind === "hours") return Math.min(schedule.hours, 24);
  if (schedule?.kind !== "cron") return 24;
  const { hours } = schedule.cron;
  return Math.min(...hours.map((hour, index) => (hours[index + 1] ?? 24) - hour));
}

/** Refuses what Secrets Manager refuses. */
export function checkRules(rules: RotationRules): RotationRules {
  const { AutomaticallyAfterDays: days, ScheduleExpression: expression, Duration: duration } = rules;
  if (days !== undefined && expression !== undefined) {
    throw invalidParameter("You cannot specify both rotation frequency and schedule expression together.");
  }
  if (days !== undefined && !(Number.isInteger(days) && days >= 1 && days <= MAX_DAYS)) {
    throw invalidParameter(`RotationRules.AutomaticallyAfterDays must be within 1-${MAX_DAYS}.`);
  }
  const schedule = scheduleOf(rules);
  if (duration !== undefined) checkDuration(duration, schedule);
  return rules;
}

function opensAfter(schedule: Schedule, after: number): number | null {
  switch (schedule.kind) {
    case "days":
      return startOfDay(after) + schedule.days * DAY_MS;
    case "hours": {
      const rate = schedule.hours * HOUR_MS;
      return (Math.floor(after / rate) + 1) * rate;
    }
    case "cron":
      return nextInstant(schedule.cron, after);
  }
}

/**
 * The first window after `after`; `null` without a schedule. Where the rules count days, `after` is the last rotation.
 * Such a window may have closed before `now`: the rotation is overdue then, and its window is the first one possible.
 */
export function nextWindow(rules: RotationRules, after: number, now: number): Span | null {
  const schedule = scheduleOf(rules);
  const opensAt = schedule && opensAfter(schedule, after);
  if (schedule === null || opensAt === null) return null;
  const hours = durationHours(rules, schedule);
  const spanFrom = (start: number): Span => {
    const endOfDay = startOfDay(start) + DAY_MS;
    return {
      opensAt: start,
      closesAt: hours === null ? endOfDay : Math.min(start + hours * HOUR_MS, endOfDay),
    };
  };
  const span = spanFrom(opensAt);
  if (span.closesAt > now) return span;
  if (schedule.kind !== "days") return nextWindow(rules, now, now);
  const today = spanFrom(startOfDay(now));
  return today.closesAt > now ? today : spanFrom(startOfDay(now) + DAY_MS);
}

/** The window that follows a missed one, for rules of any kind. */
export function windowAfterMissed(rules: RotationRules, missedOpensAt: number, now: number): Span | null {
  let span = nextWindow(rules, missedOpensAt, 0);
  while (span && span.closesAt <= now) span = nextWindow(rules, span.opensAt, 0);
  return span;
}

/** Days until the window, which Secrets Manager adds to a schedule expression after each rotation. */
export const daysUntil = (opensAt: number, now: number) =>
  Math.max(1, Math.round((startOfDay(opensAt) - startOfDay(now)) / DAY_MS));

/** The latest instant at which the window's rotation may happen, as `NextRotationDate` gives it. */
export const lastInstant = (span: Span) => span.closesAt - 1_000;
