import type { Command } from "commander";
import { execWithKey, WATCH_SECONDS, WATCH_SECONDS_WITH_EVENTS } from "../../agent/exec";
import { DEFAULT_GRACE_PERIOD_HOURS } from "../../core/contract";
import type { CommandLine } from "../answer";
import { amount, MOST_HOURS, MOST_SECONDS, type RegionOption, region } from "../options";

/** Gives a key out, which no other command does: to the command that it runs. */
export function registerExec(program: Command, line: CommandLine): void {
  program
    .command("exec")
    .description("run a command with the agent key in its environment, and again whenever there is a new key")
    .usage("--secret <name> [options] -- COMMAND...")
    .requiredOption("--secret <name>", "name or ARN of the agent key's secret")
    .option(
      "--env <name>",
      "a further variable for the key, beside VALMI_AGENT_KEY and VALUE_AGENT_SECRET; repeatable",
      (name: string, names: string[]) => [...names, name],
      [],
    )
    .option(
      "--watch <seconds>",
      `about how often to look for a new key, 5 or more (default: ${WATCH_SECONDS}, with --events ${WATCH_SECONDS_WITH_EVENTS})`,
      amount(5, MOST_SECONDS),
    )
    .option(
      "--events <queue-url>",
      "URL of an SQS queue that EventBridge tells of the secret's new keys; this runner's own, since it deletes what it reads",
    )
    .option("--stop <seconds>", "from SIGTERM to SIGKILL", amount(0, MOST_SECONDS), 10)
    .option(
      "--overlap <seconds>",
      "end the old process only when the new one has run for this long",
      amount(0, MOST_SECONDS),
    )
    .option(
      "--hook <command>",
      "run this by a shell, with the new key in its environment, instead of restarting",
    )
    .option(
      "--grace <hours>",
      "how long the Control Plane accepts a replaced key; only told",
      amount(0, MOST_HOURS),
      DEFAULT_GRACE_PERIOD_HOURS,
    )
    .addOption(region)
    .argument("<command...>", "the program and its arguments; no shell is between")
    .passThroughOptions()
    .action(async (command: string[], options: ExecOptions) => {
      const code = await execWithKey({
        secretName: options.secret,
        variables: options.env,
        command,
        ...(options.watch !== undefined && { watchSeconds: options.watch }),
        ...(options.events !== undefined && { eventQueueUrl: options.events }),
        ...(options.region !== undefined && { region: options.region }),
        stopSeconds: options.stop,
        gracePeriodHours: options.grace,
        ...(options.overlap !== undefined && { overlapSeconds: options.overlap }),
        ...(options.hook !== undefined && { hook: options.hook }),
      });
      line.exit(code);
    });
}

interface ExecOptions extends RegionOption {
  readonly secret: string;
  readonly env: string[];
  readonly watch?: number;
  readonly events?: string;
  readonly stop: number;
  readonly overlap?: number;
  readonly hook?: string;
  readonly grace: number;
}
