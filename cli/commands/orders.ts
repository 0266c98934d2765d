import type { Intent, OrderKind } from "../../core/protocol/intent";
import { orderUpon } from "../../core/protocol/orders";
import { CommandError } from "../command-error";
import { type Instance, nameOf, openInstance, readCurrent, type StoredRecord } from "../instances";
import type { OperatorPorts } from "../ports";
import { DAY, HOUR, moment, span } from "../times";

/** One rotation window: the days of a schedule count to the day in whose window the rotation is. */
const WINDOW_MS = DAY;
/** Kept back from the oldest that a key may become, so that a rotation comes in between. */
const ROTATION_ROOM_MS = 2 * HOUR;

/**
 * Writes an operator's order into the intent table, upon the version that is under AWSCURRENT. `false`: an earlier mint upon
 * it is unfinished, and the next rotation goes on with that one whatever is ordered.
 */
export async function placeOrder(
  ports: Pick<OperatorPorts, "newId">,
  instance: Instance,
  current: StoredRecord,
  order: { readonly kind: OrderKind; readonly now: number; readonly until: number },
): Promise<boolean> {
  const { intents, secretArn } = instance;
  const standing = await intents.read(secretArn, current.versionId);
  const intent = orderUpon(standing, {
    ...order,
    secretArn,
    baseVersionId: current.versionId,
    agentInstanceId: current.agentInstanceId,
    owner: ports.newId(),
  });
  if (!intent) return false;
  const { taken } = await (standing ? intents.retake(intent, standing) : intents.take(intent));
  if (taken) return true;
  throw new CommandError(
    "refused",
    `a rotation of ${nameOf(instance)} began at this very moment, and nothing was ordered`,
    "look at it, then ask again: valmi-agent-keys status",
  );
}

/** Until when a standing record holds rotations up. */
export function pausedUntil(standing: Intent | undefined, now: number): number | undefined {
  return standing?.outcome === "paused" && now < standing.attemptEndsAt ? standing.attemptEndsAt : undefined;
}

export type PauseCourse =
  | { readonly course: "pause"; readonly until: number; readonly isCut: boolean }
  | { readonly course: "refuse"; readonly because: "no-schedule" | "too-old" };

/** A pause ends in time for a rotation before the key is older than its interval and one window. */
export function decidePause(facts: {
  readonly issuedAt: number;
  /** `undefined` where nothing rotates the key by itself. */
  readonly automaticallyAfterDays: number | undefined;
  readonly now: number;
  readonly until: number;
}): PauseCourse {
  const { issuedAt, automaticallyAfterDays, now, until } = facts;
  if (automaticallyAfterDays === undefined) return { course: "refuse", because: "no-schedule" };
  const latest = issuedAt + automaticallyAfterDays * DAY + WINDOW_MS - ROTATION_ROOM_MS;
  if (latest <= now) return { course: "refuse", because: "too-old" };
  return { course: "pause", until: Math.min(until, latest), isCut: until > latest };
}

/** Holds the rotations of one instance up. `forMs` counts from now, on the Control Plane's clock. */
export async function pauseRotation(
  ports: OperatorPorts,
  name: string,
  forMs: number,
): Promise<{ readonly instance: Instance; readonly until: number; readonly isCut: boolean }> {
  const instance = await openInstance(ports, name);
  const current = await readCurrent(instance);
  const now = await controlPlaneNow(instance);
  const course = decidePause({
    issuedAt: current.issuedAt,
    automaticallyAfterDays: instance.rotation.enabled ? instance.automaticallyAfterDays : undefined,
    now,
    until: now + forMs,
  });
  if (course.course === "refuse") {
    throw course.because === "no-schedule"
      ? new CommandError(
          "refused",
          `nothing rotates ${nameOf(instance)} by itself`,
          "there is nothing to pause",
        )
      : new CommandError(
          "refused",
          `the key of ${nameOf(instance)} is ${span(now - current.issuedAt)} old, and a pause would let it become older than its schedule allows`,
          `rotate it first: valmi-agent-keys rotate ${nameOf(instance)}`,
        );
  }
  const { until, isCut } = course;
  if (await placeOrder(ports, instance, current, { kind: "paused", now, until }))
    return { instance, until, isCut };
  throw new CommandError(
    "refused",
    `a rotation of ${nameOf(instance)} is under way, and a minted key must not wait`,
    "let it finish, then pause: valmi-agent-keys status",
  );
}

/** Ends a pause. `wasPaused` is `false` where there was none. */
export async function resumeRotation(
  ports: OperatorPorts,
  name: string,
): Promise<{ readonly instance: Instance; readonly wasPaused: boolean; readonly isOverdue: boolean }> {
  const instance = await openInstance(ports, name);
  const current = await readCurrent(instance);
  const now = await controlPlaneNow(instance);
  const standing = await instance.intents.read(instance.secretArn, current.versionId);
  const wasPaused = pausedUntil(standing, now) !== undefined;
  if (wasPaused) await placeOrder(ports, instance, current, { kind: "paused", now, until: now });
  const { nextAt } = instance.rotation;
  return { instance, wasPaused, isOverdue: nextAt !== undefined && nextAt < now };
}

/** The one clock that the protocol goes by. */
export async function controlPlaneNow({ connect }: Pick<Instance, "connect">): Promise<number> {
  const controlPlane = await connect();
  await controlPlane.workspaceName();
  return controlPlane.now();
}

export function pauseText(done: Awaited<ReturnType<typeof pauseRotation>>): string {
  const name = nameOf(done.instance);
  const cut = done.isCut
    ? "; that is sooner than you asked for, since its key may not become older than its interval and a day"
    : "";
  return (
    `${name}: rotations are paused until ${moment(done.until)}${cut}. They go on by themselves then; ` +
    `sooner by: valmi-agent-keys resume ${name}`
  );
}

export function resumeText(done: Awaited<ReturnType<typeof resumeRotation>>): string {
  const name = nameOf(done.instance);
  const overdue = done.isOverdue ? `; its rotation is overdue: valmi-agent-keys rotate ${name}` : "";
  return `${name}: ${done.wasPaused ? "rotations go on" : "rotations were not paused"}${overdue}`;
}
