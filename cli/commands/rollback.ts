import type { Command } from "commander";
import { command } from "../../core/command-line";
import { guardedUntil } from "../../core/protocol/grace-period";
import { pendingApart } from "../../core/secrets/secret-store";
import { HOUR_MS, moment, span } from "../../core/time";
import type { CommandLine } from "../answer";
import { CommandError } from "../command-error";
import { connectOnTime, type Instance, openInstance } from "../instances/environment";
import { lookAgain, nameOf } from "../instances/instance";
import { readCurrent, readLabel, type StoredRecord } from "../instances/keys";
import { iso } from "../json";
import { amount, json, MOST_HOURS, region, type YesOption, yes } from "../options";
import type { OperatorPorts } from "../ports";
import { agree } from "../terminal";

export function registerRollback(program: Command, line: CommandLine): void {
  program
    .command("rollback")
    .description("move AWSCURRENT back to the key before, inside its grace period")
    .argument("<instance>")
    .option("--least-hours <hours>", "for how long the key has to go on working", amount(0, MOST_HOURS), 2)
    .addOption(yes)
    .addOption(json)
    .addOption(region)
    .action(line.answering(rollBack));
}

export type RollbackCourse =
  | {
      readonly course: "roll-back";
      /** Absent where the key before is the newer one: then this undoes a roll-back, and the key has no end. */
      readonly livesUntil?: number;
    }
  | {
      readonly course: "refuse";
      readonly because:
        | "nothing-before"
        | "rotation-unfinished"
        | "other-instance"
        | "refused"
        | "unknown-end"
        | "too-short"
        | "no-way-on";
      readonly livesUntil?: number;
    };

type Aged = Pick<StoredRecord, "issuedAt" | "previousKeyExpiresAt" | "agentInstanceId">;

/** AWSCURRENT goes back only to a key that works, and goes on to work for a while. */
export function decideRollback(facts: {
  readonly current: Aged;
  readonly previous: Aged | undefined;
  readonly previousAccepted: boolean;
  readonly isRotationUnfinished: boolean;
  readonly now: number;
  readonly gracePeriodMs: number;
  /** For how long the key has to go on, and for how long of that it may be rotated, in milliseconds. */
  readonly leastMs: number;
}): RollbackCourse {
  const { current, previous, now } = facts;
  if (!previous || previous.issuedAt === current.issuedAt)
    return { course: "refuse", because: "nothing-before" };
  if (facts.isRotationUnfinished) return { course: "refuse", because: "rotation-unfinished" };
  if (previous.agentInstanceId !== current.agentInstanceId)
    return { course: "refuse", because: "other-instance" };
  if (!facts.previousAccepted) return { course: "refuse", because: "refused" };
  if (previous.issuedAt > current.issuedAt) return { course: "roll-back" };
  const livesUntil = current.previousKeyExpiresAt;
  if (livesUntil === undefined) return { course: "refuse", because: "unknown-end" };
  if (livesUntil - now < facts.leastMs) return { course: "refuse", because: "too-short", livesUntil };
  // A key that was made inside a grace period must not be replaced before that has ended.
  const rotatesFrom = guardedUntil(previous, facts.gracePeriodMs) ?? now;
  if (livesUntil - rotatesFrom < facts.leastMs) return { course: "refuse", because: "no-way-on", livesUntil };
  return { course: "roll-back", livesUntil };
}

