import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RotateSecretCommand, TagResourceCommand } from "@aws-sdk/client-secrets-manager";
import { DAY, HOUR, MINUTE } from "../../local/clock";
import { identify, readStored } from "../../local/demo/agent-keys";
import type { LocalRun } from "../../local/local-run";
import { descendantsOf, signalProcess } from "../../local/processes";
import { until } from "../harness/local-deployment";
import type { Terraform } from "../harness/terraform";

const REFRESH = "POST /agent_instance/{agent_instance_id}/refresh";
const MANY = 150;

/** What was looked at, and what was seen; `asExpected` judges it. */
export interface Finding {
  readonly situation: string;
  readonly seen: string;
  readonly asExpected: boolean;
}

interface Scene {
  readonly run: LocalRun;
  readonly terraform: Terraform;
  readonly find: (finding: Finding) => void;
}

/** The keys of one environment: by whom they were minted, which one is current, and whether it is accepted. */
async function keysOf({ environment, controlPlane, secrets }: LocalRun) {
  return Promise.all(
    environment.agentInstances.map(async ({ id }) => {
      const name = `${environment.name}-${id}`;
      const [instance] = controlPlane.state.allInstances().filter((each) => each.name === name);
      const stored = await readStored(secrets, secretName(environment.name, id));
      const { accepted, agentInstanceId } = await identify(controlPlane.url, stored.agentKey);
      return {
        mints: instance?.keys.length ?? 0,
        current: stored.agentKey.fingerprint,
        isGood: accepted && agentInstanceId === instance?.id,
      };
    }),
  );
}

const secretName = (environment: string, id: string) => `valmi/${environment}/${id}/agent-key`;
const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

async function findEmptyPlan(
  { run, terraform, find }: Scene,
  situation: string,
  besides = "",
): Promise<void> {
  const planned = await terraform.plan();
  const keys = await keysOf(run);
  const good = keys.filter(({ isGood }) => isGood).length;
  const mints = keys.reduce((sum, key) => sum + key.mints, 0);
  find({
    situation,
    seen: `${planned.join(", ") || "plan empty"}; ${mints} keys minted, ${good} of ${keys.length} stored ones accepted${besides}`,
    asExpected: planned.length === 0 && good === keys.length,
  });
}

/** Asks for a rotation of one instance's key, or for the rest of an unfinished one, and waits until it is over. */
async function rotate({ environment, secrets, secretsManager }: LocalRun, id: string): Promise<void> {
  const request = new RotateSecretCommand({ SecretId: secretName(environment.name, id) });
  await secrets.send(request).catch((error: Error) => {
    if (!error.message.includes("will be reattempted")) throw error;
  });
  await secretsManager.settle();
}

/**
 * The release before this one is deployed, has rotated, and is in the middle of two rotations, one with its new key
 * stored and one without, when this release is deployed over it.
 */
