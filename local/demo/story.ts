import type { LocalRun } from "../local-run";
import type { ConsumerReport } from "./consumer";
import type { Consumer } from "./consumers";
import { countResources, deployAgain, deployFirst, destroy } from "./deploys";
import { perInstance, type StoryFigures } from "./figures";
import { searchForLeaks } from "./leak-search";
import type { Progress } from "./progress";
import { keyTable } from "./report";
import { haveItFinished, passTheGrace, passTheInterval, rotateOnDemand, rotateUnobserved } from "./rotations";
import { Stage } from "./stage";

/**
 * The main job from first deploy to destroy, played on a local run of any environment; what doesn't apply to it is
 * skipped by name. What was expected and didn't happen is among `progress.checks`; the story throws only if it can't go on.
 */
export class Story {
  private readonly stage: Stage;

  constructor(
    private readonly run: LocalRun,
    private readonly progress: Progress,
    signal?: AbortSignal,
  ) {
    this.stage = new Stage(run, progress, signal);
  }

  /** Everything up to, and without, the destroy. */
  async play(): Promise<Omit<StoryFigures, "leaks">> {
    const { stage, run } = this;
    const firstDeploy = await deployFirst(stage);
    const rotation = await rotateUnobserved(stage);
    const startUpReader = await this.rotateUnderLoad();
    await haveItFinished(stage);
    await passTheInterval(stage);
    await deployAgain(stage);
    const consumers = await this.sumUpConsumers();
    this.progress.say(keyTable(stage.keys));

    const dryRun = rotation?.dryRun ?? NO_CALLS;
    return {
      environment: run.environment.name,
      instances: stage.instances.length,
      resources: await countResources(stage),
      calls: {
        ...(stage.tells("provisioningCalls") && {
          provisioning: perInstance(firstDeploy, dryRun, stage.instances.length),
        }),
        ...rotation,
      },
      consumers,
      ...(startUpReader && { startUpReader }),
      skipped: this.progress.skipped,
    };
  }

  /** Takes everything down, unless the environment's policy is to refuse that. */
  async destroy(): Promise<void> {
    await destroy(this.stage);
  }

  async stopConsumers(): Promise<void> {
    await this.stage.stopConsumers();
  }

  /** Searches the run's folder and what was said for every key that was ever issued. */
  async searchLeaks(keyTexts: readonly string[]): Promise<StoryFigures["leaks"]> {
    const found = searchForLeaks(keyTexts, this.run.folder, { "printed lines": this.progress.transcript });
    this.progress.check(
      "no key in state, plan, outputs, logs or anything printed",
      found.hits.length === 0,
      `${keyTexts.length} keys, ${found.files} files, ${found.hits.length} hits` +
        found.hits.map(({ place }) => `; ${place}`).join(""),
    );
    return { ...found, keys: keyTexts.length };
  }

  /** Every key text that was issued so far, the operator's API key among them. */
  keyTexts(): string[] {
    const { controlPlane } = this.run;
    const instances = controlPlane.state.allInstances();
    return [controlPlane.apiKey, ...instances.flatMap(({ keys }) => keys.map(({ value }) => value))];
  }

  /** One consumer for each instance, and one that reads the first instance's key at its start only. */
  private async rotateUnderLoad(): Promise<ConsumerReport | undefined> {
    const { stage, progress } = this;
    if (stage.instances.length === 0) {
      stage.tells("onDemand");
      return undefined;
    }
    const rotates = stage.tells("onDemand");
    if (rotates) await stage.awaitGrace(stage.first);
    const startUpReader = await progress.phase("consumers start", async (): Promise<Consumer> => {
      const [reader] = await Promise.all([
        stage.startConsumer(stage.first, "once"),
        ...stage.instances.map((instance) => stage.startConsumer(instance, "again")),
      ]);
      return reader;
    });
    if (rotates) await rotateOnDemand(stage, startUpReader);
    const seen = await passTheGrace(stage, startUpReader);
    await stage.stopConsumers(startUpReader);
    return seen;
  }

  private async sumUpConsumers(): Promise<StoryFigures["consumers"]> {
    const { stage, progress } = this;
    const reports = await Promise.all(stage.consumers.map((consumer) => consumer.beat()));
    const sum = (field: "calls" | "failedCalls" | "reads") =>
      reports.reduce((total, report) => total + report[field], 0);
    const consumers = { calls: sum("calls"), failedCalls: sum("failedCalls"), reads: sum("reads") };
    const { calls, failedCalls } = consumers;
    const seen = `${calls} calls, ${failedCalls} failed`;
    if (stage.tells("noLoss", seen)) {
      progress.check("consumers lost no call", calls > 0 && failedCalls === 0, seen);
    }
    return consumers;
  }
}

const NO_CALLS = { secretsManager: {}, dynamoDb: {}, controlPlane: {} };
