import { DescribeSecretCommand, RotateSecretCommand } from "@aws-sdk/client-secrets-manager";
import { guardedUntil } from "../../core/protocol/grace-period";
import { HOUR, SECOND } from "../clock";
import type { LocalRun } from "../local-run";
import { type DeployedInstance, readStored } from "./agent-keys";
import { CHAPTERS, type Chapter, skippedChapters } from "./chapters";
import { ClockMoves } from "./clock-moves";
import { Consumer } from "./consumers";
import type { KeyHistory } from "./figures";
import type { Progress } from "./progress";

/** What the chapters of a story share: the run, who takes part, and what has been seen of the keys. */
export class Stage {
  readonly consumers: Consumer[] = [];
  /** As the last deploy says. */
  instances: readonly DeployedInstance[] = [];
  readonly keys: KeyHistory = {};
  readonly graceMs: number;
  readonly moves: ClockMoves;
  private readonly skips: Partial<Record<Chapter, string>>;

  constructor(
    readonly run: LocalRun,
    readonly progress: Progress,
    signal?: AbortSignal,
  ) {
    this.graceMs = (run.environment.controlPlane.gracePeriodHours ?? 24) * HOUR;
    this.moves = new ClockMoves(run, this.consumers, this.graceMs, signal);
    this.skips = skippedChapters(run.environment);
  }

  /** Whether a chapter is told. Says by its name that it isn't, with the reason, and what was seen nevertheless. */
  tells(chapter: Chapter, seen = ""): boolean {
    const reason = this.skips[chapter];
    if (reason !== undefined) this.progress.skip(CHAPTERS[chapter], `${reason}${seen && `; ${seen}`}`);
    return reason === undefined;
  }

  get first(): DeployedInstance {
    return existing(this.instances[0]);
  }

  get last(): DeployedInstance {
    return existing(this.instances.at(-1));
  }

  /** Starts a consumer process and waits for its first call. */
  async startConsumer({ id, secretName }: DeployedInstance, reads: "again" | "once"): Promise<Consumer> {
    const { run } = this;
    const consumer = await Consumer.start({
      instanceId: id,
      secretId: secretName,
      controlPlaneUrl: run.controlPlane.url,
      reads,
      awsVariables: run.awsVariables,
    });
    this.consumers.push(consumer);
    return consumer;
  }

  /** Stops the given consumers, or all that are left. */
  async stopConsumers(...given: Consumer[]): Promise<void> {
    const stopped = given.length > 0 ? given : [...this.consumers];
    const left = this.consumers.filter((consumer) => !stopped.includes(consumer));
    this.consumers.splice(0, this.consumers.length, ...left);
    await Promise.all(stopped.map((consumer) => consumer.stop()));
  }

  /** Asks Secrets Manager for a rotation, and waits until it is over. */
  async rotate(
    { secretName }: DeployedInstance,
    how: { readonly RotateImmediately?: boolean } = {},
  ): Promise<void> {
    const { secrets, secretsManager } = this.run;
    await secrets.send(new RotateSecretCommand({ SecretId: secretName, ...how }));
    await secretsManager.settle();
  }

  /** Moves the clock, if it has to, until a rotation would be let mint: none is inside a running grace period. */
  async awaitGrace({ secretName }: DeployedInstance): Promise<void> {
    const { run, moves, graceMs } = this;
    for (;;) {
      // A rotation by the schedule may come meanwhile, and begin another one.
      const until = guardedUntil(await readStored(run.secrets, secretName), graceMs) ?? 0;
      if (until < run.clock.now()) return;
      await moves.advanceTo(until + SECOND);
    }
  }

  /** When a key was last rotated, or else made, and which version is current. */
  async describe({
    secretName,
  }: DeployedInstance): Promise<{ readonly rotatedAt: number; readonly versionId: string }> {
    const { secrets } = this.run;
    const { LastRotatedDate, CreatedDate } = await secrets.send(
      new DescribeSecretCommand({ SecretId: secretName }),
    );
    const { versionId } = await readStored(secrets, secretName);
    return { rotatedAt: (LastRotatedDate ?? CreatedDate)?.getTime() ?? 0, versionId };
  }

  async noteKeys(when: string): Promise<void> {
    for (const { id, secretName } of this.instances) {
      const { agentKey } = await readStored(this.run.secrets, secretName);
      this.keys[id] = { ...this.keys[id], [when]: agentKey.fingerprint };
    }
  }
}

function existing(instance: DeployedInstance | undefined): DeployedInstance {
  if (instance === undefined) throw new Error("the environment has no agent instance");
  return instance;
}
