import { setTimeout as pause } from "node:timers/promises";
import { RotateSecretCommand } from "@aws-sdk/client-secrets-manager";
import { HOUR } from "../clock";
import { type DeployedInstance, deployedInstances, identify, readStored } from "../demo/agent-keys";
import { type LeakSearch, searchForLeaks } from "../demo/leak-search";
import type { Progress } from "../demo/progress";
import type { LocalRun } from "../local-run";
import type { Consumer } from "./consumer";
import { type KindsOptions, STEP_MS, startConsumers, startStartUpReader } from "./kinds";

/** Real time for those that no clock of ours moves, the ECS service and the runner. Who is late is seen in the end. */
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 200;
/** For those that go by the clock that the story moves. */
const NOTICE_MS = 10 * STEP_MS;
/** Below the grace period: between two steps every agent calls. */
const LONG_STEP_MS = 12 * HOUR;

export interface ConsumerFigures {
  readonly name: string;
  readonly learns: string;
  readonly rotations: number;
  readonly calls: number;
  readonly failed: number;
  /** From the label's move to calls with the new key alone, the slowest of all rotations, in milliseconds. */
  readonly slowestMs: number;
  readonly bounds: Consumer["bounds"];
  /** From then to the end of the old key, the least of all rotations, in milliseconds. */
  readonly graceLeftMs: number;
}

export interface ConsumersFigures {
  readonly consumers: readonly ConsumerFigures[];
  readonly startUpReader: { readonly calls: number; readonly failed: number };
  readonly leaks: LeakSearch & { readonly keys: number };
}

/** Consumers of every kind go through rotations of one key, under load. */
export class ConsumersStory {
  private consumers: Consumer[] = [];
  private startUpReader: Consumer | undefined;
  private readonly slowestMs = new Map<Consumer, number>();
  private readonly graceLeftMs = new Map<Consumer, number>();

  constructor(
    private readonly run: LocalRun,
    private readonly progress: Progress,
    private readonly python: string,
    private readonly signal: AbortSignal,
  ) {}

  async play(rotations: number): Promise<Omit<ConsumersFigures, "leaks">> {
    const { run, progress } = this;
    const instance = await this.deploy();
    await progress.phase("consumers start", () => this.start(instance));
    const startUpFigures = { calls: 0, failed: 0 };
    let onTime = 0;
    for (let number = 1; number <= rotations; number += 1) {
      await progress.phase(`rotation ${number} of ${rotations}`, async () => {
        if (await this.rotate(instance)) onTime += 1;
      });
      const reader = this.startUpReader;
      if (reader === undefined) continue;
      Object.assign(startUpFigures, { calls: reader.log.calls, failed: reader.log.failed });
      await reader.stop();
      this.startUpReader = undefined;
    }
    const { failed } = startUpFigures;
    progress.check("the start-up reader fails once its key is dead", failed > 0, `${failed} calls failed`);
    progress.check(
      "every consumer was on every new key before the old one died",
      onTime === rotations,
      `${onTime} of ${rotations} rotations`,
    );
    const figures = this.consumers.map((consumer) => this.figuresOf(consumer, rotations));
    const sum = (field: "calls" | "failed") => figures.reduce((total, each) => total + each[field], 0);
    progress.check(
      "no consumer lost a call",
      sum("calls") > 0 && sum("failed") === 0,
      `${sum("calls")} calls, ${sum("failed")} failed`,
    );
    for (const { name, slowestMs, bounds } of figures) {
      if (slowestMs <= bounds.here) continue;
      progress.check(`${name} keeps its bound`, false, `${slowestMs} ms, bound ${bounds.here} ms`);
    }
    const plan = await progress.phase("terraform plan, after the rotations", () => run.deployment.plan());
    const changed = changedAddresses(plan.json);
    progress.check(
      "no rotation shows in the plan",
      changed.every((address) => READ_BACK_INCOMPLETE.some((type) => address.startsWith(`${type}.`))),
      changed.length === 0 ? "empty" : `but what the emulator reads back incompletely: ${changed.join(", ")}`,
    );
    return { consumers: figures, startUpReader: startUpFigures };
  }

  async stop(): Promise<void> {
    const all = [...this.consumers, ...(this.startUpReader ? [this.startUpReader] : [])];
    this.consumers = [];
    this.startUpReader = undefined;
    await Promise.all(all.map((consumer) => consumer.stop()));
  }

  /** Searches the run's folder, the agents' logs among it, and what was said, for every key that was ever issued. */
  searchLeaks(): ConsumersFigures["leaks"] {
    const { controlPlane, folder } = this.run;
    const instances = controlPlane.state.allInstances();
    const keys = [controlPlane.apiKey, ...instances.flatMap((each) => each.keys.map(({ value }) => value))];
    const found = searchForLeaks(keys, folder, { "printed lines": this.progress.transcript });
    this.progress.check(
      "no key in state, plan, logs or anything printed",
      found.hits.length === 0,
      [`${keys.length} keys, ${found.files} files`, ...found.hits.map(({ place }) => place)].join("; "),
    );
    return { ...found, keys: keys.length };
  }

