import { createInterface } from "node:readline/promises";
import { CommandError } from "./command-error";

/** Where a command speaks. Results go to standard output, so that they can be piped; everything else to standard error. */
export interface Terminal {
  print(result: string): void;
  tell(line: string): void;
  /** How far long work has come; shown only where a person looks on. */
  progress(done: number, all: number): void;
  /** Asks a person. Throws a `CommandError` where nobody is there. */
  confirm(question: string): Promise<boolean>;
}

export const processTerminal: Terminal = {
  print: (result) => void process.stdout.write(`${result}\n`),
  tell: (line) => void process.stderr.write(`${line}\n`),
  progress(done, all) {
    if (!process.stderr.isTTY) return;
    process.stderr.write(done < all ? `\r${done} of ${all}` : "\r\u001b[K");
  },
  async confirm(question) {
    if (!process.stdin.isTTY) {
      throw new CommandError(
        "refused",
        `nobody is here to ask: ${question}`,
        "give --yes to agree beforehand",
      );
    }
    const asking = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `)).trim());
    } finally {
      asking.close();
    }
  },
};

/** Asks unless `yes` was given. Throws the `CommandError` `refused` where the answer is no. */
export async function agree(terminal: Terminal, question: string, yes: boolean): Promise<void> {
  if (yes) terminal.tell(question.replace(/\?$/, ": yes"));
  else if (!(await terminal.confirm(question))) {
    throw new CommandError("refused", "not agreed to", "nothing further was changed");
  }
}
