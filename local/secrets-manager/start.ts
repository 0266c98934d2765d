import { parseArgs } from "node:util";
import { SettableClock } from "../clock";
import { eventBridge } from "./event-delivery";
import { startSecretsManager } from "./server";

/** `tsx local/secrets-manager/start.ts [--port N]`: serves until SIGTERM or SIGINT, and prints one line when ready. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: "string", default: "0" } } });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`--port must be a number from 0 to 65535, got: ${values.port}`);
  }
  const server = await startSecretsManager({
    clock: new SettableClock(),
    port,
    eventBus: eventBridge(),
    report: (line) => console.error(line),
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void server.close());
  console.log(JSON.stringify({ url: server.url }));
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
