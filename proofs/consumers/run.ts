import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { seedOfCommit } from "../harness/seed";
import { type Figures, playStory, readsOnce, type StoryOptions } from "./story";

/*
 * Random lives of a secret and of the agent that uses its key, in virtual time. Promised, and checked at every call: no
 * call fails while a stored key that the library knew or could read was accepted all through it; no key is tried twice
 * in a call; no two reads at a time, and none within 5 seconds of the last; in calm weather no more reads than one in
 * 5 minutes and two for each rotation; no key in any error or status.
 */
function whole(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be a whole number, 0 or more.");
  return Number(text);
}

const program = new Command("test:consumers")
  .description("play random lives of a secret and its agent, and count what fails")
  .option("--stories <n>", "of each kind", whole, 100)
  .option("--seed <n>", "of the first one; made of the commit if none is given", whole, seedOfCommit())
  .action(async ({ stories, seed }: { stories: number; seed: number }) => {
    console.log(`seed ${seed}`);
    const kinds: readonly (readonly [string, StoryOptions])[] = [
      ["calm: rotations only", { weather: "calm" }],
      ["stormy: lag, throttling, outages, revocations", { weather: "stormy" }],
      ["stormy, key read once (must break)", { weather: "stormy", agent: readsOnce }],
    ];
    const table = new Table({
      style: { head: [], border: [] },
      head: [
        "stories of 5 days",
        "rotations",
        "revocations",
        "calls",
        "failed",
        "with a usable key",
        "reads",
        "failed reads",
      ],
    });
    const found: string[] = [];
    for (const [name, options] of kinds) {
      const played: Figures[] = [];
      for (let story = 0; story < stories; story++) played.push(await playStory(seed + story, options));
      const sum = (count: (figures: Figures) => number) =>
        played.reduce((total, figures) => total + count(figures), 0).toLocaleString("en");
      const isFailure = (text: string) => text.startsWith("a call failed");
      table.push([
        name,
        sum(({ rotations }) => rotations),
        sum(({ revocations }) => revocations),
        sum(({ calls }) => calls),
        sum(({ failedCalls }) => failedCalls),
        sum(({ broken }) => broken.filter(isFailure).length),
        sum(({ reads }) => reads),
        sum(({ failedReads }) => failedReads),
      ]);
      const broken = played.flatMap((figures, story) =>
        figures.broken.map((text) => `seed ${seed + story}: ${text}`),
      );
      if (options.agent === undefined) found.push(...broken);
      else if (broken.length === 0) found.push(`nothing broke for: ${name}`);
    }
    console.log(table.toString());
    for (const text of found.slice(0, 20)) console.error(text);
    console.log(found.length === 0 ? "every promise kept" : `${found.length} promises broken`);
    process.exitCode = found.length === 0 ? 0 : 1;
  });

program.parseAsync().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
