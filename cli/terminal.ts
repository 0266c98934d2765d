import { createInterface } from "node:readline/promises";
import { CommandError } from "./command-error";

/** Where a command speaks. Results go to standard output, so that they can be piped; everything else to standard error. */
export interface Terminal {
  print(result: string): void;
  tell(line: string): void;
  /** How far long work has come; shown only if a person looks on. */
  progress(done: number, all: number): void;
  /** Asks a person. Throws a `CommandError` if nobody is there. */
  confirm(question: string): Promise<boolean>;
  /** The whole of standard input without surrounding white space. At a terminal it says what it waits for. */
  readInput(what: string): Promise<string>;
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
  async readInput(what) {
    if (process.stdin.isTTY) process.stderr.write(`${what}, then Enter and Ctrl-D:\n`);
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString("utf8").trim();
  },
};

/** Asks unless `yes` was given. Throws the `CommandError` `refused` if the answer is no. */
export async function agree(terminal: Terminal, question: string, yes: boolean): Promise<void> {
  if (yes) terminal.tell(question.replace(/\?$/, ": yes"));
  else if (!(await terminal.confirm(question))) {
    throw new CommandError("refused", "not agreed to", "nothing further was changed");
  }
}
