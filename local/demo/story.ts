import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  DescribeSecretCommand,
  ListSecretsCommand,
  RotateSecretCommand,
} from "@aws-sdk/client-secrets-manager";
import { resolveSettings } from "../../constructs/environment/environment";
import { AUDIT_INTERVAL_MS } from "../../core/audit/intervals";
import { DAY, HOUR, MINUTE } from "../clock";
import type { LocalRun } from "../local-run";
import { type DeployedInstance, deployedInstances, identify, readStored } from "./agent-keys";
import { Auditor } from "./auditor";
import { ClockMoves } from "./clock-moves";
import type { ConsumerReport } from "./consumer";
import { Consumer } from "./consumers";
import { countCalls, type KeyHistory, perInstance, type ServiceCalls, type StoryFigures } from "./figures";
import { searchForLeaks } from "./leak-search";
import type { Progress } from "./progress";
import { instanceTable, keyTable } from "./report";

/**
 * The main job from first deploy to destroy, played on a local run. What was expected and didn't happen is among
 * `progress.checks`; the story throws only where it can't go on.
 */
export class Story {
  private readonly consumers: Consumer[] = [];
  private readonly keys: KeyHistory = {};
  private instances: DeployedInstance[] = [];
  private readonly graceMs: number;
  private readonly moves: ClockMoves;

  constructor(
    private readonly run: LocalRun,
    private readonly progress: Progress,
    signal?: AbortSignal,
  ) {
    this.graceMs = (run.environment.controlPlane.gracePeriodHours ?? 24) * HOUR;
    this.moves = new ClockMoves(run, this.consumers, this.graceMs, signal);
  }

  /** Everything up to, and without, the destroy. */
  async play(): Promise<Omit<StoryFigures, "leaks">> {
    const { progress } = this;
    const firstDeploy = await this.deploy();
    const { dryRun, rotation } = await this.rotateUnobserved();
    const startUpReader = await this.startConsumers();
    await this.rotateOnDemand(startUpReader);
    const dead = await this.passTheGrace(startUpReader);
    await this.stopConsumers(startUpReader);
    await this.haveItFinished();
    await this.passTheInterval();
    await this.deployAgain();

    const reports = await Promise.all(this.consumers.map((consumer) => consumer.beat()));
    const sum = (field: "calls" | "failedCalls" | "reads") =>
      reports.reduce((total, report) => total + report[field], 0);
    const consumers = { calls: sum("calls"), failedCalls: sum("failedCalls"), reads: sum("reads") };
    const { calls, failedCalls } = consumers;
    progress.check(
      "consumers lost no call",
      calls > 0 && failedCalls === 0,
      `${calls} calls, ${failedCalls} failed`,
    );
    progress.say(keyTable(this.keys));

    return {
      environment: this.run.environment.name,
      instances: this.instances.length,
      resources: await this.countResources(),
      calls: { provisioning: perInstance(firstDeploy, dryRun, this.instances.length), dryRun, rotation },
      consumers,
      startUpReader: dead,
    };
  }

  /** Takes everything down, unless the environment's policy is to refuse that. */
  async destroy(): Promise<void> {
    const { run, progress } = this;
    await this.stopConsumers();
    const { removal = "protect" } = run.environment;
    if (removal === "protect") {
      progress.say("            not destroyed: the environment's `removal` is `protect`");
      return;
    }
    await progress.phase(`cdktf destroy ${run.environment.name}`, () => run.deployment.destroy());
    const { SecretList = [] } = await run.secrets.send(
      new ListSecretsCommand({ IncludePlannedDeletion: false }),
    );
    const names = SecretList.map(({ Name }) => Name);
    const active = run.controlPlane.state.allInstances().filter(({ isActive }) => isActive);
    progress.check(
      "nothing is left but the operator's API key",
      names.join() === run.environment.controlPlane.apiKeySecretName && active.length === 0,
      `${names.length} secret, ${active.length} active instances, empty state`,
    );
  }

