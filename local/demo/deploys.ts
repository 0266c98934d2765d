import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ListSecretsCommand } from "@aws-sdk/client-secrets-manager";
import { adoptAgentKey } from "../../cli/commands/adopt";
import { resolveSettings } from "../../constructs/environment/environment";
import { agentKeySecretName } from "../../constructs/names";
import { DeploymentError } from "../deployment";
import type { LocalRun } from "../local-run";
import { deployedInstances, identify, readStored } from "./agent-keys";
import { countCalls, type ServiceCalls } from "./figures";
import { instanceTable } from "./report";
import type { Stage } from "./stage";

/** Gives what the functions called meanwhile. */
export async function deployFirst(stage: Stage): Promise<ServiceCalls> {
  const { run, progress } = stage;
  const name = run.environment.name;
  await provideKeys(stage);
  const calls = await countCalls(run, async () => {
    await progress.phase(`cdktf deploy ${name}`, () => run.deployment.deploy());
    await run.secretsManager.settle();
  });
  const outputs = await run.deployment.outputs();
  await writeFile(join(run.folder, "outputs.json"), JSON.stringify(outputs, null, 2));
  stage.instances = deployedInstances(outputs);
  const configured = run.environment.agentInstances.length;
  progress.check(
    "every instance is there",
    stage.instances.length === configured,
    `${stage.instances.length} of ${configured}`,
  );

  const rows = await Promise.all(
    stage.instances.map(async (instance) => {
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
  await stage.noteKeys("deployed");
  const { isEmpty } = await progress.phase("terraform plan, after the first deploy", () =>
    run.deployment.plan(),
  );
  progress.check("the plan is empty after the first deploy", isEmpty);
  return calls;
}

/** Where an instance is adopted with the key that it has, a first deploy asks for that key, and an operator gives it. */
async function provideKeys({ run, progress }: Stage): Promise<void> {
  const settings = resolveSettings(run.environment);
  const waiting = run.environment.agentInstances.filter(({ adopt }) => adopt?.existingKey === "provided");
  if (waiting.length === 0) return;
  const ids = waiting.map(({ id }) => id).join(", ");
  const said = await progress.phase(`cdktf deploy ${settings.name}, which asks for the key of ${ids}`, () =>
    run.deployment.deploy().then(
      () => "",
      (error: unknown) => {
        if (error instanceof DeploymentError) return error.message;
        throw error;
      },
    ),
  );
  const isAsked = waiting.every(({ adopt }) => said.includes(adopt?.agentInstanceId ?? ""));
  progress.check("it stops, and names what waits for its key", isAsked, isAsked ? ids : said);
  await progress.phase(`the present keys are adopted, for ${ids}`, async () => {
    for (const { id, adopt } of waiting) {
      await adoptAgentKey(
        {
          aws: { secretsManager: run.secrets },
          clock: run.clock,
          sleep: async (ms) => {
            await sleep(ms);
          },
        },
        {
          secretName: agentKeySecretName(settings, id),
          apiKeySecret: settings.controlPlane.apiKeySecretName,
          auth: settings.controlPlane.auth,
          text: presentKey(run, adopt?.agentInstanceId ?? ""),
        },
      );
    }
  });
}

/** The key that the users of an instance hold: nobody but its Control Plane knows it here. */
function presentKey({ controlPlane }: LocalRun, agentInstanceId: string): string {
  const instance = controlPlane.state.allInstances().find(({ id }) => id === agentInstanceId);
  return instance?.keys.at(-1)?.value ?? "";
}

export async function deployAgain({ run, progress }: Stage): Promise<void> {
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

/** Takes everything down, unless the environment's policy is to refuse that. */
export async function destroy(stage: Stage): Promise<void> {
  const { run, progress } = stage;
  await stage.stopConsumers();
  if (!stage.tells("destroy")) return;
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

export async function countResources({ run, instances }: Stage) {
  const all = await run.deployment.synthesised();
  const perInstance = instances.map(
    ({ id }) => all.filter(({ constructPath }) => constructPath.includes(`/instances/${id}/`)).length,
  );
  const ofInstances = perInstance.reduce((sum, count) => sum + count, 0);
  return { perInstance: Math.max(0, ...perInstance), perEnvironment: all.length - ofInstances };
}
