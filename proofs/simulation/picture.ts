import { duration } from "./duration";
import { type AgentOutcome, type Figures, liveAgent, promotionsOf } from "./figures";
import { agentOptions, type SimulationOptions } from "./options";
import { drawTimeline, focusAround, focusOnPromotion, type Subject, WIDTH } from "./timeline";

const STYLE = `
svg{font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;background:#fff}
text{fill:#1f2933;font-size:11px}
.title{font-size:14px;font-weight:650}
.row{font-size:11px}
.line{font-size:11px}
.muted{fill:#66727f;font-size:10.5px}
.tick{fill:#66727f;font-size:9.5px;text-anchor:middle}
.on{fill:#fff;font-size:9.5px;text-anchor:middle;font-weight:600}
.on-pale{fill:#1f2933;font-size:9.5px;text-anchor:middle}
.k0{fill:#2f6fd0}.k1{fill:#12866f}.k2{fill:#b86a00}.k3{fill:#8350c4}
.early{fill-opacity:.3}.grace{fill-opacity:.42}
.dead,.failing{fill:#d0212f}.failing{fill-opacity:.55}
.pending{fill:#9aa5b1}
.fault{fill:#c2410c}.mild{fill:#aab4bf}
.thread{stroke:#c2410c;stroke-width:.7;stroke-dasharray:2 2;fill:none}
.end{stroke:#1f2933;stroke-width:1.6}
.axis{stroke:#9aa5b1;stroke-width:1;fill:none}
.lens{fill:#eef2f6}
.frame{fill:none;stroke:#1f2933;stroke-width:1.2;rx:2}`;

const PAGE_STYLE = `
body{margin:0;background:#f3f5f8;color:#1f2933;font:16px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1320px;margin:0 auto;padding:12px}
h1{font-size:1.25rem;margin:.4rem 0}
p{margin:.4rem 0;max-width:46rem}
.cards{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));align-items:start}
svg{width:100%;height:auto;display:block;border-radius:8px;box-shadow:0 1px 3px rgba(20,30,50,.18)}`;

const LEGEND =
  "Each bar is a key for as long as the Control Plane accepts it: pale until AWSCURRENT points to it, full while it does, " +
  "half in its grace period. Red: the key under AWSCURRENT is refused, or calls of consumers that cache it fail. " +
  "Numbers: faults, named below.";

/** The agents that a person should look at, lived again: they are the same as in the fleet, since their seeds are. */
export async function subjectsOf(
  figures: readonly Figures[],
  options: SimulationOptions,
  firstIndex = 0,
): Promise<readonly Subject[]> {
  const live = (index: number) => liveAgent(agentOptions(options, index));
  const subjects: Subject[] = [];
  const taken = new Set<number>();
  const take = async (index: number, subject: (outcome: AgentOutcome) => Subject | undefined) => {
    if (taken.has(index)) return;
    const drawn = subject(await live(firstIndex + index));
    if (!drawn) return;
    taken.add(index);
    subjects.push(drawn);
  };
  /** Of the agents that are not shown yet, the one with the most. */
  const most = (value: (one: Figures) => number) => {
    const free = [...figures.keys()].filter((index) => !taken.has(index));
    const valueAt = (index: number) => value(figures[index] as Figures);
    return free.reduce((best, index) => (valueAt(index) > valueAt(best) ? index : best), free[0] ?? 0);
  };

  const broken = figures.findIndex(({ violations }) => violations.length > 0);
  if (broken >= 0) await take(broken, (outcome) => violated(outcome, firstIndex + broken));
  const worst = most((one) => one.longestNotAccepted?.ms ?? 0);
  await take(worst, (outcome) => longestGap(outcome, firstIndex + worst));
  const least = most((one) => -(one.leastGraceLeft?.ms ?? Number.POSITIVE_INFINITY));
  await take(least, (outcome) => leastGrace(outcome, firstIndex + least));
  const slowest = most((one) => one.longestMintToPromotion?.ms ?? 0);
  await take(slowest, (outcome) => slowestPromotion(outcome, firstIndex + slowest));
  const typical = typicalOf(figures);
  await take(typical, (outcome) => plainRotation(outcome, firstIndex + typical));
  return subjects;
}