export async function upgradeInTheMiddle(scene: Scene, previousApp: string): Promise<void> {
  const { run, terraform, find } = scene;
  const { secretsManager, controlPlane } = run;
  await terraform.synthesise(previousApp);
  if (!(await terraform.apply()).succeeded) throw new Error("the previous release can't be deployed");
  await secretsManager.settle();
  await findEmptyPlan(scene, "the previous release, deployed");

  // Its function dies when the new key is stored and not yet promoted.
  secretsManager.orderFault({ operation: "UpdateSecretVersionStage", kind: "refuse", times: 1_000 });
  const asked = run.secrets.send(
    new RotateSecretCommand({ SecretId: secretName(run.environment.name, "support") }),
  );
  await until(
    "the new key waits for its promotion",
    () => (secretsManager.calls.byOperation.UpdateSecretVersionStage ?? 0) > 0,
  );
  for (const { pid } of descendantsOf(run.emulatorPid ?? 0)) signalProcess(pid, "SIGKILL");
  await asked;
  await secretsManager.settle();
  await fetch(`${secretsManager.url}/_local/faults`, { method: "DELETE" });
  // Its request is lost, and nobody knows yet whether a key was minted.
  controlPlane.faults.order({ route: REFRESH, effect: "drop", when: "before" });
  await rotate(run, "research");

  const before = await keysOf(run);
  await terraform.synthesise();
  const planned = await terraform.plan();
  const applied = await terraform.apply();
  if (!applied.succeeded) throw new Error(`the upgrade fails:\n${applied.log.slice(-3_000)}`);
  await secretsManager.settle();
  const after = await keysOf(run);
  find({
    situation: "upgraded to this release in the middle of two rotations",
    seen: `${planned.length} changes, ${same(before, after) ? "no key changed" : "KEYS CHANGED"}`,
    asExpected: same(before, after) && planned.length > 0,
  });

  await secretsManager.advanceBy(15 * MINUTE);
  for (const { id } of run.environment.agentInstances) {
    if ((await isUnfinished(run, id)) === true) await rotate(run, id);
  }
  const finished = await keysOf(run);
  const [support, research] = finished.map(({ mints }, index) => mints - (before[index]?.mints ?? 0));
  find({
    situation: "this release finishes both rotations",
    seen: `further mints: ${support} where the key was stored, ${research} where the request was lost`,
    asExpected:
      support === 0 &&
      research === 1 &&
      finished.every(({ current }, index) => current !== before[index]?.current),
  });
  await findEmptyPlan(scene, "plan after the upgrade");
}

/** Back to the release before this one, which rotates what this one has rotated; and on to this one again. */
export async function downgradeAndReturn(scene: Scene, previousApp: string): Promise<void> {
  const { run, terraform, find } = scene;
  const { secretsManager, environment } = run;
  for (const [release, app] of [
    ["the release before", previousApp],
    ["this release", undefined],
  ] as const) {
    await secretsManager.advanceBy(2 * DAY);
    const old = await keysOf(run);
    for (const { id } of environment.agentInstances) await rotate(run, id);
    const before = await keysOf(run);
    const rotated = before.filter(({ current, isGood }, index) => isGood && current !== old[index]?.current);
    await terraform.synthesise(app);
    const applied = await terraform.apply();
    if (!applied.succeeded) throw new Error(`${release} can't be deployed:\n${applied.log.slice(-3_000)}`);
    await secretsManager.settle();
    const after = await keysOf(run);
    find({
      situation: `rotated, and back to ${release}`,
      seen: `${rotated.length} of ${old.length} keys rotated, then ${same(before, after) ? "no key changed" : "KEYS CHANGED"}`,
      asExpected: rotated.length === old.length && same(before, after),
    });
    await findEmptyPlan(scene, `${release}, deployed again`);
  }
}

async function isUnfinished({ environment, secretsManager }: LocalRun, id: string): Promise<boolean> {
  const versions = secretsManager.state.secret(secretName(environment.name, id))?.versions ?? [];
  return versions.some(({ labels }) => labels.includes("AWSPENDING") && !labels.includes("AWSCURRENT"));
}

