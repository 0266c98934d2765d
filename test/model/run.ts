import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { CONFIGURATIONS, nameOf } from "./configurations";
import { type Counterexample, type Exploration, explore } from "./explore";
import { judgeBy } from "./judge";
import type { StoryOptions } from "./story";

/**
 * `npm run test:model`: the shipped rotation and provisioning, through every schedule of up to `--faults` faults, upon
 * every configuration. Exits with 1 where the promise is broken.
 */
interface Job {
  readonly scenario: StoryOptions["scenario"];
  readonly configuration: (typeof CONFIGURATIONS)[number];
  readonly faults: number;
}

type Answer = Omit<Exploration, "counterexamples"> & {
  readonly counterexamples: readonly (Omit<Counterexample, "schedule"> & { readonly schedule: string })[];
};

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { faults: { type: "string", default: "2" } } });
  const faults = Number(values.faults);
  if (!Number.isInteger(faults) || faults < 0)
    throw new Error(`--faults: must be 0 or more, got ${values.faults}`);
  const jobs: Job[] = [
    ...CONFIGURATIONS.map((configuration) => ({ scenario: "rotation" as const, configuration, faults })),
    ...CONFIGURATIONS.slice(0, 3).map((configuration) => ({
      scenario: "first-key" as const,
      configuration,
      faults,
    })),
  ];
  const table = new Table({
    head: ["scenario", "Control Plane", "stories", "states", "edges", "violations"],
  });
  let broken: Answer["counterexamples"] = [];
  const total = { stories: 0, states: 0, edges: 0 };
  let done = 0;
  await inWorkers(jobs, ({ scenario, configuration }, answer) => {
    done++;
    console.log(`${done}/${jobs.length}  ${scenario}, ${nameOf(configuration)}: ${answer.states} states`);
    total.stories += answer.stories;
    total.states += answer.states;
    total.edges += answer.edges;
    broken = [...broken, ...answer.counterexamples];
    const { stories, states, edges, counterexamples } = answer;
    table.push([scenario, nameOf(configuration), stories, states, edges, counterexamples.length]);
  });
  console.log(table.toString());
  for (const { rule, detail, schedule, lines } of broken) {
    console.log(
      `\nBROKEN: ${rule}: ${detail}\n  faults: ${schedule}\n${lines.map((line) => `  ${line}`).join("\n")}`,
    );
  }
  const { stories, states, edges } = total;
  console.log(
    `up to ${faults} faults: ${stories} stories, ${states} states, ${edges} edges, ${broken.length} violations of the promise`,
  );
  if (broken.length > 0) process.exitCode = 1;
}

async function inWorkers(jobs: readonly Job[], report: (job: Job, answer: Answer) => void): Promise<void> {
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) report(job, await inChild(job));
  };
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), jobs.length) }, worker));
}

function inChild(job: Job): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = fork(__filename, [], { env: { ...process.env, EXPLORE: JSON.stringify(job) } });
    child.once("message", (answer) => resolve(answer as Answer));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`an exploration ended with ${code}`)));
  });
}

async function work(job: Job): Promise<void> {
  const exploration = await explore(job, job.faults, judgeBy(job.configuration));
  const counterexamples = exploration.counterexamples.map((example) => ({
    ...example,
    schedule: [...example.schedule].map(([call, fault]) => `${fault} at call ${call}`).join(", "),
  }));
  process.send?.({ ...exploration, counterexamples } satisfies Answer);
}

const job = process.env.EXPLORE;
(job === undefined ? main() : work(JSON.parse(job))).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
