import { Token } from "cdktf";
import * as v from "valibot";

/**
 * What valibot is to check, with errors that say the rule and the fix. Types can't tell whether data fits that was read from a
 * file. So each schema takes `unknown`, and every fault is found, not the first alone.
 */
export type Schema = v.GenericSchema;

export interface Fault {
  /** Path of the field, such as `rotation.windowHours`; empty for the value as a whole. */
  readonly field: string;
  readonly rule: string;
  readonly got: unknown;
  /** In place of `got`, which is not shown then. */
  readonly gotInWords?: string;
  readonly fix: string;
}

/** Everything that is wrong with a value. */
export function faultsOf(schema: Schema, value: unknown): Fault[] {
  const { issues = [] } = v.safeParse(schema, value);
  return issues.map(({ path = [], message, input }) => {
    const parts = path.map(({ key }) => (typeof key === "number" ? `[${key}]` : `.${key}`));
    const field = parts.join("").replace(/^\./, "");
    const [rule = "", fix = "", gotInWords] = message.split("\n");
    return { field, rule, got: input, fix, ...(gotInWords && { gotInWords }) };
  });
}

/** valibot knows one text for each fault: rule, fix, and what is said in place of the value have a line each. */
export function message(rule: string, fix: string, gotInWords = ""): string {
  return [rule, fix, gotInWords].join("\n");
}

/** A string; `rule` says in words what `fits` accepts. */
export function text(rule: string, fits: RegExp | ((value: string) => boolean), fix = "correct it"): Schema {
  const accepts = fits instanceof RegExp ? (value: string) => fits.test(value) : fits;
  return v.custom((value) => typeof value === "string" && accepts(value), message(rule, fix));
}

export function wholeNumber(
  rule: string,
  fits: (value: number) => boolean,
  fix = "choose a number in that range",
): Schema {
  return v.custom((value) => Number.isInteger(value) && fits(value as number), message(rule, fix));
}

export function oneOf(values: readonly string[]): Schema {
  return v.picklist(values, message(`must be ${inWords(values)}`, "choose one of them"));
}

export const flag: Schema = v.boolean(message("must be true or false", "choose one of them"));

/** The value itself, or one that Terraform knows only later. */
export function orReference(schema: Schema): Schema {
  return v.lazy((value) => (Token.isUnresolved(value) ? v.unknown() : schema));
}

export function listOf(schema: Schema, { atLeast = 0 } = {}): Schema {
  const rule = atLeast ? `must be a list with at least ${atLeast} entry` : "must be a list";
  const said = message(rule, "write it as [ … ]");
  return v.pipe(v.array(schema, said), v.minLength(atLeast, said));
}

/** The fields of an object type, each required or optional as the type has it. */
export type Fields<T> = {
  readonly [Name in keyof T]-?: object extends Pick<T, Name> ? v.OptionalSchema<Schema, undefined> : Schema;
};

export const optional = (schema: Schema) => v.optional(schema);

/**
 * An object with these fields and no others.
 *
 * @param literals texts that may stand in its place
 */
export function object<T>(fields: Fields<T>, ...literals: readonly string[]): Schema {
  const names = Object.keys(fields).join(", ");
  const or = literals.length === 0 ? "" : `, or ${inWords(literals)}`;
  const unknownField = v.undefined(({ input }) =>
    message(
      "is not a field that is known here",
      `remove it, or write one of ${names}`,
      // Somebody may have written a key there.
      `a value of type ${typeof input}`,
    ),
  );
  const known = Object.entries<Schema>(fields).map(([name, schema]) => [name, given(name, schema)] as const);
  const fitting = v.pipe(
    v.custom(isRecord, message(`must be an object with ${names}${or}`, "write it as { … }")),
    v.objectWithRest(Object.fromEntries(known), unknownField, ({ path }) => missing(path?.at(-1)?.key)),
  );
  return v.lazy((value) => (literals.includes(value as string) ? v.unknown() : fitting));
}

/** A required field that is `undefined` is missing. */
function given(name: string, schema: Schema): Schema {
  if (schema.type === "optional") return schema;
  return v.lazy((value) => (value === undefined ? v.never(missing(name)) : schema));
}

const missing = (name: unknown) => message("is required", `give \`${name}\``);

function inWords(values: readonly string[]): string {
  return values.map((value) => `"${value}"`).join(" or ");
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
