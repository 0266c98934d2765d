import { Token } from "cdktf";

/**
 * The shape of data that may come from anywhere: which fields there are and what each may hold. Types can't tell,
 * since data may be read from a file, so that the checks take `unknown` and report every fault that they find.
 */

export interface Fault {
  /** Path of the field, such as `rotation.windowHours`; empty for the value as a whole. */
  readonly field: string;
  readonly rule: string;
  readonly got: unknown;
  /** In place of `got`, which is not shown then. */
  readonly gotInWords?: string;
  readonly fix: string;
}

export type Check = (value: unknown) => readonly Fault[];

export interface Field {
  readonly check: Check;
  readonly isRequired: boolean;
}

export const required = (check: Check): Field => ({ check, isRequired: true });
export const optional = (check: Check): Field => ({ check, isRequired: false });

/** A string; `rule` says in words what `fits` accepts. */
export function text(rule: string, fits: RegExp | ((value: string) => boolean), fix = "correct it"): Check {
  const accepts = fits instanceof RegExp ? (value: string) => fits.test(value) : fits;
  return (value) =>
    typeof value === "string" && accepts(value) ? [] : [{ field: "", rule, got: value, fix }];
}

export function wholeNumber(
  rule: string,
  fits: (value: number) => boolean,
  fix = "choose a number in that range",
): Check {
  return (value) =>
    Number.isInteger(value) && fits(value as number) ? [] : [{ field: "", rule, got: value, fix }];
}

export function oneOf(...values: readonly string[]): Check {
  const rule = `must be ${values.map((value) => `"${value}"`).join(" or ")}`;
  return (value) =>
    values.includes(value as string) ? [] : [{ field: "", rule, got: value, fix: "choose one of them" }];
}

/** The string itself, or a value that Terraform knows only later. */
export function orReference(check: Check): Check {
  return (value) => (Token.isUnresolved(value) ? [] : check(value));
}

/** A literal, or whatever else the check accepts. */
export function orLiteral(literals: readonly string[], check: Check): Check {
  const also = `, or ${literals.map((literal) => `"${literal}"`).join(" or ")}`;
  return (value) => {
    if (literals.includes(value as string)) return [];
    return check(value).map((fault) => (fault.field === "" ? { ...fault, rule: fault.rule + also } : fault));
  };
}

export function listOf(check: Check, { atLeast = 0 } = {}): Check {
  return (value) => {
    if (!Array.isArray(value) || value.length < atLeast) {
      const rule = atLeast ? `must be a list with at least ${atLeast} entry` : "must be a list";
      return [{ field: "", rule, got: value, fix: "write it as [ … ]" }];
    }
    return value.flatMap((item, index) => check(item).map((fault) => below(`[${index}]`, fault)));
  };
}

/** An object with these fields and no others. */
export function object(fields: Readonly<Record<string, Field>>): Check {
  const names = Object.keys(fields);
  return (value) => {
    if (!isRecord(value)) {
      return [
        {
          field: "",
          rule: `must be an object with ${names.join(", ")}`,
          got: value,
          fix: "write it as { … }",
        },
      ];
    }
    const unknown = Object.keys(value)
      .filter((name) => !names.includes(name) && value[name] !== undefined)
      .map((name) => ({
        field: name,
        rule: "is not a field that is known here",
        got: value[name],
        // Somebody may have written a key here.
        gotInWords: `a value of type ${typeof value[name]}`,
        fix: `remove it, or write one of ${names.join(", ")}`,
      }));
    const known = Object.entries(fields).flatMap(([name, { check, isRequired }]) => {
      if (value[name] !== undefined) return check(value[name]).map((fault) => below(name, fault));
      return isRequired
        ? [{ field: name, rule: "is required", got: undefined, fix: `give \`${name}\`` }]
        : [];
    });
    return [...unknown, ...known];
  };
}

/** Puts a fault of a part below the name of that part. */
export function below(name: string, fault: Fault): Fault {
  const separator = fault.field === "" || fault.field.startsWith("[") ? "" : ".";
  return { ...fault, field: `${name}${separator}${fault.field}` };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
