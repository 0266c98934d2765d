import { Command, CommanderError } from "commander";
import { KEY_SHAPE } from "../core/contract";
import type { Answer, CommandLine, Register } from "./answer";
import { EXIT_CODES, exitOf, messageOf } from "./command-error";
import { registerAdopt } from "./commands/adopt";
import { registerCompletion } from "./commands/completion";
import { registerDoctor } from "./commands/doctor";
import { registerExec } from "./commands/exec";
import { registerHistory } from "./commands/history";
import { registerOperatorKey } from "./commands/operator-key";
import { registerPause } from "./commands/pause";
import { registerReport } from "./commands/report";
import { registerResume } from "./commands/resume";
import { registerRevoke } from "./commands/revoke";
import { registerRollback } from "./commands/rollback";
import { registerRotate } from "./commands/rotate";
import { registerShow } from "./commands/show";
import { registerStatus } from "./commands/status";
import { registerVerify } from "./commands/verify";
import { type OperatorPorts, processPorts, type Whereabouts } from "./ports";
import { processTerminal, type Terminal } from "./terminal";

// The package's own, in a clone and where it is installed.
const { version }: { readonly version: string } = require("valmi-agent-keys/package.json");

/** In the order of the help. */
const COMMANDS: readonly Register[] = [
  registerStatus,
  registerShow,
  registerHistory,
  registerVerify,
  registerRotate,
  registerRollback,
  registerPause,
  registerResume,
  registerRevoke,
  registerDoctor,
  registerReport,
  registerOperatorKey,
  registerAdopt,
  registerExec,
  registerCompletion,
];

export interface ProgramPorts {
  /** Wires one command, for where it was told to go. */
  readonly portsFor: (whereabouts: Whereabouts) => OperatorPorts;
  readonly terminal: Terminal;
  readonly exit: (code: number) => void;
}

const PROCESS: ProgramPorts = {
  portsFor: processPorts,
  terminal: processTerminal,
  exit: (code) => {
    process.exitCode = code;
  },
};

/** Runs one command line, without program and script. Tells what went wrong, and never throws. */
export async function run(args: readonly string[], ports: ProgramPorts = PROCESS): Promise<void> {
  try {
    await createProgram(ports).parseAsync(args, { from: "user" });
  } catch (error) {
    const exit = exitOf(error);
    // Commander has told by itself what was wrong with the options; help is no error.
    if (!(error instanceof CommanderError)) ports.terminal.tell(`error: ${messageOf(error)}`);
    if (exit !== "done" && asksForJson(args)) {
      const message = messageOf(error).replace(KEY_SHAPE, "[masked]");
      ports.terminal.print(
        JSON.stringify({ error: { exit, code: EXIT_CODES[exit].code, message } }, null, 2),
      );
    }
    ports.exit(EXIT_CODES[exit].code);
  }
}

/** What follows `exec` may be another program's. */
function asksForJson(args: readonly string[]): boolean {
  return args[0] !== "exec" && args.includes("--json");
}

/** The operator's commands, and the runner. Keys come in by standard input only, and never go out: fingerprints do. */
function createProgram({ portsFor, terminal, exit }: ProgramPorts): Command {
  const program = new Command("valmi-agent-keys")
    .description("Operate the agent keys of Valmi agent instances on AWS")
    .version(version, "--version", "print the version")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      // A key that was typed where none belongs would be repeated.
      writeErr: (text) => terminal.tell(text.trimEnd().replace(KEY_SHAPE, "[masked]")),
    })
    .addHelpText(
      "after",
      `
Name an instance as environment/id, such as dev/support, or by its secret.

Exit codes:
${Object.values(EXIT_CODES)
  .map(({ code, says }) => `  ${code}  ${says}`)
  .join("\n")}
`,
    );
  const line: CommandLine = {
    exit,
    answering:
      <A extends readonly unknown[]>(act: (ports: OperatorPorts, ...args: A) => Promise<Answer>) =>
      async (...given: [...A, Command]) => {
        const options = (given.at(-1) as Command).opts<{ region?: string; json?: boolean }>();
        const { region, json } = options;
        const args = given.slice(0, -1) as unknown as A;
        const names = [...args, ...Object.values(options)].filter((each) => typeof each === "string");
        const ports = portsFor({ names, ...(region !== undefined && { region }) });
        const { text, json: data, exit: ends = "done" } = await act(ports, ...args);
        terminal.print(json ? JSON.stringify(data, null, 2) : text);
        exit(EXIT_CODES[ends].code);
      },
  };
  for (const register of COMMANDS) register(program, line);
  return program;
}
