import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { portOption, runService } from "../service-program";
import { SECOND_REFRESH } from "./model";
import { parseSeed } from "./seed";
import { type ControlPlaneServerOptions, startControlPlane } from "./server";

function amount(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError("It must be a number, 0 or more.");
  return Number(text);
}

const program = new Command("npm run local:control-plane --")
  .description(
    'A local stand-in for the Valmi Control Plane. Prints one line of JSON, {"url", "apiKey"}, when ready; ends on SIGTERM and SIGINT.',
  )
  .addOption(portOption())
  .option("--grace-hours <hours>", "how long a replaced key still works (default: 24)", amount)
  .addOption(
    new Option(
      "--behaviour <letter>",
      "what a second refresh inside a running grace does (default: A)",
    ).choices(SECOND_REFRESH),
  )
  .option("--idempotency", "honour Idempotency-Key")
  .option("--activation-seconds <s>", "how long a new key isn't accepted yet (default: 0)", amount)
  .option("--key-prefix <text>", "what every agent key starts with (default: agent_)")
  .addOption(
    new Option("--auth <dialect>", "understand only this header (default: both)").choices([
      "api-key",
      "bearer",
    ]),
  )
  .addOption(new Option("--error-dialect <name>", "form of error bodies").choices(["current", "earlier"]))
  .addOption(new Option("--field-names <name>", "names of ids and keys").choices(["current", "tool"]))
  .option("--requests-per-minute <n>", "for each API key (default: 1000)", amount)
  .option("--seed <file>", "JSON with agentTypes, accounts and contacts (default: a small sample)", (file) =>
    parseSeed(readFileSync(file, "utf8")),
  );

interface StartOptions extends ControlPlaneServerOptions {
  readonly behaviour?: ControlPlaneServerOptions["secondRefresh"];
  readonly idempotency?: boolean;
}

void runService(program, async ({ behaviour, idempotency, ...rest }: StartOptions) => {
  const controlPlane = await startControlPlane({
    ...rest,
    ...(behaviour && { secondRefresh: behaviour }),
    ...(idempotency && { honoursIdempotencyKey: true }),
  });
  const { url, apiKey } = controlPlane;
  return { ready: { url, apiKey }, close: () => controlPlane.close() };
});
