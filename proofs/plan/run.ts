import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Table from "cli-table3";
import { Command } from "commander";
import { startFront } from "../harness/front";
import { endChildrenOnSignal, findToolchain, standing, startRun } from "../harness/local-deployment";
import { Terraform, THIS_RELEASE } from "../harness/terraform";
import { deployWithInterruptions } from "./interruptions";
import { PREVIOUS_RELEASE, previousRelease } from "./previous-release";
import {
  changeByHand,
  changeInterval,
  downgradeAndReturn,
  type Finding,
  rotateInEveryWay,
  upgradeInTheMiddle,
} from "./rotations";

/*
 * That `cdktf diff` stays empty whatever rotates, and that a deploy which was cut off anywhere, or comes upon an older
 * release, loses no key: real Terraform against the local services.
 */

type Say = (line: string) => void;

async function playRotations(find: (finding: Finding) => void, report: Say): Promise<void> {
  const toolchain = await findToolchain();
  const folder = await mkdtemp(join(tmpdir(), "valmi-previous-release-"));
  const run = await startRun("dev", { app: THIS_RELEASE });
  try {
    const terraform = new Terraform(run, toolchain);
    const scene = { run, terraform, find };
    const previous = await previousRelease(folder);
    if (previous === undefined) {
      find({
        situation: "an upgrade from the previous release",
        seen: `skipped: this clone has no commit ${PREVIOUS_RELEASE.slice(0, 7)}; run git fetch --unshallow`,
        asExpected: true,
      });
      await terraform.synthesise();
      if (!(await terraform.apply()).succeeded) throw new Error("the deploy failed");
      await run.secretsManager.settle();
    } else {
      report("upgrade from the previous release");
      await upgradeInTheMiddle(scene, previous);
      report("downgrade, and upgrade again");
      await downgradeAndReturn(scene, previous);
    }
    report("rotations");
    await rotateInEveryWay(scene, report);
    report("another interval");
    await changeInterval(scene);
    await changeByHand(scene);
  } finally {
    await run.close();
    await rm(folder, { recursive: true, force: true });
  }
  await run.removeFolder();
}

async function playInterruptions(
  { every, environment }: { readonly every: boolean; readonly environment: string },
  find: (finding: Finding) => void,
  report: Say,
): Promise<void> {
  const toolchain = await findToolchain();
  const front = await startFront();
  const run = await startRun(environment, { app: THIS_RELEASE, front });
  try {
    const terraform = new Terraform(run, toolchain);
    await terraform.synthesise();
    for (const { call, imported } of await deployWithInterruptions(
      { run, front, terraform },
      { every, report },
    )) {
      const how = imported.map((address) => address.split("_").slice(0, -1).join("_"));
      find({
        situation: `killed at ${call}`,
        seen: how.length === 0 ? "the next deploy went on" : `imported, then it went on: ${how.join(", ")}`,
        asExpected: true,
      });
    }
    await run.secretsManager.settle();
    const planned = await terraform.plan();
    const stood = await Promise.all(run.environment.agentInstances.map(({ id }) => standing(run, id)));
    const good = stood.filter(
      ({ instances, mints, storedKeyIsAccepted, storedKeyIsTheLatest }) =>
        instances.length === 1 && mints === 1 && storedKeyIsAccepted && storedKeyIsTheLatest,
    );
    find({
      situation: "after all of these, and 0 rotations",
      seen: `${planned.join(", ") || "plan empty"}; ${good.length} of ${stood.length} instances made once, with one key, which works`,
      asExpected: planned.length === 0 && good.length === stood.length,
    });
  } finally {
    await run.close();
    await front.close();
  }
  await run.removeFolder();
}

const program = new Command("test:plan")
  .description("diff stays empty, interrupted deploys are finished, upgrades change no key")
  .option("--every", "kill Terraform at every call that changes something, and not at six", false)
  .option("--only <story>", "rotations or interruptions")
  .option("--environment <name>", "whose deploy is interrupted", "dev")
  .action(async ({ only, ...how }: { every: boolean; environment: string; only?: string }) => {
    const startedAt = performance.now();
    const seconds = () => `${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(4)} s`;
    const report = (line: string) => console.log(`${seconds()}  ${line}`);
    const findings: Record<string, Finding[]> = { interruptions: [], rotations: [] };
    const into = (story: string) => (finding: Finding) => {
      findings[story]?.push(finding);
      report(`${finding.asExpected ? "ok" : "FAILED"}: ${finding.situation}: ${finding.seen}`);
    };
    const stories = {
      rotations: () => playRotations(into("rotations"), report),
      interruptions: () => playInterruptions(how, into("interruptions"), report),
    };
    // Beside each other: both wait for Terraform, and Terraform waits for its provider, most of the time.
    const played = await Promise.allSettled(
      Object.entries(stories).map(([name, play]) =>
        only === undefined || only === name ? play() : undefined,
      ),
    );
    const all = Object.values(findings).flat();
    const table = new Table({
      head: ["case", "seen", ""],
      style: { head: [], border: [] },
      colWidths: [44, 74, 8],
      wordWrap: true,
    });
    for (const { situation, seen, asExpected } of all)
      table.push([situation, seen, asExpected ? "ok" : "FAILED"]);
    console.log(table.toString());
    const failed = all.filter(({ asExpected }) => !asExpected).length;
    const broken = played.flatMap((story) => (story.status === "rejected" ? [story.reason] : []));
    for (const reason of broken) console.error(reason);
    console.log(
      `${all.length} cases, ${failed} failed, ${broken.length} stories broken off, ${seconds().trim()}`,
    );
    process.exitCode = failed + broken.length === 0 && all.length > 0 ? 0 : 1;
  });

endChildrenOnSignal();
void program.parseAsync();
