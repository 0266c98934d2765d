import Table from "cli-table3";
import { span } from "../../core/time";
import type { ConsumerFigures, ConsumersFigures } from "./story";

const STYLE = { style: { head: [], border: [] } };

/**
 * How long each kind took to be on a new key, and what that leaves of the old key's grace period, in the slowest rotation
 * and at the bound by default.
 */
export function switchTable(consumers: readonly ConsumerFigures[], graceMs: number): string {
  const table = new Table({
    head: [
      "consumer",
      "learns of a new key",
      "on it after, at most",
      "bound here",
      "bound by default",
      "grace left",
      "at the latter",
    ],
    ...STYLE,
  });
  for (const { name, learns, slowestMs, bounds, graceLeftMs } of consumers) {
    table.push([
      name,
      learns,
      spanOrNever(slowestMs),
      span(bounds.here),
      span(bounds.byDefault),
      graceLeftMs > 0 ? span(graceLeftMs) : "none",
      span(graceMs - bounds.byDefault),
    ]);
  }
  const note =
    "Counted from the move of AWSCURRENT. The clock moves in steps of a minute here, and the event's time is in whole\n" +
    "seconds, so that up to a minute is the story's own. The bound of ECS is that by which the alarm comes.";
  return `${table.toString()}\n${note}`;
}

export function callTable({ consumers, startUpReader }: Omit<ConsumersFigures, "leaks">): string {
  const table = new Table({ head: ["consumer", "rotations", "calls", "failed"], ...STYLE });
  for (const { name, rotations, calls, failed } of consumers) table.push([name, rotations, calls, failed]);
  table.push(["start-up reader, alone", 1, startUpReader.calls, startUpReader.failed]);
  return table.toString();
}

function spanOrNever(milliseconds: number): string {
  return Number.isFinite(milliseconds) ? span(milliseconds) : "never";
}
