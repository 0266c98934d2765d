import { command } from "../../core/command-line";
import type { AgentInstance, ControlPlane } from "../../core/control-plane/client";
import { guardedUntil } from "../../core/protocol/grace-period";
import { type Intent, isOrder } from "../../core/protocol/intent";
import { pausedUntil } from "../../core/protocol/orders";
import { STOPS, type StopName } from "../../core/protocol/stops";
import { READ_LAG_MS, settledFrom } from "../../core/protocol/timing";
import { askForRotation } from "../../core/secrets/fleet";
import { versionWith } from "../../core/secrets/secret-store";
import { MINUTE_MS, moment, SECOND_MS, span } from "../../core/time";
import { CommandError } from "../command-error";
import type { OperatorPorts } from "../ports";
import type { Instance } from "./environment";
import { lookAgain, nameOf } from "./instance";
import { readCurrent, readLabel, type StoredRecord } from "./keys";
import { placeOrder } from "./orders";

const POLL_MS = 2 * SECOND_MS;
/** From the request until the attempt has surely written its intent, or will not. */
const TAKE_OVER_MS = MINUTE_MS;
/** For how long an order to rotate inside a grace period holds: a rotation that comes later asks anew. */
const ORDER_HOLDS_MS = 15 * MINUTE_MS;
/** A rotation that found a leftover takes it away and stops; the one after it goes on. So it is after a lost answer. */
const MOST_REQUESTS = 3;

export interface RotateOptions {
  /** Also inside a running grace period, and although rotations are paused. */
  readonly emergency: boolean;
  /** For how long to wait for the new key, in milliseconds. */
  readonly waitMs: number;
}

export interface Rotated {
  readonly instance: Instance;
  readonly from: StoredRecord;
  readonly to: StoredRecord;
}

/** What an operator sees before asking for a rotation. */
interface RotateFacts {
  readonly rotationEnabled: boolean;
  /** As the Control Plane knows it; `undefined` where it has none. */
  readonly instance: Pick<AgentInstance, "isActive"> | undefined;
  readonly accepted: boolean;
  readonly issuedAt: number;
  readonly previousKeyExpiresAt?: number;
  readonly gracePeriodMs: number;
  readonly pausedUntil: number | undefined;
  readonly now: number;
  readonly emergency: boolean;
}

export type RotateCourse =
  | { readonly course: "rotate" }
  /** An order has to be written first, since a grace period runs until then, or a pause. */
  | { readonly course: "order"; readonly because: "grace-running" | "paused"; readonly until: number }
  | { readonly course: "refuse"; readonly state: StopName; readonly until?: number };

/** The rotation function would stop by the same names; here they are known before anything is asked. */
export function decideRotate(facts: RotateFacts): RotateCourse {
  const { now, emergency } = facts;
  if (!facts.rotationEnabled) return { course: "refuse", state: "rotation-disabled" };
  if (!facts.instance) return { course: "refuse", state: "instance-gone" };
  if (!facts.instance.isActive) return { course: "refuse", state: "instance-inactive" };
  // A key that is refused has nothing left that a guard could protect.
  const guard = facts.accepted ? guardedUntil(facts, facts.gracePeriodMs) : undefined;
  const held: [StopName & ("grace-running" | "paused"), number | undefined][] = [
    ["paused", facts.pausedUntil],
    ["grace-running", guard],
  ];
  for (const [because, until] of held) {
    if (until !== undefined && now < until) {
      return emergency ? { course: "order", because, until } : { course: "refuse", state: because, until };
    }
  }
  return { course: "rotate" };
}

