import { CommanderError } from "commander";
import { UsageError } from "../core/command-line";
import { reasonOf } from "../core/reason";
import { VersionConflictError } from "../core/secrets/secret-store";
import { SettingsError } from "../core/settings/function-settings";

/** What a command ends with, for scripts; the help and `docs/operations.md` say the same. */
export const EXIT_CODES = {
  done: { code: 0, says: "done" },
  failed: { code: 1, says: "AWS or the Control Plane failed" },
  usage: { code: 2, says: "wrong usage, or no such instance; nothing was changed" },
  refused: {
    code: 3,
    says: "refused, since it would break a promise or nobody agreed; of what was refused nothing was changed",
  },
  findings: {
    code: 4,
    says: "done, and something is wrong: a finding that is more than a note, a key that is not valid, a check that failed, what could not be looked at",
  },
  unfinished: { code: 5, says: "unfinished: the text says how far it came" },
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

/** How a command ends that threw. */
export function exitOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exit;
  if (error instanceof CommanderError) return error.exitCode === 0 ? "done" : "usage";
  if (error instanceof UsageError || error instanceof SettingsError) return "usage";
  if (error instanceof VersionConflictError) return "refused";
  return "failed";
}

/** Makes what a person gave. Throws a `UsageError` if that is not possible. */
export function given<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

export function messageOf(error: unknown): string {
  return error instanceof CommandError || error instanceof CommanderError ? error.message : reasonOf(error);
}