  /** Stops the given consumers, or all that are left. */
  async stopConsumers(...given: Consumer[]): Promise<void> {
    const stopped = given.length > 0 ? given : [...this.consumers];
    const left = this.consumers.filter((consumer) => !stopped.includes(consumer));
    this.consumers.splice(0, this.consumers.length, ...left);
    await Promise.all(stopped.map((consumer) => consumer.stop()));
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

  private async deploy(): Promise<ServiceCalls> {
    const { run, progress } = this;
    const name = run.environment.name;
    const calls = await countCalls(run, async () => {
      await progress.phase(`cdktf deploy ${name}`, () => run.deployment.deploy());
      await run.secretsManager.settle();
    });
    const outputs = await run.deployment.outputs();
    await writeFile(join(run.folder, "outputs.json"), JSON.stringify(outputs, null, 2));
    this.instances = deployedInstances(outputs);
    const configured = run.environment.agentInstances.length;
    progress.check(
      "every instance is there",
      this.instances.length === configured,
      `${this.instances.length} of ${configured}`,
    );

    const rows = await Promise.all(
      this.instances.map(async (instance) => {
        const stored = await readStored(run.secrets, instance.secretName);
        const { accepted, agentInstanceId } = await identify(run.controlPlane.url, stored.agentKey);
        return { ...instance, stored, works: accepted && agentInstanceId === instance.agentInstanceId };
      }),
    );
    progress.check(
      "every stored key is accepted, for its own instance",
      rows.every(({ works }) => works),
    );
    progress.say(
      instanceTable(rows.map(({ stored, ...row }) => ({ ...row, fingerprint: stored.agentKey.fingerprint }))),
    );
    await this.noteKeys("deployed");
    const { isEmpty } = await progress.phase("terraform plan, after the first deploy", () =>
      run.deployment.plan(),
    );
    progress.check("the plan is empty after the first deploy", isEmpty);
    return calls;
  }

  /** One dry run and one rotation of the last instance, while nobody else calls: what the functions ask for is counted. */
  private async rotateUnobserved(): Promise<{ dryRun: ServiceCalls; rotation: ServiceCalls }> {
    const { run, progress } = this;
    const instance = lastOf(this.instances);
    return progress.phase(`rotation of ${instance.id}, nobody looking (to count its calls)`, async () => {
      const dryRun = await countCalls(run, () => this.rotate(instance, { RotateImmediately: false }));
      const rotation = await countCalls(run, () => this.rotate(instance));
      // A rotation inside a running grace period is refused, and the next one may be of the same instance.
      if (this.instances.length === 1) await this.moves.advanceBy(this.graceMs + HOUR);
      return { dryRun, rotation };
    });
  }

  /** One consumer for each instance, and one that reads the first instance's key at its start only. */
  private async startConsumers(): Promise<Consumer> {
    const { run, progress } = this;
    const start = ({ id, secretName }: DeployedInstance, reads: "again" | "once") =>
      Consumer.start({
        instanceId: id,
        secretId: secretName,
        controlPlaneUrl: run.controlPlane.url,
        reads,
        awsVariables: run.awsVariables,
      }).then((consumer) => {
        this.consumers.push(consumer);
        return consumer;
      });
    return progress.phase("consumers start", async () => {
      const [startUpReader] = await Promise.all([
        start(firstOf(this.instances), "once"),
        ...this.instances.map((instance) => start(instance, "again")),
      ]);
      return startUpReader;
    });
  }

  private async rotateOnDemand(startUpReader: Consumer): Promise<void> {
    const { run, progress } = this;
    const instance = firstOf(this.instances);
    const old = await readStored(run.secrets, instance.secretName);
    await progress.phase(`rotation of ${instance.id} on demand, under load`, () => this.rotate(instance));
    const fresh = await readStored(run.secrets, instance.secretName);
    await this.noteKeys("rotated on demand");

    const oldKey = await identify(run.controlPlane.url, old.agentKey);
    const newKey = await identify(run.controlPlane.url, fresh.agentKey);
    const { fingerprint } = fresh.agentKey;
    progress.check("the key is another one", !fresh.agentKey.equals(old.agentKey), `now ${fingerprint}`);
    progress.check("the new key is accepted", newKey.agentInstanceId === instance.agentInstanceId);
    progress.check(
      this.graceMs > 0 ? "the old key still is" : "the old key is refused",
      oldKey.accepted === this.graceMs > 0,
    );
    const reader = await startUpReader.beat();
    progress.check(
      "the start-up reader lives on its old key",
      reader.fingerprint === old.agentKey.fingerprint && reader.failedCalls === 0,
    );
  }

  /** To the minute before the old key's end, and to the minute after it. */
  private async passTheGrace(startUpReader: Consumer): Promise<ConsumerReport> {
    const { run, progress } = this;
    const instance = firstOf(this.instances);
    const fresh = await readStored(run.secrets, instance.secretName);
    const endsAt = fresh.previousKeyExpiresAt ?? run.clock.now();

    const before = await progress.phase(
      "the clock moves to a minute before the end of the grace",
      async () => {
        await this.moves.advanceTo(endsAt - MINUTE);
        return startUpReader.beat();
      },
    );
    progress.check(
      "the old key is accepted to the last",
      before.failedCalls === 0,
      `${before.calls} calls, ${before.failedCalls} failed`,
    );

    const after = await progress.phase("and two minutes on", async () => {
      await this.moves.advanceBy(2 * MINUTE);
      return startUpReader.beat();
    });
    const { firstRefusedAt } = after;
    progress.check(
      "the start-up reader fails when its key dies, and not before",
      firstRefusedAt !== null && Math.abs(firstRefusedAt - endsAt) <= 2 * MINUTE,
      firstRefusedAt === null
        ? "it was never refused"
        : `key ended ${utc(endsAt)}, first refused ${utc(firstRefusedAt)}`,
    );
    const { accepted } = await identify(run.controlPlane.url, fresh.agentKey);
    progress.check("the new key is accepted", accepted);
    return after;
  }

  /** A rotation that came to nothing is found by the auditor, which asks for it again. */
  private async haveItFinished(): Promise<void> {
    const { run, progress } = this;
    const { rotation, alerts } = resolveSettings(run.environment);
    if (rotation === "off" || alerts.healing === "dry-run") return;
    const instance = firstOf(this.instances);
    const old = await readStored(run.secrets, instance.secretName);
    const auditor = new Auditor(run);
    /** What it finds about keys, five minutes on. */
    const audit = async () => {
      await this.moves.advanceBy(AUDIT_INTERVAL_MS);
      await auditor.audit();
      const ids = this.instances.map(({ id }) => id);
      const found = (await auditor.found()).filter(({ instance: id }) => ids.includes(id));
      return found.map(({ instance: id, name }) => `${id}: ${name}`).join(", ");
    };
    try {
      const title = `a rotation of ${instance.id} comes to nothing, and the auditor runs`;
      const found = await progress.phase(title, async () => {
        const route = "GET /agent_instance/{agent_instance_id}";
        run.controlPlane.faults.order({ route, effect: "status", status: 403, when: "before" });
        await this.rotate(instance);
        return audit();
      });
      progress.check("it finds it", found === `${instance.id}: pending-left-behind`, found);
      const { agentKey } = await readStored(run.secrets, instance.secretName);
      await this.noteKeys("healed");
      const { accepted } = await identify(run.controlPlane.url, agentKey);
      const isAnother = !agentKey.equals(old.agentKey);
      progress.check("and has it finished", accepted && isAnother, `now ${agentKey.fingerprint}`);
      const left = await progress.phase("the auditor runs again", audit);
      progress.check("it finds nothing", left === "", left);
    } finally {
      auditor.close();
    }
  }

  /** As many days as the interval has, until Secrets Manager has rotated every key by itself. */
  private async passTheInterval(): Promise<void> {
    const { run, progress } = this;
    const { rotation } = run.environment;
    if (rotation === "off") return;
    const { automaticallyAfterDays = 90, windowHours = 24 } = rotation ?? {};
    const asked = run.secretsManager.calls.byOperation.RotateSecret;

    const before = await Promise.all(this.instances.map((instance) => this.describe(instance)));
    const lastDue =
      Math.max(...before.map(({ rotatedAt }) => startOfUtcDay(rotatedAt))) + automaticallyAfterDays * DAY;
    await progress.phase(`the clock moves ${automaticallyAfterDays} days`, () =>
      this.moves.advanceTo(lastDue + windowHours * HOUR),
    );
    const after = await Promise.all(this.instances.map((instance) => this.describe(instance)));
    await this.noteKeys(`after ${automaticallyAfterDays} days`);

    for (const [index, instance] of this.instances.entries()) {
      const opensAt = startOfUtcDay(before[index]?.rotatedAt ?? 0) + automaticallyAfterDays * DAY;
      const { rotatedAt = 0, versionId } = after[index] ?? {};
      progress.check(
        `${instance.id} was rotated by itself, in its window`,
        versionId !== before[index]?.versionId &&
          rotatedAt >= opensAt &&
          rotatedAt < opensAt + windowHours * HOUR,
        `window from ${utc(opensAt)}, rotated ${utc(rotatedAt)}`,
      );
    }
    progress.check("nobody asked for it", run.secretsManager.calls.byOperation.RotateSecret === asked);

    await progress.phase("the clock moves past the end of the grace", () =>
      this.moves.advanceBy(this.graceMs + HOUR),
    );
    const works = await Promise.all(
      this.instances.map(async ({ secretName }) => {
        const { agentKey } = await readStored(run.secrets, secretName);
        return (await identify(run.controlPlane.url, agentKey)).accepted;
      }),
    );
    progress.check("every stored key is accepted", works.every(Boolean));
  }

  private async deployAgain(): Promise<void> {
    const { run, progress } = this;
    const name = run.environment.name;
    const diff = await progress.phase(`cdktf diff ${name}`, () => run.deployment.diff());
    progress.check("the plan is empty after the rotations", diff.isEmpty);
    const { added, changed, destroyed } = await progress.phase(`cdktf deploy ${name}, again`, () =>
      run.deployment.deploy(),
    );
    progress.check(
      "the second deploy changes nothing",
      added + changed + destroyed === 0,
      `${added} added, ${changed} changed, ${destroyed} destroyed`,
    );
    const plan = await progress.phase("terraform plan, after the second deploy", () => run.deployment.plan());
    progress.check("the plan is empty after the second deploy", plan.isEmpty);
  }

  /** Asks Secrets Manager for a rotation, and waits until it is over. */
  private async rotate(
    { secretName }: DeployedInstance,
    how: { RotateImmediately?: boolean } = {},
  ): Promise<void> {
    const { secrets, secretsManager } = this.run;
    await secrets.send(new RotateSecretCommand({ SecretId: secretName, ...how }));
    await secretsManager.settle();
  }

  private async describe({
    secretName,
  }: DeployedInstance): Promise<{ readonly rotatedAt: number; readonly versionId: string }> {
    const { secrets } = this.run;
    const { LastRotatedDate, CreatedDate } = await secrets.send(
      new DescribeSecretCommand({ SecretId: secretName }),
    );
    const { versionId } = await readStored(secrets, secretName);
    return { rotatedAt: (LastRotatedDate ?? CreatedDate)?.getTime() ?? 0, versionId };
  }

  private async noteKeys(when: string): Promise<void> {
    for (const { id, secretName } of this.instances) {
      const { agentKey } = await readStored(this.run.secrets, secretName);
      this.keys[id] = { ...this.keys[id], [when]: agentKey.fingerprint };
    }
  }

  private async countResources(): Promise<StoryFigures["resources"]> {
    const all = await this.run.deployment.synthesised();
    const perInstance = this.instances.map(
      ({ id }) => all.filter(({ constructPath }) => constructPath.includes(`/instances/${id}/`)).length,
    );
    const ofInstances = perInstance.reduce((sum, count) => sum + count, 0);
    return { perInstance: Math.max(...perInstance), perEnvironment: all.length - ofInstances };
  }
}

const startOfUtcDay = (time: number) => Math.floor(time / DAY) * DAY;
const utc = (time: number) => `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;

function firstOf<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined)
    throw new Error("the environment has no agent instance, so there is nothing to show");
  return item;
}

function lastOf<T>(items: readonly T[]): T {
  return firstOf(items.slice(-1));
}