/** Asks Secrets Manager for a rotation, waits for it, and tells how it goes. */
export async function rotateKey(
  ports: OperatorPorts,
  instance: Instance,
  { emergency, waitMs }: RotateOptions,
): Promise<Rotated> {
  const { course, from, controlPlane } = await lookBefore(ports, instance, emergency);
  if (course.course === "order") {
    const now = controlPlane.now();
    const until = now + ORDER_HOLDS_MS;
    if (!(await placeOrder(ports, instance, from, { kind: "ordered", now, until }))) {
      ports.terminal.tell("an earlier mint is unfinished; this rotation goes on with it");
    }
  }
  const endsAt = ports.clock.now() + waitMs;
  for (let request = 1; ; request++) {
    const token = await ask(ports, instance);
    const state = await watch(ports, instance, { base: from.versionId, token, endsAt, controlPlane });
    if (state === "promoted") break;
    if ((state === "dropped" || state === "stranded") && request < MOST_REQUESTS) {
      ports.terminal.tell(`${nameOf(instance)}: ${ASKED_AGAIN[state]}; asking again`);
      continue;
    }
    throw unfinished(instance, state, waitMs);
  }
  const to = await readCurrent(await lookAgain(ports, instance));
  return { instance, from, to };
}

/** Throws the `CommandError` `refused` if nothing may be asked for. */
export async function lookBefore(
  ports: OperatorPorts,
  instance: Instance,
  emergency: boolean,
): Promise<{
  course: Exclude<RotateCourse, { course: "refuse" }>;
  from: StoredRecord;
  previous: StoredRecord | undefined;
  controlPlane: ControlPlane;
}> {
  const seen = await lookAgain(ports, instance);
  const from = await readCurrent(seen);
  const controlPlane = await instance.connect();
  const atControlPlane = await controlPlane.getInstance(from.agentInstanceId);
  const { accepted } = await controlPlane.checkAgentKey(from.agentKey);
  const now = controlPlane.now();
  const standing = await instance.intents.read(instance.secretArn, from.versionId);
  const course = decideRotate({
    rotationEnabled: seen.rotation.enabled,
    instance: atControlPlane,
    accepted,
    issuedAt: from.issuedAt,
    ...(from.previousKeyExpiresAt !== undefined && { previousKeyExpiresAt: from.previousKeyExpiresAt }),
    gracePeriodMs: instance.settings.gracePeriodMs,
    pausedUntil: pausedUntil(standing, now),
    now,
    emergency,
  });
  if (course.course === "refuse") throw refusal(instance, course);
  return {
    course,
    from,
    previous: await readLabel(seen, "AWSPREVIOUS").catch(() => undefined),
    controlPlane,
  };
}

function refusal(instance: Instance, { state, until }: RotateCourse & { course: "refuse" }): CommandError {
  const name = nameOf(instance);
  const when = until === undefined ? "" : `, until ${moment(until)}`;
  const fix =
    state === "grace-running"
      ? `see what it would break: ${command(`rotate ${name} --emergency`)}`
      : state === "paused"
        ? `end the pause: ${command(`resume ${name}`)}`
        : "nothing was changed";
  return new CommandError("refused", `${name}: ${state}${when}: ${STOPS[state].replace(/\.$/, "")}`, fix);
}

/** Gives the token of the attempt: of the unfinished one, if Secrets Manager goes on with that. */
async function ask(ports: OperatorPorts, instance: Instance): Promise<string | undefined> {
  const { answer, versionId } = await askForRotation(ports.aws.secretsManager, instance.secretArn);
  if (answer === "asked") {
    ports.terminal.tell(`${nameOf(instance)}: Secrets Manager rotates`);
    return versionId;
  }
  ports.terminal.tell(
    `${nameOf(instance)}: an earlier rotation is unfinished; Secrets Manager tries it again`,
  );
  return versionWith("AWSPENDING", (await lookAgain(ports, instance)).versionStages);
}

type AttemptState = "running" | "promoted" | "dropped";

/**
 * How an attempt stands, by the labels alone.
 *
 * @param token the attempt's version; `undefined` where nobody knows it
 * @param isVisible whether a read of the labels can be trusted to show the attempt
 */
