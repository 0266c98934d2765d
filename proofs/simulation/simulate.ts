import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import Table from "cli-table3";
import { duration } from "./duration";
import { figuresOf, liveAgent, weatherOf } from "./figures";
import { runFleet, sumOf } from "./fleet";
import { agentOptions, parseOptions, type SimulationOptions, USAGE } from "./options";
import { subjectsOf, toHtml, toSvg } from "./picture";
import { reportOf, verdictOf } from "./report";

/**
 * `npm run simulate`: the shipped rotation and provisioning over years of virtual time, for a fleet of agents with their
 * consumers. Exits with 1 where the promise is broken, and with 2 where an option is wrong.
 */
async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--help")) return console.log(USAGE);
  const options = parseOptions(args);
  console.log(`seed ${options.seed}`);
  if (options.seeds > 1) return many(options);
  const startedAt = performance.now();
  const figures = options.only === undefined ? await fleet(options) : [await one(options, options.only)];
  const sum = sumOf(figures);
  console.log(reportOf(sum, weatherOf(agentOptions(options, 0)).all()));
  const subjects = await subjectsOf(figures, options, options.only ?? 0);
  const heading =
    `${sum.agents} agent${sum.agents === 1 ? "" : "s"} over ${options.years} years, seed ${options.seed}; a second refresh behaves as ` +
    `${options.secondRefresh}, the grace period is ${options.graceHours} h.`;
  await mkdir(dirname(options.out), { recursive: true });
  await writeFile(options.out, options.out.endsWith(".svg") ? toSvg(subjects) : toHtml(subjects, heading));
  console.log(`picture: ${options.out}`);
  console.log(verdictOf(sum, options));
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${seconds} s with ${options.only === undefined ? options.workers : 1} worker(s)`);
  if (sum.violations.length > 0) process.exitCode = 1;
}

/** One row for each fleet; the verdict and the way to play it again for those that broke the promise. */
async function many(options: SimulationOptions): Promise<void> {
  const table = new Table({
    head: ["seed", "faults", "rotations", "faults met", "longest not accepted", "violations"],
    style: { head: [], border: [] },
  });
  const verdicts: string[] = [];
  for (let seed = options.seed; seed < options.seed + options.seeds; seed++) {
    for (const faultRate of [options.faultRate, 4 * options.faultRate]) {
      const own = { ...options, seed, faultRate };
      const sum = sumOf(await runFleet(own));
      const faults = [...Object.values(sum.faults), ...Object.values(sum.outageFaults)];
      const longest = sum.longestNotAccepted ? duration(sum.longestNotAccepted.ms) : "never";
      const met = faults.reduce((total, times) => total + times, 0);
      table.push([seed, `${faultRate} times`, sum.rotations, met, longest, sum.violations.length]);
      console.log(`seed ${seed}, faults ${faultRate} times: ${sum.violations.length} violations`);
      if (sum.violations.length > 0) verdicts.push(`seed ${seed}: ${verdictOf(sum, own)}`);
    }
  }
  console.log(table.toString());
  for (const verdict of verdicts) console.log(verdict);
  const fleets = 2 * options.seeds;
  console.log(
    `${verdicts.length === 0 ? "PASSED" : "FAILED"}: ${fleets - verdicts.length} of ${fleets} fleets kept the promise`,
  );
  if (verdicts.length > 0) process.exitCode = 1;
}

async function fleet(options: SimulationOptions) {
  let shown = -1;
  return runFleet(options, (done) => {
    const percent = Math.floor((done / options.agents) * 20) * 5;
    if (percent === shown) return;
    shown = percent;
    console.log(`${String(percent).padStart(3)} %  ${done} of ${options.agents} agents`);
  });
}

/** One agent, with its story. */
async function one(options: SimulationOptions, index: number) {
  const agent = agentOptions(options, index);
  return figuresOf(agent, await liveAgent(agent, (line) => console.log(line)));
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof TypeError ? `${error.message}\n\n${USAGE}` : error);
  process.exitCode = 2;
});
