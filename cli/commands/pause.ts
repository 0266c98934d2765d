import type { Command } from "commander";
import { command } from "../../core/command-line";
import { decidePause } from "../../core/protocol/orders";
import { moment, span } from "../../core/time";
import type { CommandLine } from "../answer";
import { CommandError } from "../command-error";
import { connectOnTime, openInstance } from "../instances/environment";
import { nameOf } from "../instances/instance";
import { readCurrent } from "../instances/keys";
import { placeOrder } from "../instances/orders";
import { iso } from "../json";
import { json, region, spanOfTime } from "../options";
import type { OperatorPorts } from "../ports";

export function registerPause(program: Command, line: CommandLine): void {
  program
    .command("pause")
    .description("hold rotations of one instance up; ends by itself before the key grows too old")
    .argument("<instance>")
    .requiredOption("--for <time>", "how long, such as 12h or 5d", spanOfTime)
    .addOption(json)
    .addOption(region)
    .action(line.answering(pause));
}

/** Holds the rotations of one instance up. `for` is in milliseconds, and counts from now on the Control Plane's clock. */
async function pause(ports: OperatorPorts, name: string, options: { readonly for: number }) {
  const instance = await openInstance(ports, name);
  const instanceName = nameOf(instance);
  const current = await readCurrent(instance);
  const now = (await connectOnTime(instance)).now();
  const { enabled, automaticallyAfterDays } = instance.rotation;
  const course = decidePause({
    issuedAt: current.issuedAt,
    automaticallyAfterDays: enabled ? automaticallyAfterDays : undefined,
    now,
    until: now + options.for,
  });
  if (course.course === "refuse") {
    throw course.because === "no-schedule"
      ? new CommandError("refused", `nothing rotates ${instanceName} by itself`, "there is nothing to pause")
      : new CommandError(
          "refused",
          `the key of ${instanceName} is ${span(now - current.issuedAt)} old, and a pause would let it become older than its schedule allows`,
          `rotate it first: ${command(`rotate ${instanceName}`)}`,
        );
  }
  const { until, isCut } = course;
  if (!(await placeOrder(ports, instance, current, { kind: "paused", now, until }))) {
    throw new CommandError(
      "refused",
      `a rotation of ${instanceName} is under way, and a minted key must not wait`,
      `let it finish, then pause: ${command("status")}`,
    );
  }
  const cut = isCut
    ? "; that is sooner than you asked for, since its key may not become older than its interval and a day"
    : "";
  return {
    text:
      `${instanceName}: rotations are paused until ${moment(until)}${cut}. They go on by themselves then; ` +
      `sooner by: ${command(`resume ${instanceName}`)}`,
    json: { instance: instanceName, until: iso(until), isCut },
  };
}
