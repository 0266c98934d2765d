import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { HOUR, MINUTE, SECOND } from "../clock";
import { portOption, runService } from "../service-program";
import type { Behaviour } from "./behaviour";
import { SECOND_REFRESH } from "./model";
import { parseSeed } from "./seed";
import { startControlPlane } from "./server";

interface StartOptions {
  readonly port: number;
  readonly grace?: number;
  readonly secondRefresh?: Behaviour["secondRefresh"];
  readonly activationSeconds?: number;
  readonly idempotency?: boolean;
  readonly inactiveKeys?: Behaviour["inactiveKeys"];
  readonly keyPrefix?: string;
  readonly auth?: Behaviour["auth"];
  readonly errorDialect?: Behaviour["errorDialect"];
  readonly fieldNames?: Behaviour["fieldNames"];
  readonly requestsPerMinute?: number;
  readonly dateOffsetSeconds?: number;
  readonly edgeCacheSeconds?: number;
  readonly seed?: ReturnType<typeof parseSeed>;
}

function number(text: string): number {
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError(`It must be a number, got: ${text}`);
  return Number(text);
}

const UNITS: Readonly<Record<string, number>> = { s: SECOND, min: MINUTE, h: HOUR };

/** Hours of a text such as `30s`, `5min` or `24h`. */
function hours(text: string): number {
  const [, amount, unit = "h"] = /^(\d+(?:\.\d+)?)(s|min|h)$/.exec(text) ?? (text === "0" ? ["", "0"] : []);
  if (amount === undefined) {
    throw new InvalidArgumentError(`It must be a length such as 30s, 5min or 24h, or 0, got: ${text}`);
  }
  return (Number(amount) * (UNITS[unit] ?? HOUR)) / HOUR;
}

/** `current`, `tool`, or new names such as `secret=token,id=uuid`. */
function fieldNames(text: string): Behaviour["fieldNames"] {
  if (text === "current" || text === "tool") return text;
  const pairs = text.split(",").map((pair) => /^(\w+)=(\w+)$/.exec(pair)?.slice(1));
  if (pairs.some((pair) => pair === undefined)) {
    throw new InvalidArgumentError(`It must be current, tool, or such as secret=token,id=uuid, got: ${text}`);
  }
  return Object.fromEntries(pairs as [string, string][]);
}

const choice = (flags: string, says: string, choices: readonly string[]) =>
  new Option(flags, says).choices(choices);

const program = new Command("npm run local:control-plane --")
  .description(
    'A local stand-in for the Valmi Control Plane. Prints one line of JSON, {"url", "apiKey"}, when ready; ends on SIGTERM and SIGINT.',
  )
  .addOption(portOption())
  .option("--grace <length>", "how long a replaced key still works: 0, 30s, 5min, 24h (default: 24h)", hours)
  .addOption(
    choice(
      "--second-refresh <letter>",
      "what a second refresh inside a running grace does (default: A)",
      SECOND_REFRESH,
    ),
  )
  .option(
    "--activation-seconds <s>",
    "how long a new key isn't accepted yet, at most 60 (default: 0)",
    number,
  )
  .option("--idempotency", "honour Idempotency-Key")
  .addOption(
    choice("--inactive-keys <what>", "what becomes of an inactive instance's keys (default: paused)", [
      "paused",
      "ended",
      "accepted",
    ]),
  )
  .option("--key-prefix <text>", "what every agent key starts with (default: agent_)")
  .addOption(choice("--auth <header>", "understand only this one (default: both)", ["api-key", "bearer"]))
  .addOption(
    choice("--error-dialect <name>", "form of error bodies (default: current)", ["current", "earlier"]),
  )
  .option(
    "--field-names <names>",
    "of ids and keys: current, tool, or such as secret=token,id=uuid (default: current)",
    fieldNames,
  )
  .option("--requests-per-minute <n>", "for each API key (default: 1000)", number)
  .option("--date-offset-seconds <s>", "how far the Date of every answer is off (default: 0)", number)
  .option("--edge-cache-seconds <s>", "how long an edge goes on accepting a key (default: 0)", number)
  .option("--seed <file>", "JSON with agentTypes, accounts and contacts (default: a small sample)", (file) =>
    parseSeed(readFileSync(file, "utf8")),
  );

void runService(program, async ({ grace, idempotency, ...rest }: StartOptions) => {
  const controlPlane = await startControlPlane({
    ...rest,
    ...(grace !== undefined && { graceHours: grace }),
    ...(idempotency && { honoursIdempotencyKey: true }),
  });
  const { url, apiKey } = controlPlane;
  return { ready: { url, apiKey }, close: () => controlPlane.close() };
});
