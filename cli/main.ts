#!/usr/bin/env node
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { Command, Option } from "commander";
import { adoptAgentKey } from "./adopt";
import { amount, MOST_HOURS, MOST_SECONDS } from "./amount";
import { execWithKey } from "./exec";
import { setOperatorKey } from "./operator-key";
import { readStandardInput } from "./standard-input";

/**
 * The operator's commands, and the runner. Keys come in by standard input only, and never go out: fingerprints do. `exec`
 * alone gives a key out, to the command that it runs.
 */
const program = new Command("valmi-agent-keys")
  .description("Operate the agent keys of Valmi agent instances on AWS")
  .enablePositionalOptions();
const region = new Option("--region <region>", "AWS region (default: the AWS configuration's)");
const auth = new Option("--auth <dialect>", "how the operator's API key is sent to the Control Plane")
  .choices(["api-key", "bearer"])
  .default("api-key");

program
  .command("operator-key")
  .description("the operator's API key for the Control Plane")
  .command("set")
  .description("read the operator's API key from standard input, try it at the Control Plane, and store it")
  .requiredOption("--secret <name>", "name of the Secrets Manager secret; made where there is none")
  .option("--control-plane <url>", "base URL of the Control Plane", "https://value.valmi.io/api/v1")
  .addOption(auth)
  .addOption(region)
  .action(async (options) => {
    const done = await setOperatorKey(secretsManager(options), {
      secretName: options.secret,
      controlPlaneUrl: options.controlPlane,
      auth: options.auth,
      text: await readStandardInput("operator's API key"),
    });
    console.log(
      `${done.created ? "created" : "updated"} ${options.secret}: API key ${done.fingerprint}, ` +
        `accepted for workspace '${done.workspaceName}'`,
    );
  });

program
  .command("adopt")
  .description("read an adopted instance's present agent key from standard input, check it, and store it")
  .requiredOption(
    "--secret <name>",
    "name of the agent key's secret, made by the deploy that asked for this command",
  )
  .requiredOption("--api-key-secret <name>", "name or ARN of the secret that holds the operator's API key")
  .addOption(auth)
  .addOption(region)
  .action(async (options) => {
    const done = await adoptAgentKey(secretsManager(options), {
      secretName: options.secret,
      apiKeySecret: options.apiKeySecret,
      auth: options.auth,
      text: await readStandardInput("agent key"),
    });
    console.log(`stored key ${done.fingerprint} of agent instance ${done.agentInstanceId}; now deploy again`);
  });

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
  .option("--watch <seconds>", "about how often to look for a new key, 5 or more", amount(5, MOST_SECONDS), 300)
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
  .option("--grace <hours>", "how long the Control Plane accepts a replaced key; only told", amount(0, MOST_HOURS), 24)
  .addOption(region)
  .argument("<command...>", "the program and its arguments; no shell is between")
  .passThroughOptions()
  .action(async (command: string[], options) => {
    const client = secretsManager(options);
    process.exitCode = await execWithKey(client, {
      secretName: options.secret,
      variables: options.env,
      command,
      watchSeconds: options.watch,
      stopSeconds: options.stop,
      gracePeriodHours: options.grace,
      overlapSeconds: options.overlap,
      hook: options.hook,
    });
    client.destroy();
  });

function secretsManager(options: { region?: string }): SecretsManagerClient {
  return new SecretsManagerClient(options.region === undefined ? {} : { region: options.region });
}

program.parseAsync().catch((error: unknown) => {
  console.error(`error: ${error instanceof Error ? error.message : "unknown error"}`);
  process.exitCode = 1;
});
