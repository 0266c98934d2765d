import { resolveSettings } from "../../constructs/environment/environment";
import { AUDIT_INTERVAL_MS } from "../../core/audit/intervals";
import { moment } from "../../core/time";
import { DAY, HOUR, MINUTE } from "../clock";
import { type DeployedInstance, identify, readStored } from "./agent-keys";
import { Auditor } from "./auditor";
import type { ConsumerReport } from "./consumer";
import type { Consumer } from "./consumers";
import { countCalls, type ServiceCalls } from "./figures";
import type { Stage } from "./stage";

/** One dry run and one rotation of the last instance, while nobody else calls: what the functions ask for is counted. */
export async function rotateUnobserved(
  stage: Stage,
): Promise<{ readonly dryRun: ServiceCalls; readonly rotation: ServiceCalls } | undefined> {
  const { run, progress } = stage;
  if (!stage.tells("rotationCalls")) return undefined;
  const instance = stage.last;
  return progress.phase(`rotation of ${instance.id}, nobody looking (to count its calls)`, async () => {
    await stage.awaitGrace(instance);
    const dryRun = await countCalls(run, () => stage.rotate(instance, { RotateImmediately: false }));
    const rotation = await countCalls(run, () => stage.rotate(instance));
    return { dryRun, rotation };
  });
}

/** Under load: the first instance has a consumer that reads its key again, and the given one that read it once. */
export async function rotateOnDemand(stage: Stage, startUpReader: Consumer): Promise<void> {
  const { run, progress, graceMs } = stage;
  const instance = stage.first;
  const old = await readStored(run.secrets, instance.secretName);
  await progress.phase(`rotation of ${instance.id} on demand, under load`, () => stage.rotate(instance));
  const fresh = await readStored(run.secrets, instance.secretName);
  await stage.noteKeys("rotated on demand");

  const oldKey = await identify(run.controlPlane.url, old.agentKey);
  const newKey = await identify(run.controlPlane.url, fresh.agentKey);
  const { fingerprint } = fresh.agentKey;
  progress.check("the key is another one", !fresh.agentKey.equals(old.agentKey), `now ${fingerprint}`);
  progress.check("the new key is accepted", newKey.agentInstanceId === instance.agentInstanceId);
  progress.check(
    graceMs > 0 ? "the old key still is" : "the old key is refused",
    oldKey.accepted === graceMs > 0,
  );
  const reader = await startUpReader.beat();
  progress.check(
    graceMs > 0 ? "the start-up reader lives on its old key" : "the start-up reader fails on its old key",
    reader.fingerprint === old.agentKey.fingerprint && (reader.failedCalls === 0) === graceMs > 0,
  );
}

/** To the minute before the old key's end, and to the minute after it. */
export async function passTheGrace(
  stage: Stage,
  startUpReader: Consumer,
): Promise<ConsumerReport | undefined> {
  const { run, progress, moves } = stage;
  if (!stage.tells("grace")) return undefined;
  const instance = stage.first;
  const fresh = await readStored(run.secrets, instance.secretName);
  const endsAt = fresh.previousKeyExpiresAt ?? run.clock.now();

  const before = await progress.phase("the clock moves to a minute before the end of the grace", async () => {
    await moves.advanceTo(endsAt - MINUTE);
    return startUpReader.beat();
  });
  progress.check(
    "the old key is accepted to the last",
    before.failedCalls === 0,
    `${before.calls} calls, ${before.failedCalls} failed`,
  );
  const after = await progress.phase("and two minutes on", async () => {
    await moves.advanceTo(endsAt + MINUTE);
    return startUpReader.beat();
  });
  progress.check(
    "the start-up reader fails when its key dies, and not before",
    after.failedCalls > 0 &&
      (after.firstRefusedAt ?? 0) > (before.lastAcceptedAt ?? 0) &&
      (after.lastAcceptedAt ?? 0) < endsAt,
    `key ended ${moment(endsAt)}, first refused ${moment(after.firstRefusedAt ?? 0)}`,
  );
  const { accepted } = await identify(run.controlPlane.url, fresh.agentKey);
  progress.check("the new key is accepted", accepted);
  return after;
}