/** Rotations of every kind, and a plan after each. */
export async function rotateInEveryWay(scene: Scene, report: (line: string) => void): Promise<void> {
  const { run, find } = scene;
  const { secretsManager, controlPlane } = run;
  for (const count of [1, 2]) {
    const before = await keysOf(run);
    await secretsManager.advanceBy(92 * DAY);
    const rotated = (await keysOf(run)).filter(({ current }, index) => current !== before[index]?.current);
    if (rotated.length !== before.length)
      find({ situation: "by schedule", seen: "not rotated", asExpected: false });
    await findEmptyPlan(scene, `after ${count} rotation${count > 1 ? "s" : ""} by schedule`);
  }

  await secretsManager.advanceBy(2 * DAY);
  const before = await keysOf(run);
  await rotate(run, "support");
  const manual = (await keysOf(run))[0]?.current !== before[0]?.current;
  if (!manual) find({ situation: "by hand", seen: "not rotated", asExpected: false });
  await findEmptyPlan(scene, "after a manual rotation");

  await secretsManager.advanceBy(2 * DAY);
  controlPlane.faults.order({ route: REFRESH, effect: "status", status: 503, when: "before" });
  await rotate(run, "support");
  const failed = await isUnfinished(run, "support");
  if (!failed) find({ situation: "a failed rotation", seen: "it did not fail", asExpected: false });
  await findEmptyPlan(scene, "after a failed rotation");
  await secretsManager.advanceBy(HOUR);
  await rotate(run, "support");

  for (let count = 1; count <= MANY; count++) {
    await secretsManager.advanceBy(25 * HOUR);
    await rotate(run, "support");
    if (count % 30 === 0) report(`${count} of ${MANY} rotations`);
  }
  const secret = secretsManager.state.secret(secretName(run.environment.name, "support"));
  const keys = controlPlane.state.allInstances().find(({ name }) => name.endsWith("-support"))?.keys ?? [];
  const versions = secret?.versions.length ?? 0;
  await findEmptyPlan(scene, `after ${MANY} more rotations`, `; ${versions} versions left of ${keys.length}`);
  if (keys.length <= MANY || versions > 110 || versions < 3)
    find({ situation: "pruning", seen: `${versions} versions of ${keys.length} keys`, asExpected: false });
}

/** A shorter interval, where no key is older than it: nothing rotates at once, but after the new interval. */
export async function changeInterval({ run, terraform, find }: Scene): Promise<void> {
  const { secretsManager } = run;
  await secretsManager.advanceBy(2 * DAY);
  for (const { id } of run.environment.agentInstances) await rotate(run, id);
  const before = await keysOf(run);
  await writeFile(
    join(run.folder, "changes.json"),
    JSON.stringify({ rotation: { automaticallyAfterDays: 60 } }),
  );
  await terraform.synthesise();
  const planned = await terraform.plan();
  const applied = await terraform.apply();
  await secretsManager.settle();
  await secretsManager.advanceBy(HOUR);
  const after = await keysOf(run);
  const isRotation = (change: string) => change.startsWith("update aws_secretsmanager_secret_rotation.");
  const updated = planned.filter(isRotation);
  // The auditor knows how old a key may become.
  const others = planned.filter((change) => !isRotation(change));
  find({
    situation: "from 90 to 60 days",
    seen: `${updated.length} rotations and the auditor updated, ${same(before, after) ? "nothing rotated" : "ROTATED AT ONCE"}`,
    asExpected:
      applied.succeeded &&
      same(before, after) &&
      updated.length === run.environment.agentInstances.length &&
      others.length === 1 &&
      others[0]?.startsWith("update aws_lambda_function.agent-keys_auditor_") === true,
  });
  await secretsManager.advanceBy(62 * DAY);
  const later = await keysOf(run);
  const rotated = later.filter(({ current, isGood }, index) => isGood && current !== after[index]?.current);
  const plannedLater = await terraform.plan();
  find({
    situation: "62 days later",
    seen: `${rotated.length} of ${later.length} keys rotated; ${plannedLater.join(", ") || "plan empty"}`,
    asExpected: rotated.length === later.length && plannedLater.length === 0,
  });
}

/** What would not leave the plan empty, to show that the plan is looked at. */
export async function changeByHand({ run, terraform, find }: Scene): Promise<void> {
  const SecretId = secretName(run.environment.name, "support");
  await run.secrets.send(new TagResourceCommand({ SecretId, Tags: [{ Key: "by", Value: "hand" }] }));
  const planned = await terraform.plan();
  find({
    situation: "for comparison: a tag that somebody put on a secret",
    seen: planned.join(", ") || "plan empty",
    asExpected: planned.length === 1 && planned[0]?.startsWith("update aws_secretsmanager_secret.") === true,
  });
}
