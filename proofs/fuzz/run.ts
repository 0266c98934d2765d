import { parseArgs } from "node:util";
import Table from "cli-table3";
import { seedOfCommit } from "../harness/seed";
import { fuzz } from "./target";
import { TARGETS } from "./targets";

/**
 * `npm run test:fuzz`: everything that parses what others send, fed with what nobody would send. Each case has to end in a
 * right result or in a typed error, with no key in any message. Exits with 1 where one does not, and says how to play
 * it again. `--seed` (made of the commit if none is given) and `--path` do that, `--only` names one target, `--cases` says how many cases each target gets.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      cases: { type: "string" },
      seed: { type: "string" },
      path: { type: "string" },
    },
  });
  const chosen = TARGETS.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0) {
    const names = TARGETS.map(({ name }) => `'${name}'`).join(", ");
    throw new Error(`--only: must be one of ${names}, got '${values.only}'`);
  }
  const number = (flag: "cases" | "seed") => {
    const text = values[flag];
    if (text === undefined) return undefined;
    if (/^-?\d+$/.test(text)) return Number(text);
    throw new Error(`--${flag}: must be a whole number, got '${text}'`);
  };
  const seed = number("seed") ?? seedOfCommit();
  console.log(`seed ${seed}`);

  const table = new Table({
    head: ["what others send", "cases", "read", "refused", "seconds", "seed"],
    style: { head: [], border: [] },
  });
  let total = 0;
  for (const target of chosen) {
    const started = performance.now();
    const verdict = await fuzz(target, number("cases") ?? target.cases, { seed, path: values.path });
    total += verdict.cases;
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    table.push([target.name, verdict.cases, verdict.read, verdict.refused, seconds, verdict.seed]);
    if (verdict.failure) {
      console.error(`${target.name}\n${verdict.failure.report}\n`);
      console.error(
        `Again: npm run test:fuzz -- --only '${target.name}' --seed ${verdict.seed} --path '${verdict.failure.path}'\n`,
      );
      process.exitCode = 1;
    }
  }
  console.log(table.toString());
  console.log(
    `${total} cases${process.exitCode ? ", FAILED" : ": each a right result or a typed error, no key told"}`,
  );
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
