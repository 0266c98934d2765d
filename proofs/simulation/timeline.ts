import { anchoredScale, linearScale, type Scale } from "../../cli/report/scale";
import { DAY, HOUR, MINUTE, SECOND } from "../../local/clock";
import { duration } from "./duration";
import { FAULT_NAMES } from "./faults";
import { type AgentOutcome, promotionsOf } from "./figures";
import type { CurrentSpan, KeyLife, Struck } from "./history";

/*
 * One agent's years as SVG: all of them on one line, and below it one rotation in which a person sees the keys, how they
 * overlap and where AWSCURRENT pointed. Drawn 400 units wide, so that its text can be read on a phone.
 */

export const WIDTH = 400;
const GUTTER = 92;
const RIGHT = WIDTH - 8;
const ROW = 19;
const BAR = 13;
const KEY_COLOURS = 4;
/** Faults that are told one by one under the picture. */
const TOLD = 9;
/** In characters: what surely fits. */
const LONGEST_LINE = 54;

export interface Subject {
  readonly title: string;
  readonly subtitle: string;
  readonly outcome: AgentOutcome;
  readonly focus: Focus;
}

/** The span that is drawn large. */
export interface Focus {
  readonly from: number;
  readonly until: number;
}

export interface Drawing {
  readonly height: number;
  readonly body: string;
}

export function drawTimeline({ title, subtitle, outcome, focus }: Subject): Drawing {
  const parts = [
    text(8, 20, title, "title"),
    text(8, 36, subtitle, "muted"),
    ...drawYears(outcome, focus, 48),
  ];
  const zoom = drawFocus(outcome, focus, 116);
  return { height: zoom.height, body: [...parts, zoom.body].join("\n") };
}

// All years

function drawYears({ history, notAccepted }: AgentOutcome, focus: Focus, top: number): readonly string[] {
  const x = linearScale(history.from, history.until, 8, RIGHT);
  const firstYear = new Date(history.from).getUTCFullYear() + 1;
  const count = new Date(history.until).getUTCFullYear() - firstYear + 1;
  const every = Math.max(1, Math.ceil(count / 10));
  const ticks = Array.from({ length: Math.max(0, count) }, (_, index) => firstYear + index).filter(
    (_, index) => index % every === 0,
  );
  const left = x(focus.from);
  const right = x(focus.until);
  return [
    `<path class="lens" d="M${f(left - 1)} ${top + 16}L${f(right + 1)} ${top + 16}L${RIGHT} ${top + 62}L${GUTTER} ${top + 62}Z"/>`,
    ...history.current.map(
      (span) =>
        `<rect class="${colourOf(span.key)}" x="${f(x(span.from))}" y="${top}" width="${f(x(span.until) - x(span.from))}" height="16"/>`,
    ),
    ...notAccepted.map(({ from, until }) => {
      const width = Math.max(2, x(until) - x(from));
      return `<rect class="dead" x="${f(x(from) - width / 2)}" y="${top - 3}" width="${f(width)}" height="22"/>`;
    }),
    ...history.struck.map(
      (struck) =>
        `<rect class="${isMild(struck) ? "mild" : "fault"}" x="${f(x(struck.at) - 0.75)}" y="${top + 19}" width="1.5" height="6"/>`,
    ),
    ...ticks.map((year) =>
      text(Math.min(x(Date.UTC(year, 0, 1)), RIGHT - 12), top + 37, String(year), "tick"),
    ),
    `<rect class="frame" x="${f(left - 2)}" y="${top - 4}" width="${f(Math.max(4, right - left + 4))}" height="24"/>`,
  ];
}

const isMild = ({ strike }: Struck) => strike === "refused" || strike === "stale" || strike === "deploy";

// One rotation

