import { parseArgs } from "node:util";
import Table from "cli-table3";
import { inWorkers, serve } from "../harness/pool";
import { CONFIGURATIONS, nameOf } from "./configurations";
import { type Counterexample, type Exploration, explore } from "./explore";
import { judgeBy } from "./judge";
import { NAIVE_VARIANTS } from "./naive";
import type { StoryOptions } from "./story";
import type { Configuration } from "./world";

/**
 * `npm run test:model`: the shipped rotation and provisioning, through every schedule of up to `--faults` faults, upon
 * every configuration; then naive variants of the rotation, each of which has to be caught. Exits with 1 where the promise
 * is broken, or a variant is not caught. `--size ci` follows two faults upon `CI_CONFIGURATIONS` and the first key, and one upon
 * the rest.
 */
interface Job {
  readonly scenario: StoryOptions["scenario"];
  readonly configuration: Configuration;
  readonly faults: number;
  /** The naive variant to explore in the place of the shipped steps. */
  readonly variant?: string;
}

type Answer = Omit<Exploration, "counterexamples"> & {
  readonly counterexamples: readonly (Omit<Counterexample, "schedule"> & { readonly schedule: string })[];
};

const CI_CONFIGURATIONS = ["A", "grace 0"];

function plan(): { readonly faults: number; readonly jobs: Job[] } {
  const { values } = parseArgs({
    options: { faults: { type: "string", default: "2" }, size: { type: "string", default: "full" } },
  });
  const faults = Number(values.faults);
  if (!Number.isInteger(faults) || faults < 0)
    throw new Error(`--faults: must be 0 or more, got ${values.faults}`);
  if (values.size !== "full" && values.size !== "ci") {
    throw new Error(`--size: must be 'full' or 'ci', got ${values.size}`);
  }
  const boundOf = (configuration: Configuration) =>
    values.size === "full" || CI_CONFIGURATIONS.includes(nameOf(configuration))
      ? faults
      : Math.min(faults, 1);
  const jobs: Job[] = [
    {
      scenario: "first-key" as const,
      configuration: CONFIGURATIONS[0] as Configuration,
      faults,
    },
    ...CONFIGURATIONS.map((configuration) => ({
      scenario: "rotation" as const,
      configuration,
      faults: boundOf(configuration),
    })),
    ...Object.entries(NAIVE_VARIANTS).map(([variant, { upon }]) => ({
      scenario: "rotation" as const,
      configuration: { ...(CONFIGURATIONS[0] as Configuration), ...upon },
      faults: 2,
      variant,
    })),
  ];
  return { faults, jobs };
}

async function main(): Promise<void> {
  const { faults, jobs } = plan();
  const table = new Table({
    head: [
      "scenario",
      "Control Plane",
      "faults",
      "stories",
      "states",
      "edges",
      "key sent twice",
      "violations",
    ],
  });
  const variants = new Table({ head: ["naive variant", "caught by", "faults of the shortest story"] });
  const broken: Answer["counterexamples"][number][] = [];
  const stories: string[] = [];
  const blind: string[] = [];
  const total = { stories: 0, states: 0, edges: 0 };
  let done = 0;
  let planned = jobs.length;
  const onAnswer = (job: Job, answer: Answer) => {
    done++;
    const name = nameOf(job.configuration);
    const [first] = answer.counterexamples;
    if (job.variant !== undefined) {
      console.log(`${done}/${planned}  without the rule: ${job.variant}: ${first ? "caught" : "NOT CAUGHT"}`);
      if (!first) blind.push(job.variant);
      else {
        variants.push([job.variant, first.rule, first.schedule || "none"]);
        stories.push(`\n${job.variant}: ${tale(first)}`);
      }
      return;
    }
    console.log(`${done}/${planned}  ${job.scenario}, ${name}: ${answer.states} states`);
    total.stories += answer.stories;
    total.states += answer.states;
    total.edges += answer.edges;
    broken.push(...answer.counterexamples);
    if (answer.repeatsIdempotencyKey && !job.configuration.honoursIdempotencyKey) {
      jobs.unshift({ ...job, configuration: { ...job.configuration, honoursIdempotencyKey: true } });
      planned++;
    }
    table.push([
      job.scenario,
      name,
      job.faults,
      answer.stories,
      answer.states,
      answer.edges,
      answer.repeatsIdempotencyKey ? "yes" : "never",
      answer.counterexamples.length,
    ]);
  };
  // Stories are short-lived: a larger young generation saves an eighth of the time.
  await inWorkers<Job, Answer>(__filename, jobs, { onAnswer, execArgv: ["--max-semi-space-size=64"] });
  console.log(stories.join("\n"));
  console.log(table.toString());
  console.log(variants.toString());
  for (const example of broken) console.log(`\nBROKEN: ${tale(example)}`);
  for (const variant of blind) console.log(`\nBLIND: the variant '${variant}' was not caught`);
  console.log(
    `up to ${faults} faults: ${total.stories} stories, ${total.states} states, ${total.edges} edges, ` +
      `${broken.length} violations of the promise; ${blind.length} of ${Object.keys(NAIVE_VARIANTS).length} naive variants not caught`,
  );
  if (broken.length + blind.length > 0) process.exitCode = 1;
}

function tale({ rule, detail, schedule, lines }: Answer["counterexamples"][number]): string {
  const head = `${rule}${detail === "" ? "" : `: ${detail}`}`;
  const shown = lines.slice(0, 60).map((line) => `  ${line.slice(0, 140)}`);
  const more = lines.length > shown.length ? [`  … and ${lines.length - shown.length} lines more`] : [];
  return [head, `  faults: ${schedule || "none"}`, ...shown, ...more].join("\n");
}

async function work({ scenario, configuration, faults, variant }: Job): Promise<Answer> {
  const naive = variant === undefined ? undefined : NAIVE_VARIANTS[variant];
  const exploration = await explore(
    { scenario, configuration, ...(naive ? { step: naive.step } : {}) },
    faults,
    judgeBy(configuration),
    naive ? { until: naive.breaks, ...(naive.only ? { only: naive.only } : {}) } : {},
  );
  const counterexamples = exploration.counterexamples.map((example) => ({
    ...example,
    schedule: [...example.schedule].map(([call, fault]) => `${fault} at call ${call}`).join(", "),
  }));
  return { ...exploration, counterexamples };
}

if (!serve(work)) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}
