/** Something to go wrong with the next calls of an operation. */
export interface Fault {
  readonly operation: string;
  /**
   * `drop-answer` applies the call and closes the connection without an answer; `refuse` answers with an error and
   * applies nothing; `delay` answers late.
   */
  readonly kind: "drop-answer" | "refuse" | "delay";
  /** How many calls it befalls. @default 1 */
  readonly times?: number;
  /** For `refuse`. @default an `InternalServiceError` with status 500 */
  readonly error?: { readonly code: string; readonly message?: string; readonly statusCode?: number };
  /** For `delay`, in milliseconds. @default 1000 */
  readonly delayMs?: number;
}

const KINDS = ["drop-answer", "refuse", "delay"];

/** Reads an ordered fault. Throws a `TypeError` that names the field. */
export function parseFault(given: unknown): Fault {
  const fault = given as Fault | null;
  if (typeof fault?.operation !== "string")
    throw new TypeError("`operation` must be the name of an operation");
  if (!KINDS.includes(fault.kind))
    throw new TypeError(`\`kind\` must be one of ${KINDS.join(", ")}, got: ${fault.kind}`);
  if (fault.error !== undefined && typeof fault.error?.code !== "string") {
    throw new TypeError("`error.code` must be the code of an error");
  }
  for (const field of ["times", "delayMs"] as const) {
    const value = fault[field];
    if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
      throw new TypeError(`\`${field}\` must be a whole number of at least 1, got: ${value}`);
    }
  }
  return fault;
}

/** Faults in the order in which they were ordered. */
export class Faults {
  private readonly ordered: { fault: Fault; left: number }[] = [];

  order(fault: Fault): void {
    this.ordered.push({ fault, left: fault.times ?? 1 });
  }

  clear(): void {
    this.ordered.length = 0;
  }

  pending(): readonly Fault[] {
    return this.ordered.map(({ fault, left }) => ({ ...fault, times: left }));
  }

  /** The fault that befalls this call, used up by one; `null` if none does. */
  take(operation: string): Fault | null {
    const index = this.ordered.findIndex(({ fault }) => fault.operation === operation);
    const entry = this.ordered[index];
    if (entry === undefined) return null;
    entry.left -= 1;
    if (entry.left === 0) this.ordered.splice(index, 1);
    return entry.fault;
  }
}