function drawFocus(outcome: AgentOutcome, focus: Focus, top: number): Drawing {
  const { history, notAccepted, failures } = outcome;
  const keys = history.keys.flatMap((life, number) =>
    isSeen(life, number, outcome, focus) ? [{ life, number }] : [],
  );
  const current = history.current.filter((span) => touches(span, focus));
  const pending = history.pending.filter((span) => touches(span, focus));
  const struck = history.struck.filter(({ at }) => at >= focus.from && at <= focus.until);
  const dead = notAccepted.filter((span) => touches(span, focus));
  const failing = failures
    .filter(({ failure }) => failure.consumer.cacheMs !== undefined)
    .map(({ failure }) => failure)
    .filter((span) => touches(span, focus));

  const anchors = [
    ...keys.flatMap(({ life }) => [life.mintedAt, life.diesAt ?? life.mintedAt]),
    ...current.map(({ from }) => from),
    ...pending.flatMap(({ from, until }) => [from, until]),
    ...struck.map(({ at }) => at),
    ...failing.flatMap(({ from, until }) => [from, until]),
  ];
  const x = anchoredScale(anchors, focus.from, focus.until, GUTTER, RIGHT);
  const zero = current.map(({ from }) => from).find((from) => from > focus.from) ?? focus.from;
  const first = keys.map(({ life }) => life.mintedAt).find((at) => at >= focus.from);
  const start = first === undefined ? zero : first;

  const body: string[] = [];
  let y = top + 20;
  const groups = clustered(struck, x);
  body.push(...groups.map(({ at, label }) => marker(at, y - 8, label)));
  const rowsFrom = y;
  for (const { life, number } of keys) {
    body.push(rowLabel(y, `key ${number}`, noteOn(life)));
    body.push(...keyBar(life, number, current, focus, x, y));
    y += ROW;
  }
  y += 5;
  body.push(rowLabel(y, "AWSCURRENT"));
  for (const span of current) {
    const diesAt = history.keys[span.key]?.diesAt ?? span.until;
    const accepted = { from: span.from, until: Math.min(span.until, diesAt) };
    body.push(bar(colourOf(span.key), accepted, focus, x, y, `key ${span.key}`));
  }
  for (const span of dead) body.push(bar("dead", span, focus, x, y, "refused"));
  y += ROW;
  body.push(rowLabel(y, "AWSPENDING"));
  for (const span of pending) body.push(bar("pending", span, focus, x, y));
  y += ROW;
  body.push(rowLabel(y, "calls fail"));
  // Each consumer has a line of its own, the one that caches shortest on top.
  const lanes = [...new Set(failing.map(({ consumer }) => consumer))];
  for (const span of failing)
    body.push(bar("failing", span, focus, x, y + 5 * lanes.indexOf(span.consumer), "", 4));
  y += ROW;
  body.unshift(...groups.map(({ at }) => `<path class="thread" d="M${f(at)} ${rowsFrom - 2}V${y - 6}"/>`));
  const labels = spaced(
    [...new Set(anchors)].sort((a, b) => a - b).filter((at) => within(at, focus)),
    x,
  );
  body.push(
    `<path class="axis" d="M${GUTTER} ${y - 2}H${RIGHT}"/>`,
    ...labels.map((at) => `<path class="axis" d="M${f(x(at))} ${y - 2}v4"/>`),
    ...labels.map((at) => text(Math.min(x(at), RIGHT - 14), y + 13, since(at - start), "tick")),
  );
  y += 29;
  const when = new Date(start).toISOString().slice(0, 16).replace("T", " ");
  body.push(text(8, y, `0 is ${when} UTC. Times are true, distances are stretched.`, "muted"));
  y += 16;
  for (const [label, line] of lines(struck, start)) {
    body.push(marker(16, y, label), text(28, y, line, "line"));
    y += 17;
  }
  return { height: y + 2, body: body.join("\n") };
}

/** Keys that were accepted in the focus, and had anything to do with the secret or with what was the matter. */
function isSeen(life: KeyLife, number: number, { history }: AgentOutcome, focus: Focus): boolean {
  if (life.mintedAt > focus.until || (life.diesAt ?? focus.until) < focus.from) return false;
  return (
    life.mintedAt >= focus.from || history.current.some((span) => span.key === number && touches(span, focus))
  );
}

function noteOn({ by, isStored }: KeyLife): string {
  if (by === "hand") return "by hand";
  return isStored ? "" : "lost";
}

/** A key from its mint to its death: pale until AWSCURRENT comes, full while it is there, half in its grace period. */
function keyBar(
  life: KeyLife,
  number: number,
  current: readonly CurrentSpan[],
  focus: Focus,
  x: Scale,
  y: number,
): readonly string[] {
  const colour = colourOf(number);
  const own = current.filter(({ key }) => key === number);
  const whole = { from: life.mintedAt, until: life.diesAt ?? focus.until };
  const left = own.at(-1)?.until;
  const first = own[0]?.from ?? whole.until;
  const parts = [bar(`${colour} early`, { from: whole.from, until: first }, focus, x, y)];
  if (left !== undefined && left < whole.until) {
    const label = life.diesAt === null ? "" : `${duration(life.diesAt - left)} left`;
    parts.push(bar(`${colour} grace`, { from: left, until: whole.until }, focus, x, y, label));
  }
  for (const span of own) {
    parts.push(bar(colour, { from: span.from, until: Math.min(span.until, whole.until) }, focus, x, y));
  }
  if (life.diesAt !== null && within(life.diesAt, focus)) {
    parts.push(`<path class="end" d="M${f(x(life.diesAt))} ${y - 2}v${BAR + 4}"/>`);
  }
  return parts;
}

function bar(
  style: string,
  span: { readonly from: number; readonly until: number },
  focus: Focus,
  x: Scale,
  y: number,
  label = "",
  height = BAR,
): string {
  const from = x(Math.max(span.from, focus.from));
  const until = x(Math.min(span.until, focus.until));
  if (span.until <= span.from || span.from >= focus.until || until < from) return "";
  const width = Math.max(1.5, until - from);
  const shape = `<rect class="${style}" x="${f(from)}" y="${y}" width="${f(width)}" height="${height}" rx="2"/>`;
  const fits = label !== "" && width > label.length * 5.6 + 4;
  return fits
    ? shape + text(from + width / 2, y + 10, label, style.includes("grace") ? "on-pale" : "on")
    : shape;
}