export function attemptState(
  stages: Instance["versionStages"],
  base: string,
  token: string | undefined,
  isVisible: boolean,
): AttemptState {
  const current = versionWith("AWSCURRENT", stages);
  if (current !== undefined && current !== base) return "promoted";
  if (token === undefined || stages[token]?.includes("AWSPENDING")) return "running";
  return isVisible ? "dropped" : "running";
}

type WatchEnd =
  | AttemptState
  /** The Control Plane refused to issue a key. */
  | "refused"
  /** The attempt is over, and what it may have minted is settled: the next one decides. */
  | "stranded";

const ASKED_AGAIN = {
  dropped: "the attempt found a leftover and took it away",
  stranded: "the attempt was cut off, and its time has run out",
} as const;

async function watch(
  ports: OperatorPorts,
  instance: Instance,
  attempt: {
    readonly base: string;
    readonly token: string | undefined;
    readonly endsAt: number;
    readonly controlPlane: Pick<ControlPlane, "now">;
  },
): Promise<WatchEnd> {
  const { clock, terminal } = ports;
  const { intents, secretArn } = instance;
  const { base, token } = attempt;
  const startedAt = clock.now();
  const before = await intents.read(secretArn, base);
  let told = before?.mint ?? 0;
  let wasSeen = false;
  while (clock.now() < attempt.endsAt) {
    terminal.progress(`${nameOf(instance)}: waiting for the new key, ${span(clock.now() - startedAt)}`);
    await ports.sleep(POLL_MS);
    const { versionStages } = await lookAgain(ports, instance);
    wasSeen ||= token !== undefined && versionStages[token]?.includes("AWSPENDING") === true;
    const isVisible = wasSeen || clock.now() > startedAt + READ_LAG_MS;
    const state = attemptState(versionStages, base, token, isVisible);
    if (state !== "running") return state;
    const standing = await intents.read(secretArn, base);
    const isNew = standing?.owner !== before?.owner;
    // What stood there before gets its time to be taken over.
    const maySettle = isNew || clock.now() > startedAt + TAKE_OVER_MS;
    if (standing && maySettle && isStranded(standing, attempt.controlPlane.now())) return "stranded";
    if (!standing || !isNew) continue;
    if (standing.mint > told) {
      told = standing.mint;
      terminal.tell(`${nameOf(instance)}: a new key is being made`);
    }
    // Where no key was issued AWSPENDING stays on an empty version, and no label tells.
    if (standing.outcome === "refused") return "refused";
  }
  return "running";
}

/** After this nothing of the attempt can still be on its way, and the next one need not wait. */
function isStranded(standing: Intent, now: number): boolean {
  const { outcome, attemptEndsAt } = standing;
  if (outcome === "open") return now > settledFrom(attemptEndsAt);
  // One that was promoted stands here if somebody has rolled back from its key.
  return outcome !== "refused" && !isOrder(standing) && now > attemptEndsAt + READ_LAG_MS;
}

function unfinished(instance: Instance, state: Exclude<WatchEnd, "promoted">, waitMs: number): CommandError {
  const name = nameOf(instance);
  const log = `aws logs tail /aws/lambda/${instance.rotationFunction} --since 15m`;
  const what = {
    refused: `${name}: mint-refused: ${STOPS["mint-refused"].replace(/\.$/, "")}; the present key stays`,
    dropped: `${name}: the rotation stopped, and the present key stays`,
    stranded: `${name}: attempts are cut off again and again; the present key stays`,
    running: `${name}: not done after ${span(waitMs)}; the present key stays, and the rotation may still go on`,
  };
  return new CommandError("unfinished", what[state], `the name of the stop is in the log: ${log}`);
}

export function rotatedText({ instance, from, to }: Rotated): string {
  const grace =
    to.previousKeyExpiresAt === undefined ? "" : `, which works until ${moment(to.previousKeyExpiresAt)}`;
  return `${nameOf(instance)}: new key ${to.agentKey.fingerprint} after ${from.agentKey.fingerprint}${grace}`;
}
