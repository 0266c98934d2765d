/** What a command ends with, for scripts. `docs/operations.md` has the same table. */
export const EXIT_CODES = {
  done: 0,
  /** AWS or the Control Plane failed, or something that nobody foresaw. */
  failed: 1,
  /** An option or a name is wrong. Nothing was changed. */
  usage: 2,
  /** It would break a promise, or a person said no. Nothing was changed. */
  refused: 3,
  /** The command did its work, and something is wrong with what it looked at. */
  findings: 4,
  /** What was asked for goes on, or stopped half-way; the text says where. */
  unfinished: 5,
} as const;

export type ExitCode = keyof typeof EXIT_CODES;

/** An end that a person has to read: what, why, and what to do. Holds ids and fingerprints only. */
export class CommandError extends Error {
  override readonly name = "CommandError";

  constructor(
    readonly exit: Exclude<ExitCode, "done">,
    /** What could not be done, and why. */
    what: string,
    /** What to type or to look at. */
    readonly fix: string,
  ) {
    super(`${what}; ${fix}`);
  }
}
