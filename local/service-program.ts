import { type Command, InvalidArgumentError, Option } from "commander";

/** One of the local services, started as a program of its own. */
export interface RunningService {
  /** What is printed, as one line of JSON, when it is ready. */
  readonly ready: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Runs a service until SIGTERM or SIGINT. Prints one line of an error, and exits with 1, if it can't be started. */
export async function runService<Options>(
  command: Command,
  start: (options: Options) => Promise<RunningService>,
): Promise<void> {
  command.allowExcessArguments(false).action(async (options: Options) => {
    const { ready, close } = await start(options);
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void close());
    console.log(JSON.stringify(ready));
  });
  await command.parseAsync().catch((error: unknown) => {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  });
}

export const portOption = () =>
  new Option("--port <n>", "port on 127.0.0.1; 0 takes a free one").default(0).argParser(port);

function port(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number <= 65_535) return number;
  throw new InvalidArgumentError(`It must be a whole number from 0 to 65535, got: ${text}`);
}
