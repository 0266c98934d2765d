import { moment, span } from "../../core/time";
import type { Audited } from "../instances/audited";
import { askedBecause, oldKeyLife, outcomeOf } from "../instances/history";
import { nameOf } from "../instances/instance";
import { exitOf, type InstanceStatus, lastRead, nextRotation, statusOf } from "../instances/status";
import { drawTimeline, escapeText as e, told } from "./drawing";
import { timelineOf } from "./lives";

/** Rotations, and what the auditor asked for, that an instance's list shows; older ones are in `history`. */
const SHOWN_RECORDS = 8;

const STYLE = `
:root{color-scheme:light dark;--paper:#f3f5f8;--card:#fff;--ink:#1f2933;--muted:#5b6773;--line:#d5dbe1;
--good:#0d7a5f;--bad:#c01f2e;--warn:#a35a00;--k0:#2f6fd0;--k1:#12866f;--k2:#b86a00;--k3:#8350c4;--onk:#fff}
@media (prefers-color-scheme:dark){:root{--paper:#12161b;--card:#1b2128;--ink:#e6eaee;--muted:#9aa7b4;--line:#333d47;
--good:#4cc9a4;--bad:#ff7b84;--warn:#f0b35a;--k0:#6ea2f2;--k1:#44b99d;--k2:#e0a048;--k3:#b08be8;--onk:#10151a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:14px}
h1{font-size:1.3rem;margin:.2rem 0}
h2{font-size:1.05rem;margin:0;overflow-wrap:anywhere}
p{margin:.3rem 0;max-width:46rem}
.muted{color:var(--muted)}
.sum{display:flex;flex-wrap:wrap;gap:6px 18px;margin:.6rem 0 1rem;padding:0;list-style:none}
.sum b{font-size:1.15rem}
.cards{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(min(100%,380px),1fr));align-items:start}
article{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px;min-width:0}
header{display:flex;justify-content:space-between;gap:10px;align-items:baseline}
.state{font-weight:650;white-space:nowrap;color:var(--good)}
.state.bad{color:var(--bad)}.state.warn{color:var(--warn)}
dl{display:grid;grid-template-columns:auto 1fr;gap:1px 12px;margin:.5rem 0;font-size:.88rem}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere;min-width:0}
code{font:0.92em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.findings{margin:.5rem 0;padding:8px 10px;border-left:3px solid var(--bad);font-size:.88rem;overflow-wrap:anywhere}
.findings.note{border-color:var(--warn)}
ol{margin:.4rem 0 0;padding-left:1.1rem;font-size:.84rem;overflow-wrap:anywhere}
svg{width:100%;max-width:560px;height:auto;display:block;margin:.4rem 0}
svg text{fill:var(--ink);font-size:10.5px}
svg .muted{fill:var(--muted)}
svg .row{font-size:10px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
svg .tick{fill:var(--muted);font-size:9.5px;text-anchor:middle}
svg .on{fill:var(--onk);font-size:9.5px;font-weight:600;text-anchor:middle}
svg .on-pale{font-size:9.5px;text-anchor:middle}
.k0{fill:var(--k0)}.k1{fill:var(--k1)}.k2{fill:var(--k2)}.k3{fill:var(--k3)}
.early{fill-opacity:.3}.grace{fill-opacity:.38}
.dead{fill:var(--bad);fill-opacity:.5}
.pending{fill:var(--muted)}.pause{fill:var(--warn)}
.incident{stroke:var(--bad);stroke-width:2}
.end{stroke:var(--ink);stroke-width:1.6}
.now{stroke:var(--ink);stroke-width:1;stroke-dasharray:2 2}
.next{stroke:var(--muted);stroke-width:2}
.axis{stroke:var(--line);stroke-width:1;fill:none}
footer{margin-top:1rem;font-size:.82rem}
@media print{
:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--muted:#444;--line:#bbb;--good:#0d6b54;--bad:#b01423;--warn:#8a4b00;
--k0:#2f6fd0;--k1:#12866f;--k2:#b86a00;--k3:#8350c4;--onk:#fff}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
main{max-width:none;padding:0}
.cards{display:block;columns:2;column-gap:14px}
article{break-inside:avoid;margin-bottom:14px}
}`;

