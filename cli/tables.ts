import Table from "cli-table3";

/** Without colours, which would go into files and pipes as well. */
export const TABLE_STYLE = { style: { head: [], border: [] } };

/** A table of names and what they are. */
export function factsTable(rows: readonly (readonly [name: string, value: string])[]): string {
  const table = new Table(TABLE_STYLE);
  for (const [name, value] of rows) table.push([name, value]);
  return table.toString();
}
