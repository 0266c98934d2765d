import { describeFault } from "../environment/problems";
import { faultsOf, type Schema, text } from "../environment/schema";

/** Throws an Error that lists every fault of a construct's props, each value checked by its schema. */
export function checkProps(
  constructPath: string,
  props: Readonly<Record<string, readonly [schema: Schema, value: unknown]>>,
): void {
  const lines = Object.entries(props).flatMap(([field, [schema, value]]) =>
    faultsOf(schema, value).map((fault) => describeFault(constructPath, { ...fault, field })),
  );
  if (lines.length > 0) throw new Error(lines.join("\n"));
}

/** The start of the names of what is made for an agent. */
export const nameOfUpTo = (maxLength: number) =>
  text(
    `must be 1–${maxLength} letters, digits and single hyphens between them`,
    (value) => /^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/.test(value) && value.length <= maxLength,
    "choose a shorter or simpler name",
  );
