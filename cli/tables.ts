import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";
import type { Terminal } from "./terminal";

/** Its own colours would go into files and pipes as well. */
const STYLE = { style: { head: [], border: [] } };
/** Beside its text a column takes two blanks; and a line, as the table's end does. */
const BLANKS = 2;

type Rows = readonly (readonly string[])[];

/**
 * A table that fits the terminal. What is too long is wrapped between words; if that is not enough, each row becomes a list
 * of its own, so that a fingerprint or a name can still be copied whole.
 *
 * @param widest the most that a column takes, by its index, also if no terminal shows it
 */
export function table(
  terminal: Pick<Terminal, "columns">,
  head: readonly string[],
  rows: Rows,
  widest: Readonly<Record<number, number>> = {},
): string {
  const widths = columnWidths(terminal, [head, ...rows], widest);
  if (widths) return draw(widths, rows, head);
  return rows.map((row) => list(head.map((name, index) => [name, row[index] ?? ""]))).join("\n\n");
}

/** A table of names and what they are. */
export function factsTable(terminal: Pick<Terminal, "columns">, rows: Rows): string {
  const widths = columnWidths(terminal, rows, {});
  return widths ? draw(widths, rows) : list(rows);
}

const COLOURS = { red: 31, green: 32, yellow: 33 };

export function coloured(
  { hasColours }: Pick<Terminal, "hasColours">,
  colour: keyof typeof COLOURS,
  text: string,
): string {
  return hasColours ? `\u001b[${COLOURS[colour]}m${text}\u001b[39m` : text;
}

function draw(widths: readonly number[], rows: Rows, head: readonly string[] = []): string {
  const drawn = new Table({
    ...STYLE,
    head: [...head],
    colWidths: widths.map((width) => width + BLANKS),
    wordWrap: true,
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn.toString();
}

function list(rows: Rows): string {
  return rows
    .filter(([, text]) => text)
    .map(([name, text = ""]) => `${name}: ${text.replaceAll("\n", ", ")}`)
    .join("\n");
}

/** The width of each column's text; `undefined` if words would have to be cut. */
function columnWidths(
  { columns = Number.POSITIVE_INFINITY }: Pick<Terminal, "columns">,
  lines: Rows,
  widest: Readonly<Record<number, number>>,
): number[] | undefined {
  const indexes = [...(lines[0] ?? [])].map((_, index) => index);
  const longest = (index: number, between: RegExp) =>
    Math.max(
      ...lines.map((line) =>
        Math.max(
          ...stripVTControlCharacters(line[index] ?? "")
            .split(between)
            .map(({ length }) => length),
        ),
      ),
    );
  const least = indexes.map((index) => longest(index, /\s+/));
  const widths = indexes.map((index) =>
    Math.max(least[index] ?? 0, Math.min(longest(index, /\n/), widest[index] ?? Number.POSITIVE_INFINITY)),
  );
  const room = columns - 1 - indexes.length * (BLANKS + 1);
  for (let excess = widths.reduce((sum, width) => sum + width, 0) - room; excess > 0; excess--) {
    const spare = widths.map((width, index) => width - (least[index] ?? 0));
    const most = Math.max(...spare);
    if (most === 0) return undefined;
    widths[spare.indexOf(most)] = (widths[spare.indexOf(most)] ?? 0) - 1;
  }
  return widths;
}
