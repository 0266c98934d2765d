import type { Command } from "commander";
import type { ExitCode } from "./command-error";
import type { OperatorPorts } from "./ports";

/** What a command has to say, for a person and for a program. It throws what keeps it from its end. */
export interface Answer {
  readonly text: string;
  /** The same as plain data. */
  readonly json: unknown;
  /** @default "done" */
  readonly exit?: ExitCode;
}

/** What every command is registered with. */
export interface CommandLine {
  /**
   * The action of a command, from a function of its ports and of what commander gives: its arguments, then its options. The
   * answer is printed as `--json` asks.
   */
  answering<A extends readonly unknown[]>(
    act: (ports: OperatorPorts, ...args: A) => Promise<Answer>,
  ): (...args: [...A, Command]) => Promise<void>;
  /** Ends with a code that is another program's. */
  exit(code: number): void;
}

export type Register = (program: Command, line: CommandLine) => void;