/** A page that needs nothing else: no script, no font, no address. It names keys by their fingerprints. */
export function reportPage(audited: readonly Audited[], madeAt: number): string {
  const statuses = audited.map(statusOf);
  const withFindings = audited.filter((each) => exitOf([each]) === "findings");
  const oldest = Math.max(0, ...statuses.map(({ ageMs = 0 }) => ageMs));
  const environments = [...new Set(statuses.map(({ environment }) => environment))];
  const sums: [string, string][] = [
    [String(statuses.length), statuses.length === 1 ? "agent key" : "agent keys"],
    [String(withFindings.length), "with a finding"],
    [String(statuses.filter(({ graceLeftMs }) => graceLeftMs !== undefined).length), "in a grace period"],
    [span(oldest), "old is the oldest"],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Agent keys: ${e(environments.join(", "))}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Agent keys: ${e(environments.join(", "))}</h1>
<p class="muted">As of ${moment(madeAt)}, on the Control Plane's clock.</p>
<ul class="sum">
${sums.map(([value, label]) => `<li><b>${e(value)}</b> ${e(label)}</li>`).join("\n")}
</ul>
<div class="cards">
${audited.map(card).join("\n")}
</div>
<footer class="muted">
<p>A bar is a key for as long as the Control Plane accepts it: pale until AWSCURRENT points to it, full while it does, half in its
grace period. Times of the last rotation are true, its distances are stretched. Keys are named by the first 12 hexadecimal
digits of their SHA-256. Records are kept for 400 days.</p>
</footer>
</main>
</body>
</html>
`;
}

function card(audited: Audited): string {
  const { facts, listed, now } = audited;
  const status = statusOf(audited);
  const timeline = timelineOf(audited);
  const name = nameOf(listed);
  const read = lastRead(facts);
  const facts_: [string, string | undefined][] = [
    ["key", status.fingerprint === undefined ? "none" : `<code>${e(status.fingerprint)}</code>`],
    ["age", status.ageMs === undefined ? undefined : e(span(status.ageMs))],
    ["next rotation by", e(nextRotation(status))],
    ["grace left", status.graceLeftMs === undefined ? undefined : e(span(status.graceLeftMs))],
    ["pending for", status.pendingMs === undefined ? undefined : e(span(status.pendingMs))],
    [
      "at Valmi",
      status.agentInstanceId === undefined ? undefined : `<code>${e(status.agentInstanceId)}</code>`,
    ],
    ["secret", `<code>${e(listed.secretName)}</code>`],
    ["read", read && e(read)],
  ];
  return `<article>
<header><h2>${e(name)}</h2>${stateBadge(status)}</header>
<dl>
${facts_.flatMap(([term, said]) => (said ? [`<dt>${term}</dt><dd>${said}</dd>`] : [])).join("\n")}
</dl>
${status.findings
  .map(
    ({ name: finding, text, severity }) =>
      `<p class="findings${severity === "note" ? " note" : ""}"><b>${e(finding)}</b> ${e(text)}</p>`,
  )
  .join("\n")}
${status.unseen === undefined ? "" : `<p class="findings"><b>unseen</b> ${e(status.unseen)}</p>`}
${timeline.keys.length === 0 ? '<p class="muted">No key is on record.</p>' : drawTimeline(timeline, `Keys of ${name}`, now)}
${recordList(audited, timeline.incidents.filter(({ kind }) => kind === "put back").map(told))}
</article>`;
}

function stateBadge({ findings, accepted, unseen }: InstanceStatus): string {
  if (unseen !== undefined) return '<span class="state bad">unseen</span>';
  const worst = findings.find(({ severity }) => severity !== "note") ?? findings[0];
  if (worst)
    return `<span class="state ${worst.severity === "note" ? "warn" : "bad"}">${e(worst.name)}</span>`;
  return accepted === undefined
    ? ""
    : `<span class="state${accepted ? "" : " bad"}">${accepted ? "accepted" : "refused"}</span>`;
}

function recordList({ facts, journal }: Audited, also: readonly string[]): string {
  const ofRecords = facts.intents.map((record) => {
    const { fingerprint, previousFingerprint, settledAt, takenAt, graceLeftMs } = record;
    const parts = [`<b>${e(outcomeOf(record))}</b>`];
    if (fingerprint) parts.push(`key <code>${e(fingerprint)}</code>`);
    if (previousFingerprint) parts.push(`after <code>${e(previousFingerprint)}</code>`);
    if (settledAt !== undefined) parts.push(`took ${span(settledAt - takenAt)}`);
    if (graceLeftMs !== undefined) parts.push(`${span(Math.max(0, graceLeftMs))} of grace left`);
    const oldKey = oldKeyLife(record, journal).join(", ");
    if (oldKey !== "" && oldKey !== "accepted") parts.push(`old key ${oldKey}`);
    return { at: takenAt, said: parts.join(", ") };
  });
  const ofAuditor = journal.asked.map((act) => {
    const [asked, because] = askedBecause(act);
    return { at: act.askedAt[0] ?? 0, said: `<b>${e(asked)}</b> because of ${e(because)}` };
  });
  const lines = [...ofRecords, ...ofAuditor]
    .sort((a, b) => b.at - a.at)
    .slice(0, SHOWN_RECORDS)
    .map(({ at, said }) => `<li>${moment(at)}: ${said}</li>`);
  const all = [...also.map((line) => `<li>${e(line)}</li>`), ...lines];
  return all.length === 0 ? "" : `<ol>\n${all.join("\n")}\n</ol>`;
}