  private async deploy(): Promise<DeployedInstance> {
    const { run, progress } = this;
    await progress.phase("cdktf deploy dev, with an ECS service", async () => {
      await run.deployment.deploy();
      await run.secretsManager.settle();
    });
    const instance = deployedInstances(await run.deployment.outputs()).find(({ id }) => id === "support");
    if (instance === undefined) throw new Error("the environment dev has no instance support");
    return instance;
  }

  private async start({ secretArn, secretName }: DeployedInstance): Promise<void> {
    const { run, python } = this;
    const { agentKey } = await readStored(run.secrets, secretName);
    const options: KindsOptions = { run, secretId: secretArn, python, startUpKey: agentKey.reveal() };
    this.startUpReader = await startStartUpReader(options);
    this.consumers = await startConsumers(options);
  }

  /** One rotation and the whole grace period after it. Returns whether everybody was on the new key before its end. */
  private async rotate({ secretArn, secretName }: DeployedInstance): Promise<boolean> {
    const { run, consumers } = this;
    const old = (await readStored(run.secrets, secretName)).agentKey.fingerprint;
    await run.secrets.send(new RotateSecretCommand({ SecretId: secretArn }));
    await run.secretsManager.settle();
    const { agentKey, previousKeyExpiresAt } = await readStored(run.secrets, secretName);
    const fresh = agentKey.fingerprint;
    if (fresh === old || previousKeyExpiresAt === undefined) throw new Error("the key was not rotated");

    const isOn = (consumer: Consumer) => consumer.isSteady() && consumer.log.uses(fresh);
    const byRealTime = consumers.filter(({ learns }) => !learns.startsWith("reads"));
    await this.until(() => byRealTime.every(isOn));
    for (let moved = 0; moved < NOTICE_MS && !consumers.every(isOn); moved += STEP_MS) {
      await this.advanceBy(STEP_MS);
    }
    while (run.clock.now() < previousKeyExpiresAt + HOUR) await this.advanceBy(LONG_STEP_MS);

    const movedAt = this.labelMovedAt(secretArn);
    const switched = consumers.map((consumer) => {
      const at = consumer.log.switchedAt(old, fresh) ?? Number.POSITIVE_INFINITY;
      const slowest = Math.max(this.slowestMs.get(consumer) ?? 0, at - movedAt);
      this.slowestMs.set(consumer, slowest);
      const left = this.graceLeftMs.get(consumer) ?? Number.POSITIVE_INFINITY;
      this.graceLeftMs.set(consumer, Math.min(left, previousKeyExpiresAt - at));
      return at;
    });
    const { accepted } = await identify(run.controlPlane.url, agentKey);
    return accepted && switched.every((at) => at < previousKeyExpiresAt);
  }

  /** Moves the clock, and waits until each agent has made a call that began after that. */
  private async advanceBy(milliseconds: number): Promise<void> {
    this.signal.throwIfAborted();
    await this.run.secretsManager.advanceBy(milliseconds);
    const all = [...this.consumers, ...(this.startUpReader ? [this.startUpReader] : [])];
    let haveCalled = false;
    const calls = Promise.all(all.map(({ log }) => log.next(2))).then(() => {
      haveCalled = true;
    });
    while (!haveCalled) {
      const ended = all.find((consumer) => consumer.hasEnded());
      if (ended !== undefined) throw new Error(`${ended.name} has ended`);
      this.signal.throwIfAborted();
      await Promise.race([calls, pause(LOOK_EVERY_MS)]);
    }
  }

  private async until(isSo: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!isSo()) {
      this.signal.throwIfAborted();
      if (Date.now() > deadline) return;
      await pause(LOOK_EVERY_MS);
    }
  }

  /** By the event, whose time is in whole seconds, rounded down: what is measured from it is rather too long. */
  private labelMovedAt(secretArn: string): number {
    const moves = this.run.secretsManager.state.events.filter(
      (event) => event.detail.labelUpdated === "AWSCURRENT" && event.resources.includes(secretArn),
    );
    return Date.parse(moves.at(-1)?.time ?? "");
  }

  private figuresOf(consumer: Consumer, rotations: number): ConsumerFigures {
    const { name, learns, bounds, log } = consumer;
    return {
      name,
      learns,
      rotations,
      calls: log.calls,
      failed: log.failed,
      slowestMs: this.slowestMs.get(consumer) ?? Number.POSITIVE_INFINITY,
      bounds,
      graceLeftMs: this.graceLeftMs.get(consumer) ?? Number.NEGATIVE_INFINITY,
    };
  }
}

/** The emulator leaves out a setting of ECS services, `availability_zone_rebalancing`. Nobody else changes them. */
const READ_BACK_INCOMPLETE = ["aws_ecs_service"];

function changedAddresses(planJson: string): string[] {
  const { resource_changes = [] } = JSON.parse(planJson) as {
    resource_changes?: { address: string; change: { actions: string[] } }[];
  };
  return resource_changes
    .filter(({ change }) => change.actions.join() !== "no-op" && change.actions.join() !== "read")
    .map(({ address }) => address);
}