// Faults

interface Cluster {
  readonly at: number;
  readonly label: string;
}

/** Faults by number; those that would cover each other share a marker. */
function clustered(struck: readonly Struck[], x: Scale): readonly Cluster[] {
  const clusters: { first: number; last: number; at: number }[] = [];
  struck.forEach(({ at }, index) => {
    const place = x(at);
    const previous = clusters.at(-1);
    if (previous && place - previous.at < 15) previous.last = index + 1;
    else clusters.push({ first: index + 1, last: index + 1, at: place });
  });
  return clusters.map(({ at, first, last }) => ({
    at,
    label: first === last ? `${first}` : `${first}–${last}`,
  }));
}

function marker(x: number, y: number, label: string): string {
  const half = Math.max(7, label.length * 3 + 3);
  return (
    `<rect class="fault" x="${f(x - half)}" y="${f(y - 10.5)}" width="${f(2 * half)}" height="14" rx="7"/>` +
    text(x, y, label, "on")
  );
}

function lines(struck: readonly Struck[], start: number): readonly (readonly [string, string])[] {
  const told = struck.slice(0, TOLD).map(({ at, strike, label, outageOf }, index) => {
    const where = label.trim() === "" ? "" : ` (${label.trim()})`;
    const outage = outageOf === undefined ? "" : `, outage of ${outageOf}`;
    const what = `${since(at - start)}: ${FAULT_NAMES[strike]}`;
    const line = `${what}${where}${outage}`;
    return [`${index + 1}`, line.length > LONGEST_LINE ? what : line] as const;
  });
  return struck.length > TOLD ? [...told, ["…", `and ${struck.length - TOLD} more`] as const] : told;
}

// Small things

function colourOf(key: number): string {
  return `key k${key % KEY_COLOURS}`;
}

function touches(span: { readonly from: number; readonly until: number }, focus: Focus): boolean {
  return span.from < focus.until && span.until > focus.from;
}

function within(at: number, focus: Focus): boolean {
  return at >= focus.from && at <= focus.until;
}

/** As many of these times as have room for a label, the outermost ones first. */
function spaced(times: readonly number[], x: Scale): readonly number[] {
  const room = 50;
  const chosen: number[] = [];
  for (const at of [...times.slice(0, 1), ...times.slice(-1), ...times]) {
    if (chosen.every((other) => Math.abs(x(other) - x(at)) >= room)) chosen.push(at);
  }
  return chosen;
}

function since(ms: number): string {
  const sign = ms < 0 ? "−" : "+";
  const size = Math.abs(ms);
  if (size === 0) return "0";
  if (size < SECOND) return `${sign}${Math.round(size)} ms`;
  if (size < MINUTE) return `${sign}${(size / SECOND).toFixed(1)} s`;
  if (size < 2 * HOUR) return `${sign}${(size / MINUTE).toFixed(0)} min`;
  if (size < 4 * DAY) return `${sign}${(size / HOUR).toFixed(1)} h`;
  return `${sign}${(size / DAY).toFixed(0)} d`;
}

const f = (value: number) => value.toFixed(1).replace(/\.0$/, "");

function rowLabel(y: number, label: string, note = ""): string {
  const small = note === "" ? "" : `<tspan class="muted" dx="4">${note}</tspan>`;
  return `<text class="row" x="8" y="${y + 10}">${label}${small}</text>`;
}

function text(x: number, y: number, content: string, style: string): string {
  const escaped = content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `<text class="${style}" x="${f(x)}" y="${f(y)}">${escaped}</text>`;
}

/** The rotation of an agent at which its key was promoted, with the grace period after it. */
export function focusOnPromotion({ history }: AgentOutcome, promotedAt: number): Focus {
  const promotion = promotionsOf(history).find(({ at }) => at === promotedAt);
  const mintedAt = history.keys[promotion?.key ?? 0]?.mintedAt ?? promotedAt;
  return focusAround({ history }, mintedAt, promotedAt);
}

/** A span with the episodes that it lies in, and the deaths of keys that follow from them within days. */
export function focusAround({ history }: Pick<AgentOutcome, "history">, from: number, until: number): Focus {
  const episodes = history.episodes.filter((each) => each.from <= until && each.until >= from);
  const begin = Math.min(from, ...episodes.map((each) => each.from));
  const end = Math.max(until, ...episodes.map((each) => each.until));
  const deaths = history.keys.flatMap(({ diesAt }) =>
    diesAt !== null && diesAt > begin && diesAt < end + 3 * DAY ? [diesAt] : [],
  );
  const last = Math.max(end, ...deaths);
  return { from: begin - 10 * MINUTE, until: last + HOUR };
}