/** A rotation that came to nothing is found by the auditor, which asks for it again. */
export async function haveItFinished(stage: Stage): Promise<void> {
  const { run, progress, moves } = stage;
  if (!stage.tells("healing")) return;
  const instance = stage.first;
  await stage.awaitGrace(instance);
  const old = await readStored(run.secrets, instance.secretName);
  const auditor = new Auditor(run);
  /** What it finds about keys, five minutes on. */
  const audit = async () => {
    await moves.advanceBy(AUDIT_INTERVAL_MS);
    await auditor.audit();
    const ids = stage.instances.map(({ id }) => id);
    const found = (await auditor.found()).filter(({ instance: id }) => ids.includes(id));
    return found.map(({ instance: id, name }) => `${id}: ${name}`).join(", ");
  };
  try {
    const title = `a rotation of ${instance.id} comes to nothing, and the auditor runs`;
    const found = await progress.phase(title, async () => {
      const route = "GET /agent_instance/{agent_instance_id}";
      run.controlPlane.faults.order({ route, effect: "status", status: 403, when: "before" });
      await stage.rotate(instance);
      return audit();
    });
    progress.check("it finds it", found === `${instance.id}: pending-left-behind`, found);
    const { agentKey } = await readStored(run.secrets, instance.secretName);
    await stage.noteKeys("healed");
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
export async function passTheInterval(stage: Stage): Promise<void> {
  const { run, progress, moves, instances } = stage;
  const { rotation } = resolveSettings(run.environment);
  if (!stage.tells("interval") || rotation === "off") return;
  const { automaticallyAfterDays, windowHours = 24 } = rotation;
  const asked = run.secretsManager.calls.byOperation.RotateSecret;

  const before = await Promise.all(instances.map((instance) => stage.describe(instance)));
  const opensAt = before.map(({ rotatedAt }) => startOfUtcDay(rotatedAt) + automaticallyAfterDays * DAY);
  await progress.phase(`the clock moves ${automaticallyAfterDays} days`, () =>
    moves.advanceTo(Math.max(...opensAt) + windowHours * HOUR),
  );
  await stage.noteKeys(`after ${automaticallyAfterDays} days`);

  for (const [index, instance] of instances.entries()) {
    const { rotatedAt = 0 } = before[index] ?? {};
    const opened = opensAt[index] ?? 0;
    const rotated = nextRotation(stage, instance, rotatedAt);
    progress.check(
      `${instance.id} was rotated by itself, in its window`,
      rotated !== undefined && rotated >= opened && rotated < opened + windowHours * HOUR,
      `window from ${moment(opened)}, rotated ${rotated === undefined ? "never" : moment(rotated)}`,
    );
  }
  progress.check("nobody asked for it", run.secretsManager.calls.byOperation.RotateSecret === asked);

  await progress.phase("the clock moves past the end of the grace", () =>
    moves.advanceBy(stage.graceMs + HOUR),
  );
  const works = await Promise.all(
    instances.map(async ({ secretName }) => {
      const { agentKey } = await readStored(run.secrets, secretName);
      return (await identify(run.controlPlane.url, agentKey)).accepted;
    }),
  );
  progress.check("every stored key is accepted", works.every(Boolean));
}

/** When a secret's next rotation after a moment succeeded: with a short interval there may be more by now. */
function nextRotation({ run }: Stage, { secretArn }: DeployedInstance, after: number): number | undefined {
  return run.secretsManager.state.events
    .filter(
      ({ detail }) =>
        detail.eventName === "RotationSucceeded" &&
        (detail.additionalEventData as { SecretId?: string }).SecretId === secretArn,
    )
    .map(({ time }) => Date.parse(time))
    .find((time) => time > after);
}

const startOfUtcDay = (time: number) => Math.floor(time / DAY) * DAY;
