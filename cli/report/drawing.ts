import { DAY_MS, span as inWords, MINUTE_MS, moment, SECOND_MS } from "../../core/time";
import type { Incident, KeyLife, Span, Timeline } from "./lives";
import { anchoredScale, linearScale, type Scale } from "./scale";

/*
 * One instance as SVG: all of its keys on one line, and below it the last rotation, where a person sees keys, overlap, labels
 * and grace. 400 units wide, so that its text can be read on a phone.
 */

export const WIDTH = 400;
const GUTTER = 96;
const RIGHT = WIDTH - 8;
const ROW = 20;
const BAR = 13;
const COLOURS = 4;

export function drawTimeline(timeline: Timeline, title: string, now: number): string {
  const overview = drawOverview(timeline, now, 22);
  const rotation = drawLastRotation(timeline, now, overview.bottom + 26);
  const { bottom, body } = rotation ?? { bottom: overview.bottom, body: "" };
  return (
    `<svg viewBox="0 0 ${WIDTH} ${Math.ceil(bottom + 4)}" role="img" aria-label="${escapeText(title)}">\n` +
    `${overview.body}\n${body}\n</svg>`
  );
}

interface Drawn {
  readonly bottom: number;
  readonly body: string;
}

function drawOverview(timeline: Timeline, now: number, top: number): Drawn {
  const { keys, incidents, nextRotationAt } = timeline;
  const until = Math.max(timeline.until, nextRotationAt ?? 0);
  const from = Math.min(timeline.from, until - DAY_MS);
  const x = linearScale(from, until, 8, RIGHT);
  const parts = [text(8, top - 8, "AWSCURRENT", "muted")];
  keys.forEach((key, index) => {
    for (const span of key.current) parts.push(bar(colour(index), span, x, top, key.fingerprint.slice(0, 6)));
  });
  for (const incident of incidents) {
    parts.push(
      incident.until === undefined
        ? `<path class="incident" d="M${f(x(incident.at))} ${top + BAR + 2}v6"><title>${told(incident)}</title></path>`
        : `<rect class="pause" x="${f(x(incident.at))}" y="${top + BAR + 3}" width="${f(Math.max(2, x(Math.min(incident.until, until)) - x(incident.at)))}" height="4"><title>${told(incident)}</title></rect>`,
    );
  }
  if (until > now) parts.push(`<path class="now" d="M${f(x(now))} ${top - 3}v${BAR + 6}"/>`);
  if (nextRotationAt !== undefined) {
    parts.push(`<path class="next" d="M${f(x(nextRotationAt) - 1)} ${top - 3}v${BAR + 6}"/>`);
  }
  const ticks: [number, string][] = [
    [from, day(from)],
    [now, "now"],
    ...(nextRotationAt === undefined ? [] : [[nextRotationAt, "next by"] as [number, string]]),
  ];
  parts.push(...spacedLabels(ticks, x, top + BAR + 19));
  return { bottom: top + BAR + 24, body: parts.join("\n") };
}

/** The last replacement of a key, up to the end of its grace period. */
function drawLastRotation(timeline: Timeline, now: number, top: number): Drawn | undefined {
  const { keys, pending } = timeline;
  const lastIndex = keys.findLastIndex((key) => key.endsAt !== undefined);
  const old = keys[lastIndex];
  const next = keys[lastIndex + 1];
  if (!old || !next) return undefined;
  const promotedAt = next.current[0]?.from ?? next.from;
  const endsAt = old.endsAt ?? promotedAt;
  const lead = Math.max(10 * MINUTE_MS, (endsAt - next.from) / 12);
  const focus = { from: next.from - lead, until: Math.max(endsAt, promotedAt) + lead };
  const anchors = [next.from, promotedAt, endsAt, ...(pending ? [pending.from] : [])];
  const x = anchoredScale(anchors, focus.from, focus.until, GUTTER, RIGHT);
  const parts: string[] = [text(8, top, `last rotation, ${moment(next.from)}`, "muted")];
  let y = top + 10;
  for (const [index, key] of [
    [lastIndex, old],
    [lastIndex + 1, next],
  ] as const) {
    parts.push(text(8, y + 10, `${key.fingerprint}`, "row"), ...keyBar(key, index, focus, now, x, y));
    y += ROW;
  }
  parts.push(text(8, y + 10, "AWSCURRENT", "row"));
  for (const [index, key] of [
    [lastIndex, old],
    [lastIndex + 1, next],
  ] as const) {
    for (const span of key.current) parts.push(bar(colour(index), clip(span, focus), x, y, ""));
  }
  y += ROW;
  const apart = pending && clip(pending, focus);
  if (apart && apart.until > apart.from) {
    parts.push(text(8, y + 10, "AWSPENDING", "row"), bar("pending", apart, x, y, ""));
    y += ROW;
  }
  if (now > focus.from && now < focus.until) {
    parts.push(`<path class="now" d="M${f(x(now))} ${top + 6}V${y}"/>`);
  }
  parts.push(`<path class="axis" d="M${GUTTER} ${y}H${RIGHT}"/>`);
  const labels: [number, string][] = [
    [next.from, "minted"],
    [promotedAt, promotedAt - next.from < SECOND_MS ? "promoted" : `+${inWords(promotedAt - next.from)}`],
    [endsAt, `+${inWords(endsAt - next.from)}`],
  ];
  parts.push(...spacedLabels(labels, x, y + 14));
  return { bottom: y + 20, body: parts.join("\n") };
}

