import { constants } from "node:os";
import type { Command } from "commander";
import { InvalidEnvironmentsError } from "../constructs/environment/problems";
import { DeploymentError } from "./deployment";
import { LOCAL_SDK } from "./emulator";
import { PrerequisiteError } from "./toolchain";

/** A signal has ended the program. */
class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor(readonly signal: "SIGINT" | "SIGTERM" | "SIGHUP") {
    super(`ended by ${signal}; nothing is left running`);
  }
}

/** Their texts say everything: a stack trace would only hide it. */
const EXPECTED_ERRORS = [PrerequisiteError, InvalidEnvironmentsError, DeploymentError, Interrupted];

/**
 * Runs a program of the local run by its command line. `play` is given a signal that aborts with SIGINT, SIGTERM and
 * SIGHUP, has to leave nothing running then, and returns whether everything was as expected.
 */
export async function runProgram<Options>(
  command: Command,
  play: (options: Options, signal: AbortSignal) => Promise<boolean>,
): Promise<void> {
  // For the clients in this process; its children are told by `withoutAws`.
  Object.assign(process.env, LOCAL_SDK);
  const interruption = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => interruption.abort(new Interrupted(name)));
  }
  // Whoever read along is gone. Unheard, the error would end this process at once, and leave its children running.
  for (const output of [process.stdout, process.stderr]) {
    output.on("error", () => interruption.abort(new Interrupted("SIGHUP")));
  }
  command.action(async (options: Options) => {
    process.exitCode = (await play(options, interruption.signal)) ? 0 : 1;
  });
  await command.parseAsync().catch((thrown: unknown) => {
    // What a signal interrupts fails in its own words.
    const error: unknown = interruption.signal.aborted ? interruption.signal.reason : thrown;
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    const isExpected = EXPECTED_ERRORS.some((kind) => error instanceof kind);
    console.error(isExpected ? message : stack);
    // As a shell reports a program that a signal ended.
    process.exitCode = error instanceof Interrupted ? 128 + constants.signals[error.signal] : 1;
  });
}
