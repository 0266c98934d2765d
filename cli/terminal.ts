import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { CommandError } from "./command-error";

/** Where a command speaks. Results go to standard output, so that they can be piped; everything else to standard error. */
export interface Terminal {
  print(result: string): void;
  tell(line: string): void;
  /** What long work is at; only for a person who looks on. The next line takes its place. */
  progress(at: string): void;
  /** Asks a person. Throws a `CommandError` if nobody is there. */
  confirm(question: string): Promise<boolean>;
  /**
   * A key: the whole of standard input, without surrounding white space, or one line that is typed and not shown. Throws a
   * `CommandError` if a person ends the line without one.
   */
  readKey(what: string): Promise<string>;
  /** How wide results may be; `undefined` if no terminal shows them. */
  readonly columns: number | undefined;
  /** Whether results may have colours. */
  readonly hasColours: boolean;
}

const { stdin, stdout, stderr } = process;
const CLEAR_LINE = "\r\u001b[K";
let hasProgress = false;

function clearProgress(): void {
  if (hasProgress) stderr.write(CLEAR_LINE);
  hasProgress = false;
}

export const processTerminal: Terminal = {
  print(result) {
    clearProgress();
    stdout.write(`${result}\n`);
  },
  tell(line) {
    clearProgress();
    stderr.write(`${line}\n`);
  },
  progress(at) {
    if (!stderr.isTTY) return;
    stderr.write(`${CLEAR_LINE}${at.slice(0, stderr.columns - 1)}`);
    hasProgress = true;
  },
  async confirm(question) {
    if (!stdin.isTTY) {
      throw new CommandError(
        "refused",
        `nobody is here to ask: ${question}`,
        "give --yes to agree beforehand",
      );
    }
    clearProgress();
    return /^y(es)?$/i.test(((await ask(`${question} [y/N] `, "shown")) ?? "").trim());
  },
  async readKey(what) {
    if (!stdin.isTTY) {
      const chunks: Buffer[] = [];
      for await (const chunk of stdin) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString("utf8").trim();
    }
    const typed = (await ask(`${what} (it is not shown), then Enter: `, "hidden"))?.trim();
    if (typed) return typed;
    throw new CommandError("refused", `no ${what} was given`, "nothing was changed");
  },
  get columns() {
    return stdout.isTTY ? stdout.columns : undefined;
  },
  get hasColours() {
    // https://no-color.org: any value but an empty one.
    return stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
  },
};

/**
 * One line that a person types; `undefined` after Ctrl-C, Ctrl-D or SIGINT. Node.js's own promise of an answer is never
 * settled then, before its version 22.13, and the process ends as if all were well.
 */
function ask(question: string, typed: "shown" | "hidden"): Promise<string | undefined> {
  return new Promise((resolve) => {
    const output = typed === "shown" ? stderr : new Writable({ write: (_chunk, _encoding, done) => done() });
    // From here on the terminal itself echoes nothing.
    const asking = createInterface({ input: stdin, output, terminal: true, historySize: 0 });
    const leave = () => asking.close();
    let answer: string | undefined;
    process.once("SIGINT", leave);
    asking.once("close", () => {
      process.off("SIGINT", leave);
      if (answer === undefined || typed === "hidden") stderr.write("\n");
      resolve(answer);
    });
    if (typed === "hidden") stderr.write(question);
    asking.question(question, (line) => {
      answer = line;
      asking.close();
    });
  });
}

/** A result's reader, such as `head`, may go away before its end. The command goes on all the same. */
export function endQuietlyWithoutReader(): void {
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}

/**
 * Asks unless `yes` was given. Throws the `CommandError` `refused` if the answer is no.
 *
 * @param hasChanged whether the command has changed something before this question
 */
export async function agree(
  terminal: Terminal,
  question: string,
  yes: boolean,
  hasChanged = false,
): Promise<void> {
  if (yes) terminal.tell(question.replace(/\?$/, ": yes"));
  else if (!(await terminal.confirm(question))) {
    const changed = hasChanged ? "nothing further was changed" : "nothing was changed";
    throw new CommandError("refused", "not agreed to", changed);
  }
}
