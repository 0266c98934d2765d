import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { SECOND_REFRESH, type SecondRefresh } from "../../local/control-plane/model";
import { NAIVE_VARIANTS } from "../explorer/naive";
import { seedOfCommit } from "../harness/seed";
import type { AgentOptions } from "./agent";

export interface SimulationOptions extends Omit<AgentOptions, "index" | "step"> {
  readonly agents: number;
  /** How many fleets, each with a seed of its own. */
  readonly seeds: number;
  /** This one agent, by its number, with its story. */
  readonly only: number | undefined;
  readonly everyAudit: boolean;
  readonly workers: number;
  /** Where the picture goes; `.svg` or `.html`. */
  readonly out: string;
  /** A variant of the explorer's that lacks one rule of the protocol, in the place of the shipped steps. */
  readonly variant: string | undefined;
}

export const USAGE = `npm run simulate -- [options]
  --agents N             how many agents, each with a secret and consumers of its own (1000)
  --years N              how long each lives (10)
  --seed N               the same seed gives the same table, whatever the number of workers (made of the commit)
  --seeds N              as many fleets, with this seed and those after it, each at --fault-rate and at 4 times that (1)
  --second-refresh A|B|D|E  what a second refresh inside a running grace period does (A)
  --grace-hours N        how long a replaced key is still accepted (24)
  --fault-rate N         multiplies how often anything goes wrong and how often people act (1)
  --variant NAME         steps without one of the protocol's rules, such as "no intent": shows what it is good for
  --every-audit          makes every audit and skips none: the same results, much more slowly
  --workers N            processes (one for each core)
  --only N               one agent again, by its number, with its story
  --out FILE             the picture, as .html or .svg (.local/simulation.html)`;

const number = (flag: string, text: string, { least = 0, whole = true }): number => {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least || (whole && !Number.isInteger(value))) {
    throw new TypeError(
      `${flag}: must be ${whole ? "a whole number" : "a number"} from ${least}, got '${text}'`,
    );
  }
  return value;
};

/** Throws a `TypeError` that names the flag, its rule and what was given. */
export function parseOptions(args: readonly string[]): SimulationOptions {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      agents: text("1000"),
      years: text("10"),
      seed: text(String(seedOfCommit())),
      seeds: text("1"),
      "second-refresh": text("A"),
      "grace-hours": text("24"),
      "fault-rate": text("1"),
      workers: text(String(availableParallelism())),
      out: text(".local/simulation.html"),
      only: { type: "string" },
      variant: { type: "string" },
      "every-audit": { type: "boolean", default: false },
    },
  });
  const { variant } = values;
  const secondRefresh = values["second-refresh"] as SecondRefresh;
  if (!SECOND_REFRESH.includes(secondRefresh)) {
    throw new TypeError(
      `--second-refresh: must be one of ${SECOND_REFRESH.join(", ")}, got '${secondRefresh}'`,
    );
  }
  if (!/\.(html|svg)$/.test(values.out)) {
    throw new TypeError(`--out: must end in .html or .svg, got '${values.out}'`);
  }
  if (variant !== undefined && !(variant in NAIVE_VARIANTS)) {
    throw new TypeError(
      `--variant: must be one of ${Object.keys(NAIVE_VARIANTS).join("; ")}, got '${variant}'`,
    );
  }
  return {
    agents: number("--agents", values.agents, { least: 1 }),
    years: number("--years", values.years, { least: 0.1, whole: false }),
    seed: number("--seed", values.seed, {}),
    seeds: number("--seeds", values.seeds, { least: 1 }),
    secondRefresh,
    graceHours: number("--grace-hours", values["grace-hours"], { whole: false }),
    faultRate: number("--fault-rate", values["fault-rate"], { whole: false }),
    workers: number("--workers", values.workers, { least: 1 }),
    out: values.out,
    only: values.only === undefined ? undefined : number("--only", values.only, {}),
    variant,
    everyAudit: values["every-audit"],
  };
}

/** The options of one of the fleet's agents. */
export function agentOptions(options: SimulationOptions, index: number): AgentOptions {
  const { seed, years, secondRefresh, graceHours, faultRate, everyAudit, variant } = options;
  const step = variant === undefined ? undefined : NAIVE_VARIANTS[variant]?.step;
  return {
    seed,
    index,
    years,
    secondRefresh,
    graceHours,
    faultRate,
    everyAudit,
    ...(step ? { step } : {}),
  };
}

/** The command that shows one agent's story again. */
export function replayCommand(options: SimulationOptions, index: number): string {
  const { seed, years, secondRefresh, graceHours, faultRate, variant } = options;
  return [
    `npm run simulate -- --agents 1 --only ${index} --years ${years} --seed ${seed}`,
    secondRefresh === "A" ? "" : ` --second-refresh ${secondRefresh}`,
    graceHours === 24 ? "" : ` --grace-hours ${graceHours}`,
    faultRate === 1 ? "" : ` --fault-rate ${faultRate}`,
    variant === undefined ? "" : ` --variant "${variant}"`,
  ].join("");
}
