import { Command } from "commander";
import { SettableClock } from "../clock";
import { portOption, runService } from "../service-program";
import { eventBridge } from "./event-delivery";
import { startSecretsManager } from "./server";

const program = new Command("npm run local:secrets-manager --")
  .description(
    'A local AWS Secrets Manager. Prints one line of JSON, {"url"}, when ready; ends on SIGTERM and SIGINT.',
  )
  .addOption(portOption());

void runService(program, async ({ port }: { readonly port: number }) => {
  const report = (line: string) => console.error(line);
  const server = await startSecretsManager({
    clock: new SettableClock(),
    port,
    eventBus: eventBridge(),
    report,
  });
  return { ready: { url: server.url }, close: () => server.close() };
});