/** Of those at which nothing remarkable happened, the middle one by its slowest promotion. */
function typicalOf(figures: readonly Figures[]): number {
  const calm = figures
    .map((one, index) => ({
      index,
      ms: one.longestMintToPromotion?.ms ?? 0,
      gap: one.longestNotAccepted?.ms ?? 0,
    }))
    .sort((a, b) => a.gap - b.gap || a.ms - b.ms);
  const best = calm.filter(({ gap }) => gap === calm[0]?.gap);
  return best[Math.floor(best.length / 2)]?.index ?? 0;
}

function violated(outcome: AgentOutcome, index: number): Subject | undefined {
  const violation = outcome.violations[0];
  if (!violation) return undefined;
  return {
    title: `Agent ${index}: the promise is broken`,
    subtitle: violation.rule,
    outcome,
    focus: focusAround(outcome, violation.at, violation.at),
  };
}

function longestGap(outcome: AgentOutcome, index: number): Subject | undefined {
  const [gap] = [...outcome.notAccepted].sort((a, b) => b.until - b.from - (a.until - a.from));
  if (!gap) return undefined;
  return {
    title: `Agent ${index}: refused for ${duration(gap.until - gap.from)}, the worst`,
    subtitle: `because ${gap.cause}`,
    outcome,
    focus: focusAround(outcome, gap.from, gap.until),
  };
}

function leastGrace(outcome: AgentOutcome, index: number): Subject | undefined {
  const { history, judge } = outcome;
  const [least] = promotionsOf(history)
    .flatMap(({ at, replaced }) => {
      const diesAt = history.keys[replaced ?? -1]?.diesAt ?? null;
      return diesAt === null || judge.isByHand(judge.troubles(at, at))
        ? []
        : [{ at, left: Math.max(0, diesAt - at) }];
    })
    .sort((a, b) => a.left - b.left);
  if (!least) return undefined;
  return {
    title: `Agent ${index}: ${duration(least.left)} of grace left, the least`,
    subtitle: "when AWSCURRENT moved, nobody having interfered",
    outcome,
    focus: focusOnPromotion(outcome, least.at),
  };
}

function slowestPromotion(outcome: AgentOutcome, index: number): Subject | undefined {
  const slow = promotionTimes(outcome).at(-1);
  if (!slow) return undefined;
  return {
    title: `Agent ${index}: promoted after ${duration(slow.ms)}, the slowest`,
    subtitle: "faults held the rotation up; nobody noticed",
    outcome,
    focus: focusOnPromotion(outcome, slow.at),
  };
}

function plainRotation(outcome: AgentOutcome, index: number): Subject | undefined {
  const times = promotionTimes(outcome);
  const middle = times[Math.floor(times.length / 2)];
  if (!middle) return undefined;
  return {
    title: `Agent ${index}: promoted after ${duration(middle.ms)}, a typical one`,
    subtitle: "as nearly all rotations are",
    outcome,
    focus: focusOnPromotion(outcome, middle.at),
  };
}

/** Fastest first. */
function promotionTimes({ history }: AgentOutcome) {
  return promotionsOf(history)
    .map(({ key, at }) => ({ at, ms: at - (history.keys[key]?.mintedAt ?? at) }))
    .sort((a, b) => a.ms - b.ms);
}

/** One SVG with all timelines, one below the other. */
export function toSvg(subjects: readonly Subject[]): string {
  let height = 0;
  const groups = subjects.map((subject) => {
    const drawing = drawTimeline(subject);
    const group = `<g transform="translate(0 ${height})">\n${drawing.body}\n</g>`;
    height += drawing.height + 18;
    return group;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">\n` +
    `<title>Agent keys over the years</title>\n<style>${STYLE}</style>\n` +
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>\n${groups.join("\n")}\n</svg>\n`
  );
}

/** A page that needs nothing else; its pictures stand beside each other where there is room. */
export function toHtml(subjects: readonly Subject[], heading: string): string {
  const cards = subjects.map((subject) => {
    const { height, body } = drawTimeline(subject);
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">\n${body}\n</svg>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Agent keys over the years</title>
<style>${STYLE}${PAGE_STYLE}</style>
</head>
<body>
<main>
<h1>Agent keys over the years</h1>
<p>${heading}</p>
<p>${LEGEND}</p>
<div class="cards">
${cards.join("\n")}
</div>
</main>
</body>
</html>
`;
}