/** Pale until AWSCURRENT comes, full while it is there, half where it is accepted beside another. */
function keyBar(key: KeyLife, index: number, focus: Span, now: number, x: Scale, y: number): string[] {
  const acceptedUntil = key.endsAt ?? Math.max(now, focus.until);
  const first = key.current[0] ?? { from: acceptedUntil, until: acceptedUntil };
  const parts = [bar(`${colour(index)} early`, clip({ from: key.from, until: first.from }, focus), x, y, "")];
  const left = clip({ from: first.until, until: Math.min(acceptedUntil, key.endsAt ?? now) }, focus);
  const isHonoured = key.honoured !== false;
  const label = key.endsAt === undefined ? "" : isHonoured ? "grace" : "refused at once";
  parts.push(bar(isHonoured ? `${colour(index)} grace` : "dead", left, x, y, label));
  for (const span of key.current) {
    const accepted = { from: span.from, until: Math.min(span.until, acceptedUntil) };
    parts.push(bar(colour(index), clip(accepted, focus), x, y, ""));
  }
  if (key.endsAt !== undefined)
    parts.push(`<path class="end" d="M${f(x(key.endsAt))} ${y - 2}v${BAR + 4}"/>`);
  return parts;
}

function bar(style: string, span: Span, x: Scale, y: number, label: string): string {
  if (span.until <= span.from) return "";
  const from = x(span.from);
  const width = Math.max(1.5, x(span.until) - from);
  const shape = `<rect class="${style}" x="${f(from)}" y="${y}" width="${f(width)}" height="${BAR}" rx="2"/>`;
  if (label === "" || width < label.length * 5.8 + 6) return shape;
  return shape + text(from + width / 2, y + 10, label, style.includes("grace") ? "on-pale" : "on");
}

/** As many labels as have room; where two are too close the later one wins, which is nearer to what a person looks for. */
function spacedLabels(labels: readonly (readonly [number, string])[], x: Scale, y: number): string[] {
  const drawn: { left: number; right: number }[] = [];
  const parts: string[] = [];
  for (const [time, label] of [...labels].reverse()) {
    const half = label.length * 2.9;
    const at = Math.min(Math.max(x(time), 8 + half), RIGHT - half);
    if (drawn.some(({ left, right }) => at - half - 4 < right && at + half + 4 > left)) continue;
    drawn.push({ left: at - half, right: at + half });
    parts.push(text(at, y, label, "tick"));
  }
  return parts;
}

export function told({ kind, at, until }: Incident): string {
  const what = {
    refused: "the Control Plane refused to issue a key",
    lost: "a key was minted and lost",
    dead: "a minted key was refused",
    open: "a key is being made, or an attempt was cut off",
    paused: until === undefined ? "paused" : `paused until ${moment(until)}`,
    ordered: "a rotation was ordered inside a grace period",
    "put back": "AWSCURRENT was moved without a rotation",
  }[kind];
  return `${moment(at)}: ${what}`;
}

const colour = (index: number) => `k${index % COLOURS}`;
const f = (value: number) => value.toFixed(1).replace(/\.0$/, "");
const day = (time: number) => new Date(time).toISOString().slice(0, 10);

function clip({ from, until }: Span, focus: Span): Span {
  return { from: Math.max(from, focus.from), until: Math.min(until, focus.until) };
}

function text(x: number, y: number, content: string, style: string): string {
  return `<text class="${style}" x="${f(x)}" y="${f(y)}">${escapeText(content)}</text>`;
}

export function escapeText(content: string): string {
  return content.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
