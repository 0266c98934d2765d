import type { Command } from "commander";
import { moment, SECOND_MS, span } from "../../core/time";
import type { CommandLine } from "../answer";
import { type Instance, openInstance } from "../instances/environment";
import { nameOf } from "../instances/instance";
import type { StoredRecord } from "../instances/keys";
import { lookBefore, rotatedText, rotateKey } from "../instances/rotation";
import { iso } from "../json";
import { json, region, type WaitOption, wait, type YesOption, yes } from "../options";
import type { OperatorPorts } from "../ports";
import { agree } from "../terminal";

export function registerRotate(program: Command, line: CommandLine): void {
  program
    .command("rotate")
    .description("ask Secrets Manager for a rotation, and wait for the new key")
    .argument("<instance>")
    .option("--emergency", "also inside a running grace period or a pause; says what that breaks", false)
    .addOption(yes)
    .addOption(wait)
    .addOption(json)
    .addOption(region)
    .action(line.answering(rotate));
}

async function rotate(
  ports: OperatorPorts,
  name: string,
  { emergency, ...options }: YesOption & WaitOption & { readonly emergency: boolean },
) {
  const instance = await openInstance(ports, name);
  const { course, from, previous } = await lookBefore(ports, instance, emergency);
  if (course.course === "order") {
    ports.terminal.tell(whatBreaks(instance, from, previous, course.until));
    await agree(ports.terminal, `Rotate ${nameOf(instance)} all the same?`, options.yes);
  }
  const done = await rotateKey(ports, instance, { emergency, waitMs: options.wait * SECOND_MS });
  return {
    text: rotatedText(done),
    json: {
      instance: nameOf(instance),
      from: done.from.agentKey.fingerprint,
      to: done.to.agentKey.fingerprint,
      versionId: done.to.versionId,
      previousKeyExpiresAt: iso(done.to.previousKeyExpiresAt),
    },
  };
}

/** What a rotation inside a grace period may end, for a person to agree to. */
function whatBreaks(
  instance: Instance,
  current: StoredRecord,
  previous: StoredRecord | undefined,
  until: number,
): string {
  const grace = instance.settings.gracePeriodMs;
  const before = previous
    ? `the key before, ${previous.agentKey.fingerprint},`
    : "the key before the current one";
  return (
    `${nameOf(instance)}: ${before} was promised until ${moment(until)}. A rotation now may end it at once, and whoever ` +
    `still uses it is refused from then on: Valmi does not say what becomes of it. The current key, ` +
    `${current.agentKey.fingerprint}, goes on for ${span(grace)} at the most, or ends at once where the Control Plane ` +
    `gives a second rotation no grace.`
  );
}
