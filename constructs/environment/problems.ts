import { KEY_SHAPE } from "../../core/contract";
import type { Fault } from "./schema";

/** Something that is wrong with the description of the environments, or, as a warning, unwise. */
export interface Problem extends Fault {
  readonly severity: "error" | "warning";
  /** Name of the environment, or its position if it has none. */
  readonly environment: string;
  /** Id of the agent instance, or its position if it has none; absent if the problem is the environment's own. */
  readonly agentInstance?: string;
}

/** Gives back the warnings. Throws an `InvalidEnvironmentsError` if there is anything worse. */
export function refuseErrors(problems: readonly Problem[]): readonly Problem[] {
  if (problems.some(({ severity }) => severity === "error")) throw new InvalidEnvironmentsError(problems);
  return problems;
}

/** The environments can't be deployed as described; the message lists every reason. */
export class InvalidEnvironmentsError extends Error {
  override readonly name = "InvalidEnvironmentsError";

  declare readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const errors = problems.filter(({ severity }) => severity === "error");
    const count = errors.length === 1 ? "1 problem" : `${errors.length} problems`;
    super(
      `${count} in the description of the environments:\n${errors.map((p) => `- ${describeProblem(p)}`).join("\n")}`,
    );
    // Not enumerable, since Node.js prints what is when nobody catches the error: values, unmasked.
    Object.defineProperty(this, "problems", { value: problems });
  }
}

/** One line: where, which field, which rule, what was got, what to do. A key that stands in a place for none is masked. */
export function describeProblem({ environment, agentInstance, ...fault }: Problem): string {
  const where = agentInstance === undefined ? environment : `${environment}, agent instance ${agentInstance}`;
  return describeFault(where, fault);
}

export function describeFault(
  where: string,
  { field, rule, got, gotInWords = show(got), fix }: Fault,
): string {
  return `${where}: \`${field}\` ${rule}; got: ${gotInWords}. To fix: ${fix}.`.replace(KEY_SHAPE, "[masked]");
}

const SHOWN_CHARACTERS = 120;

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  let shown: string;
  try {
    shown = JSON.stringify(value) ?? typeof value;
  } catch {
    return "what can't be written as JSON";
  }
  if (shown.length <= SHOWN_CHARACTERS) return shown;
  // Masked before it is cut: the first half of a key has the shape of none.
  return `${shown.replace(KEY_SHAPE, "[masked]").slice(0, SHOWN_CHARACTERS)}…`;
}
