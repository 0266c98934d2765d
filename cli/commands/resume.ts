import type { Command } from "commander";
import { command } from "../../core/command-line";
import { pausedUntil } from "../../core/protocol/orders";
import type { CommandLine } from "../answer";
import { connectOnTime, openInstance } from "../instances/environment";
import { nameOf } from "../instances/instance";
import { readCurrent } from "../instances/keys";
import { placeOrder } from "../instances/orders";
import { json, region } from "../options";
import type { OperatorPorts } from "../ports";

export function registerResume(program: Command, line: CommandLine): void {
  program
    .command("resume")
    .description("end a pause")
    .argument("<instance>")
    .addOption(json)
    .addOption(region)
    .action(line.answering(resume));
}

async function resume(ports: OperatorPorts, name: string) {
  const instance = await openInstance(ports, name);
  const instanceName = nameOf(instance);
  const current = await readCurrent(instance);
  const now = (await connectOnTime(instance)).now();
  const standing = await instance.intents.read(instance.secretArn, current.versionId);
  const wasPaused = pausedUntil(standing, now) !== undefined;
  if (wasPaused) await placeOrder(ports, instance, current, { kind: "paused", now, until: now });
  const { nextAt } = instance.rotation;
  const isOverdue = nextAt !== undefined && nextAt < now;
  const overdue = isOverdue ? `; its rotation is overdue: ${command(`rotate ${instanceName}`)}` : "";
  return {
    text: `${instanceName}: ${wasPaused ? "rotations go on" : "rotations were not paused"}${overdue}`,
    json: { instance: instanceName, wasPaused, isOverdue },
  };
}
