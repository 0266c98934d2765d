import Table from "cli-table3";
import { duration } from "./duration";
import { FAULT_NAMES, type Strike } from "./faults";
import type { Extreme, Figures, Sum } from "./figures";
import { replayCommand, type SimulationOptions } from "./options";
import type { ServiceOutage } from "./weather";

/** No lines between rows. */
const STYLE = {
  style: { head: [], border: [] },
  chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
};
const whole = (value: number) => value.toLocaleString("en-US");

const extreme = (value: Extreme | null) =>
  value === null ? "none" : `${duration(value.ms)} (agent ${value.agent})`;

const byNumber = <T>(entries: Readonly<Record<string, T>>, number: (value: T) => number): [string, T][] =>
  Object.entries(entries).sort((a, b) => number(b[1]) - number(a[1]) || (a[0] < b[0] ? -1 : 1));

/** The figures as tables. The same figures give the same text. */
export function reportOf(figures: Figures, outages: readonly ServiceOutage[]): string {
  return [
    figuresTable(figures, outages),
    faultTable(figures),
    notAcceptedTable(figures.notAccepted),
    failureTable(figures),
  ].join("\n\n");
}

function figuresTable(figures: Figures, outages: readonly ServiceOutage[]): string {
  const outageMs = outages.reduce((sum, { from, until }) => sum + until - from, 0);
  const table = new Table(STYLE);
  const { rotations, mints, agents, lostKeys, mintsByHand, deploys, deploysFailed } = figures;
  table.push(
    { agents: whole(agents) },
    { rotations: whole(rotations) },
    {
      "keys minted":
        `${whole(mints)}: ${whole(agents)} first ones, ${whole(rotations)} promoted by rotations, ` +
        `${whole(mints - agents - rotations)} more (${whole(lostKeys)} lost, each accounted for)`,
    },
    { "keys minted by hand": whole(mintsByHand) },
    { deploys: `${whole(deploys)}, and ${whole(deploysFailed)} that had to be repeated` },
    { "outages of services": `${whole(outages.length)}, ${duration(outageMs)} in all, each for every agent` },
    { "longest mint to promotion": extreme(figures.longestMintToPromotion) },
    { "least grace left at a promotion": extreme(figures.leastGraceLeft) },
    { "the same, somebody having interfered": extreme(figures.leastGraceLeftByHand) },
    { "oldest key still accepted": extreme(figures.oldestKey) },
    { "longest time AWSCURRENT not accepted": extreme(figures.longestNotAccepted) },
  );
  return table.toString();
}

function faultTable({ faults, outageFaults }: Figures): string {
  const table = new Table({ head: ["fault", "times"], ...STYLE });
  for (const [strike, times] of byNumber(faults, (value) => value)) {
    table.push([FAULT_NAMES[strike as Strike], whole(times)]);
  }
  for (const [service, times] of byNumber(outageFaults, (value) => value)) {
    table.push([`call failed in an outage of ${service}`, whole(times)]);
  }
  return table.toString();
}

function notAcceptedTable(sums: Readonly<Record<string, Sum>>): string {
  const head = ["AWSCURRENT not accepted, because", "times", "in all", "longest"];
  const table = new Table({ head, ...STYLE });
  for (const [cause, { times, ms, longestMs }] of byNumber(sums, (sum) => sum.ms)) {
    table.push([cause, whole(times), duration(ms), duration(longestMs)]);
  }
  if (Object.keys(sums).length === 0) table.push(["never", "0", "", ""]);
  return table.toString();
}

function failureTable({ calls, failedCalls }: Figures): string {
  const table = new Table({ head: ["consumers' calls that failed, because", "calls", "of all"], ...STYLE });
  for (const [cause, failed] of byNumber(failedCalls, (value) => value)) {
    table.push([cause, whole(failed), share(failed / calls)]);
  }
  table.push(["calls made", whole(calls), ""]);
  return table.toString();
}

const share = (part: number) => `${(part * 100).toFixed(part < 1e-4 ? 6 : 3)} %`;

/** At most so many violations are told; the first of each agent comes with its command. */
const TOLD = 20;

export function verdictOf(figures: Figures, options: SimulationOptions): string {
  const { violations } = figures;
  if (violations.length === 0) {
    return `PASSED: the promise was kept for ${whole(figures.agents)} agents over ${options.years} years each`;
  }
  const agents = [...new Set(violations.map(({ agent }) => agent))];
  const told = violations.slice(0, TOLD).map(({ agent, rule, detail, at }) => {
    const when = new Date(at).toISOString().slice(0, 16).replace("T", " ");
    return `  agent ${agent}, ${when}: ${rule}: ${detail}`;
  });
  return [
    `FAILED: ${whole(violations.length)} violations of the promise, by ${whole(agents.length)} agents`,
    ...told,
    ...(violations.length > TOLD ? [`  … and ${whole(violations.length - TOLD)} more`] : []),
    "Each agent's story again:",
    ...agents.slice(0, 3).map((agent) => `  ${replayCommand(options, agent)}`),
  ].join("\n");
}