/** Moves AWSCURRENT back to the key before, inside the grace period. */
async function rollBack(
  ports: OperatorPorts,
  name: string,
  options: YesOption & { readonly leastHours: number },
) {
  const leastMs = options.leastHours * HOUR_MS;
  const instance = await openInstance(ports, name);
  const from = await readCurrent(instance);
  const to = await readLabel(instance, "AWSPREVIOUS");
  const controlPlane = await connectOnTime(instance);
  const previousAccepted = to !== undefined && (await controlPlane.checkAgentKey(to.agentKey)).accepted;
  const course = decideRollback({
    current: from,
    previous: to,
    previousAccepted,
    isRotationUnfinished: pendingApart(instance.versionStages) !== undefined,
    now: controlPlane.now(),
    gracePeriodMs: instance.settings.gracePeriodMs,
    leastMs,
  });
  if (course.course === "refuse" || !to) {
    throw refusal(instance, to, course as RollbackCourse & { course: "refuse" }, leastMs);
  }
  const { livesUntil } = course;
  const next = whatComesNext({ instance, to, livesUntil });
  ports.terminal.tell(next);
  await agree(
    ports.terminal,
    `Move AWSCURRENT of ${nameOf(instance)} to key ${to.agentKey.fingerprint}?`,
    options.yes,
  );

  const { secrets, secretArn } = instance;
  await secrets.moveCurrent(secretArn, { to: to.versionId, from: from.versionId });
  // Left beside what was current, AWSPENDING would count as an unfinished rotation, and refuse the next one.
  const seen = await lookAgain(ports, instance);
  if (seen.versionStages[from.versionId]?.includes("AWSPENDING")) {
    await secrets.removePending(secretArn, from.versionId);
  }
  const [fromKey, toKey] = [from.agentKey.fingerprint, to.agentKey.fingerprint];
  return {
    text: `${nameOf(instance)}: AWSCURRENT is back on key ${toKey}, from ${fromKey}`,
    json: { instance: nameOf(instance), from: fromKey, to: toKey, livesUntil: iso(livesUntil), next },
  };
}

function refusal(
  instance: Instance,
  to: StoredRecord | undefined,
  { because, livesUntil }: RollbackCourse & { course: "refuse" },
  leastMs: number,
): CommandError {
  const name = nameOf(instance);
  const key = to?.agentKey.fingerprint ?? "";
  const [what, fix] = {
    "nothing-before": [
      "there is no other key under AWSPREVIOUS",
      `look at its keys: ${command(`history ${name}`)}`,
    ],
    "rotation-unfinished": [
      "a rotation is unfinished, and its key is the newest",
      `let it finish first: ${command(`rotate ${name}`)}`,
    ],
    "other-instance": [`key ${key} under AWSPREVIOUS is another instance's`, "rotate instead"],
    refused: [
      `the Control Plane refuses key ${key} under AWSPREVIOUS: its grace period is over, or the instance is inactive`,
      `rotate instead: ${command(`rotate ${name}`)}`,
    ],
    "unknown-end": [
      `nobody knows for how long key ${key} under AWSPREVIOUS goes on`,
      `rotate instead: ${command(`rotate ${name}`)}`,
    ],
    "no-way-on": [
      `key ${key} was made inside a grace period, and could hardly be replaced before its own end at ${moment(livesUntil ?? 0)}`,
      `rotate instead: ${command(`rotate ${name} --emergency`)}`,
    ],
    "too-short": [
      `key ${key} ends at ${moment(livesUntil ?? 0)}, in less than ${span(leastMs)}`,
      `rotate instead: ${command(`rotate ${name} --emergency`)}; or ask for less: --least-hours`,
    ],
  }[because] as [string, string];
  return new CommandError("refused", `${name}: ${what}; AWSCURRENT stays`, fix);
}

/** What follows from a roll-back, for a person. */
function whatComesNext({
  instance,
  to,
  livesUntil,
}: {
  readonly instance: Instance;
  readonly to: StoredRecord;
  readonly livesUntil: number | undefined;
}): string {
  const name = nameOf(instance);
  const key = to.agentKey.fingerprint;
  return livesUntil === undefined
    ? `${name}: key ${key} is the newest one, and goes on until the next rotation.`
    : `${name}: key ${key} ends at ${moment(livesUntil)}. A rotation has to give ${name} another key before; ask for it as ` +
        `soon as the agent is mended: ${command(`rotate ${name}`)}. Agents that have read the newer key already keep it: it is accepted as well.`;
}
