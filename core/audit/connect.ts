import type { Sleep } from "../budget";
import type { Clock } from "../clock";
import { type ControlPlane, type InstanceDirectory, PAGE_SIZE } from "../control-plane/client";
import { Stop } from "../protocol/stops";
import { MINUTE_MS } from "../time";
import type { Failure } from "./failures";

/** The Control Plane, as far as the auditor asks it. */
export type Directory = Pick<
  ControlPlane,
  "now" | "clockDiffers" | "workspaceName" | "getInstance" | "checkAgentKey" | "vouchesFor"
> &
  InstanceDirectory;

/** The Control Plane documents 1,000 calls a minute for each operator's key: rotations go first. */
export const CONTROL_PLANE_CALLS_PER_MINUTE = 240;

export interface Connecting {
  /** Throws the `Stop` `operator-key-missing` if there is no such key. */
  readonly connect: () => Promise<Directory>;
  readonly clock: Clock;
  readonly sleep: Sleep;
}

/** Asks whether the operator's key is accepted, and what time it is. Later calls keep to the auditor's share of the rate. */
export async function connect(
  deps: Connecting,
): Promise<{ readonly controlPlane?: Directory; readonly failures: readonly Failure[] }> {
  try {
    const controlPlane = await deps.connect();
    await controlPlane.workspaceName();
    if (controlPlane.clockDiffers()) {
      return { controlPlane: paced(controlPlane, deps), failures: [{ error: new Stop("clock-differs") }] };
    }
    return { controlPlane: paced(controlPlane, deps), failures: [] };
  } catch (error) {
    return { failures: [{ error }] };
  }
}

function paced(controlPlane: Directory, { clock, sleep }: Pick<Connecting, "clock" | "sleep">): Directory {
  let lastCallAt = 0;
  const turn = async () => {
    const next = lastCallAt + MINUTE_MS / CONTROL_PLANE_CALLS_PER_MINUTE;
    if (next > clock.now()) await sleep(next - clock.now());
    lastCallAt = clock.now();
  };
  return {
    ...controlPlane,
    getInstance: (id) => turn().then(() => controlPlane.getInstance(id)),
    checkAgentKey: (key) => turn().then(() => controlPlane.checkAgentKey(key)),
    vouchesFor: (key) => turn().then(() => controlPlane.vouchesFor(key)),
    instances: async function* () {
      let count = 0;
      for await (const instance of controlPlane.instances()) {
        if (count++ % PAGE_SIZE === 0) await turn();
        yield instance;
      }
    },
  };
}
