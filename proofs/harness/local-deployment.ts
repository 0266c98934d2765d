import { constants } from "node:os";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { environments } from "../../environments";
import { identify, readStored } from "../../local/demo/agent-keys";
import { LOCAL_SDK } from "../../local/emulator";
import { type LocalRun, type LocalRunOptions, startLocalRun } from "../../local/local-run";
import { descendantsOf, signalProcess, waitForEnd } from "../../local/processes";
import { prepareToolchain } from "../../local/toolchain";

Object.assign(process.env, LOCAL_SDK);

const LOCAL_FOLDER = resolve(__dirname, "../../.local");

export const findToolchain = () => prepareToolchain({ cacheFolder: LOCAL_FOLDER });

/** A local run of a shipped environment; the caller closes it. */
export async function startRun(
  name: string,
  options: Partial<Omit<LocalRunOptions, "environment">> = {},
): Promise<LocalRun> {
  const environment = environments.find((candidate) => candidate.name === name);
  if (environment === undefined) throw new Error(`environments.ts has no environment ${name}`);
  const toolchain = await findToolchain();
  return startLocalRun({ environment, toolchain, runsFolder: resolve(LOCAL_FOLDER, "runs"), ...options });
}

/** For stories that run without Jest: whatever was started ends with them, also where they are interrupted. */
export function endChildrenOnSignal(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, async () => {
      const children = descendantsOf(process.pid).map(({ pid }) => pid);
      for (const pid of children) signalProcess(pid, "SIGTERM");
      for (const pid of await waitForEnd(children, 5_000)) signalProcess(pid, "SIGKILL");
      process.exit(128 + constants.signals[signal]);
    });
  }
}

/** Waits for something that another process brings about. */
export async function until(what: string, isSo: () => boolean | undefined, limitMs = 120_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await delay(50);
  }
}

/** How things stand for one configured instance: what the Control Plane has, and what its secret holds. */
export async function standing(run: LocalRun, id: string) {
  const { environment, controlPlane, secrets } = run;
  const name = `${environment.name}-${id}`;
  const instances = controlPlane.state.allInstances().filter((instance) => instance.name === name);
  const stored = await readStored(secrets, `valmi/${environment.name}/${id}/agent-key`);
  const { accepted, agentInstanceId } = await identify(controlPlane.url, stored.agentKey);
  return {
    /** Ids at the Control Plane of the instances of its name. */
    instances: instances.map((instance) => instance.id),
    mints: instances.flatMap(({ keys }) => keys).length,
    storedKeyIsAccepted: accepted,
    storedKeyBelongsTo: agentInstanceId,
    storedKeyIsTheLatest: instances[0]?.keys.at(-1)?.value === stored.agentKey.reveal(),
  };
}

/** An instance that this project didn't make, with a name much like one of ours. Its key must outlive every story. */
export function addStranger(run: LocalRun, name: string): { isUntouched(): boolean } {
  const { state } = run.controlPlane;
  const type = state.snapshot().agentTypes[0];
  if (type === undefined) throw new Error("the Control Plane knows no agent type");
  const { instance, agentKey } = state.createInstance(type.workspaceId, {
    name,
    description: "Made by hand",
    agentTypeId: type.id,
    accountId: null,
    contactId: null,
  });
  return {
    isUntouched: () => {
      const now = state.allInstances().find(({ id }) => id === instance.id);
      return state.isAccepted(agentKey) && JSON.stringify(now) === JSON.stringify(instance);
    },
  };
}
