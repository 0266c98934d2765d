import Table from "cli-table3";
import { MINUTE } from "../../local/clock";
import { AuditedWorld } from "./audited-world";
import { SHAPES, type Shape } from "./shapes";

export interface Outcome {
  readonly shape: Shape;
  readonly healed: boolean;
  readonly paged: readonly string[];
  readonly asked: number;
  readonly minted: number;
  readonly decided: number;
  readonly faults: readonly string[];
}

/** Brings a shape about, lets the auditor run for as long as it may take, and judges. */
export async function play(shape: Shape): Promise<Outcome> {
  const audited = new AuditedWorld();
  await shape.occurs(audited);
  await audited.pass(shape.withinMs ?? 15 * MINUTE);
  const { minted, decided } = audited.mints;
  const clicked = shape.minted > 0 && /click/.test(shape.name) ? 1 : 0;
  const healed =
    audited.isAccepted && !audited.isPendingApart && !audited.found.some((each) => !each.startsWith("note"));
  const unexpected = audited.paged.filter((name) => name !== shape.page);
  const faults = [
    shape.ends === "healed" && !healed ? `not healed: ${audited.found.join(", ")}` : "",
    shape.ends === "paged" && !audited.paged.includes(shape.page ?? "") ? "not paged" : "",
    unexpected.length > 0 && shape.ends === "healed" ? `paged ${unexpected.join(", ")}` : "",
    minted !== shape.minted ? `minted ${minted}, expected ${shape.minted}` : "",
    minted - clicked > decided ? `minted ${minted}, decided ${decided}` : "",
  ].filter((fault) => fault !== "");
  return { shape, healed, paged: audited.paged, asked: audited.asked, minted, decided, faults };
}

async function main(): Promise<void> {
  const table = new Table({
    head: ["stuck shape", "within", "course", "asked", "minted", ""],
    style: { head: [], border: [] },
  });
  let failed = 0;
  for (const shape of SHAPES) {
    const { healed, paged, asked, minted, faults } = await play(shape);
    const course = [healed ? "healed" : "", ...new Set(paged)].filter(Boolean).join(", paged ");
    const minutes = (shape.withinMs ?? 15 * MINUTE) / MINUTE;
    const within = minutes >= 120 ? `${Math.round(minutes / 60)} h` : `${minutes} min`;
    table.push([
      shape.name,
      within,
      course,
      asked,
      Math.max(0, minted),
      faults.length === 0 ? "ok" : faults.join("; "),
    ]);
    if (faults.length > 0) failed++;
  }
  process.stdout.write(
    `${table.toString()}\n${SHAPES.length - failed} of ${SHAPES.length} as they should be\n`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
}

if (require.main === module) void main();
