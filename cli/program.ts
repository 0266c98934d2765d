import { writeFile } from "node:fs/promises";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { execWithKey, WATCH_SECONDS, WATCH_SECONDS_WITH_EVENTS } from "../agent/exec";
import { KEY_SHAPE } from "../core/contract";
import { amount, MOST_HOURS, MOST_SECONDS } from "./amount";
import { type Audited, auditInstances } from "./audit";
import { CommandError, EXIT_CODES, type ExitCode } from "./command-error";
import { adoptAgentKey } from "./commands/adopt";
import { type Check, checksTable, examine, isHealthy } from "./commands/doctor";
import { type History, historyJson, historyTable } from "./commands/history";
import { operatorKeyText, rotateOperatorKey, setOperatorKey } from "./commands/operator-key";
import { pauseRotation, pauseText, resumeRotation, resumeText } from "./commands/orders";
import { revokedText, revokeKey } from "./commands/revoke";
import { rollBack, rolledBackText, whatComesNext } from "./commands/rollback";
import { rotateByName, rotatedText } from "./commands/rotate";
import { findingLines, hasFindings, showText, statusJson, statusTable } from "./commands/status";
import { isValid, type Verified, verifyInstance, verifyTable } from "./commands/verify";
import { findInstance, type ListedInstance, listSome, nameOf, openInstance } from "./instances";
import { type OperatorPorts, processPorts } from "./ports";
import { reportPage } from "./report/page";
import { readStandardInput } from "./standard-input";
import { processTerminal, type Terminal } from "./terminal";
import { HOUR, iso, parseSpan, SECOND } from "./times";

export interface ProgramPorts {
  /** Wires one command, for the region that was given. */
  readonly portsFor: (options: { readonly region?: string }) => OperatorPorts;
  readonly terminal: Terminal;
  readonly readInput: (what: string) => Promise<string>;
  readonly exit: (code: number) => void;
}

const PROCESS: ProgramPorts = {
  portsFor: processPorts,
  terminal: processTerminal,
  readInput: readStandardInput,
  exit: (code) => {
    process.exitCode = code;
  },
};

/** Runs one command line, without program and script. Tells what went wrong, and never throws. */
export async function run(args: readonly string[], ports: ProgramPorts = PROCESS): Promise<void> {
  try {
    await createProgram(ports).parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has told by itself what was wrong with the options; help is no error.
      ports.exit(error.exitCode === 0 ? EXIT_CODES.done : EXIT_CODES.usage);
      return;
    }
    ports.terminal.tell(`error: ${error instanceof Error ? error.message : "unknown error"}`);
    ports.exit(EXIT_CODES[error instanceof CommandError ? error.exit : "failed"]);
  }
}

/**
 * The operator's commands, and the runner. Keys come in by standard input only, and never go out: fingerprints do. `exec`
 * alone gives a key out, to the command that it runs.
 */
function createProgram({ portsFor, terminal: speaker, readInput, exit }: ProgramPorts): Command {
  const program = new Command("valmi-agent-keys")
    .description("Operate the agent keys of Valmi agent instances on AWS")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => speaker.print(text.trimEnd()),
      // A key that was typed where none belongs would be repeated.
      writeErr: (text) => speaker.tell(text.trimEnd().replace(KEY_SHAPE, "[masked]")),
    })
    .addHelpText(
      "after",
      `
Name an instance as environment/id, such as dev/support, or by its secret.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused and nothing changed, 4 findings, 5 unfinished.`,
    );
  const region = new Option("--region <region>", "AWS region (default: the AWS configuration's)");
  const json = new Option("--json", "print JSON");
  const yes = new Option("--yes", "agree to everything that would be asked").default(false);
  const wait = new Option("--wait <seconds>", "how long to wait for the new key")
    .argParser(amount(1, MOST_SECONDS))
    .default(300);
  const environment = new Option("--environment <name>", "only this environment");
  const auth = new Option("--auth <dialect>", "how the operator's API key is sent to the Control Plane")
    .choices(["api-key", "bearer"])
    .default("api-key");

  interface Common {
    readonly region?: string;
    readonly json?: boolean;
    readonly environment?: string;
  }
  /** Prints the text, or the same as JSON. */
  const answer = (
    { terminal }: OperatorPorts,
    options: Common,
    text: () => string,
    data: () => unknown,
    ends: ExitCode = "done",
  ) => {
    terminal.print(options.json ? JSON.stringify(data(), null, 2) : text());
    exit(EXIT_CODES[ends]);
  };
  const chosen = async (
    ports: OperatorPorts,
    name: string | undefined,
    options: Common,
  ): Promise<ListedInstance[]> =>
    name === undefined ? listSome(ports, options.environment) : [await findInstance(ports, name)];

  program
    .command("status")
    .description("every instance: key, age, next rotation, pending, grace left, whether accepted, finding")
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(async (options: Common) => {
      const ports = portsFor(options);
      const audited = await auditInstances(ports, await listSome(ports, options.environment));
      const text = () => [statusTable(audited), ...findingLines(audited)].join("\n");
      answer(ports, options, text, () => audited.map(statusJson), endOf(audited));
    });

  program
    .command("show")
    .description("everything about one instance, without its key")
    .argument("<instance>")
    .addOption(json)
    .addOption(region)
    .action(async (name: string, options: Common) => {
      const ports = portsFor(options);
      const [audited] = await auditInstances(ports, [await findInstance(ports, name)]);
      if (!audited) return;
      const data = () => ({ ...statusJson(audited), facts: audited.facts });
      answer(ports, options, () => showText(audited), data, endOf([audited]));
    });

  program
    .command("history")
    .description("what became of each rotation and old key, and what the auditor asked for, for 400 days")
    .argument("[instance]")
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(async (name: string | undefined, options: Common) => {
      const ports = portsFor(options);
      const histories: History[] = [];
      for (const instance of await chosen(ports, name, options)) {
        const { history, journal, secretArn } = await openInstance(ports, instance);
        const records = await history.ofSecret(secretArn);
        histories.push({ instance, records, journal: await journal.ofSecret(secretArn) });
      }
      const data = () => histories.map(historyJson);
      answer(ports, options, () => historyTable(histories), data);
    });

  program
    .command("verify")
    .description("ask the Control Plane now: format, existence and status of the current key")
    .argument("[instance]")
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(async (name: string | undefined, options: Common) => {
      const ports = portsFor(options);
      const verified: Verified[] = [];
      for (const instance of await chosen(ports, name, options)) {
        verified.push(await verifyInstance(ports, instance));
      }
      const ends = verified.every(isValid) ? "done" : "findings";
      const data = () => verified.map((one) => ({ ...one, isValid: isValid(one) }));
      answer(ports, options, () => verifyTable(verified), data, ends);
    });

  program
    .command("rotate")
    .description("ask Secrets Manager for a rotation, and wait for the new key")
    .argument("<instance>")
    .option("--emergency", "also inside a running grace period or a pause; says what that breaks", false)
    .addOption(yes)
    .addOption(wait)
    .addOption(json)
    .addOption(region)
    .action(async (name: string, options: Common & { emergency: boolean; yes: boolean; wait: number }) => {
      const ports = portsFor(options);
      const { emergency, yes: agreed } = options;
      const done = await rotateByName(ports, name, {
        emergency,
        yes: agreed,
        waitMs: options.wait * SECOND,
      });
      const data = () => ({
        instance: nameOf(done.instance),
        from: done.from.agentKey.fingerprint,
        to: done.to.agentKey.fingerprint,
        versionId: done.to.versionId,
        previousKeyExpiresAt: iso(done.to.previousKeyExpiresAt),
      });
      answer(ports, options, () => rotatedText(done), data);
    });

  program
    .command("rollback")
    .description("move AWSCURRENT back to the key before, inside its grace period")
    .argument("<instance>")
    .option("--least-hours <hours>", "for how long the key has to go on working", amount(0, MOST_HOURS), 2)
    .addOption(yes)
    .addOption(json)
    .addOption(region)
    .action(async (name: string, options: Common & { leastHours: number; yes: boolean }) => {
      const ports = portsFor(options);
      const done = await rollBack(ports, name, {
        leastMs: options.leastHours * HOUR,
        yes: options.yes,
      });
      const data = () => ({
        instance: nameOf(done.instance),
        from: done.from.agentKey.fingerprint,
        to: done.to.agentKey.fingerprint,
        livesUntil: iso(done.livesUntil),
        next: whatComesNext(done),
      });
      answer(ports, options, () => rolledBackText(done), data);
    });

  program
    .command("pause")
    .description("hold rotations of one instance up; ends by itself before the key grows too old")
    .argument("<instance>")
    .requiredOption("--for <time>", "how long, such as 12h or 5d", spanOption)
    .addOption(json)
    .addOption(region)
    .action(async (name: string, options: Common & { for: number }) => {
      const ports = portsFor(options);
      const done = await pauseRotation(ports, name, options.for);
      const data = () => ({ instance: nameOf(done.instance), until: iso(done.until), isCut: done.isCut });
      answer(ports, options, () => pauseText(done), data);
    });

  program
    .command("resume")
    .description("end a pause")
    .argument("<instance>")
    .addOption(json)
    .addOption(region)
    .action(async (name: string, options: Common) => {
      const ports = portsFor(options);
      const done = await resumeRotation(ports, name);
      const { wasPaused, isOverdue } = done;
      const data = () => ({ instance: nameOf(done.instance), wasPaused, isOverdue });
      answer(ports, options, () => resumeText(done), data);
    });

  program
    .command("revoke")
    .description(
      "end a leaked key now: a new key first, then whatever ends the leaked one, asking at each step",
    )
    .argument("<instance>")
    .option("--key <fingerprint>", "the leaked key, where it is not the current one")
    .option(
      "--deactivate",
      "if the key outlives rotation: deactivate the instance, which stops its agent",
      false,
    )
    .addOption(yes)
    .addOption(wait)
    .addOption(json)
    .addOption(region)
    .action(
      async (
        name: string,
        options: Common & { key?: string; deactivate: boolean; yes: boolean; wait: number },
      ) => {
        const ports = portsFor(options);
        if (options.key !== undefined) requireFingerprint(options.key);
        const done = await revokeKey(ports, name, { ...options, waitMs: options.wait * SECOND });
        const { leaked, current, steps, isActive } = done;
        const data = () => ({ instance: nameOf(done.instance), leaked, current, steps, isActive });
        answer(ports, options, () => revokedText(done), data);
      },
    );

  program
    .command("doctor")
    .description(
      "what rotations need: permissions, API key, Control Plane, clocks, schedules, alerts, versions; changes nothing",
    )
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(async (options: Common) => {
      const ports = portsFor(options);
      const instances = await listSome(ports, options.environment);
      const checks: Check[] = [];
      for (const name of new Set(instances.map((instance) => instance.environment))) {
        const own = instances.filter((instance) => instance.environment === name);
        checks.push(...(await examine(ports, name, own)));
      }
      answer(
        ports,
        options,
        () => checksTable(checks),
        () => checks,
        isHealthy(checks) ? "done" : "findings",
      );
    });

  program
    .command("report")
    .description("write status and history as one HTML page that needs nothing else")
    .requiredOption("--out <file>", "where to, such as agent-keys.html")
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(async (options: Common & { out: string }) => {
      const ports = portsFor(options);
      const audited = await auditInstances(ports, await listSome(ports, options.environment));
      const madeAt = Math.max(...audited.map(({ now }) => now));
      await writeFile(options.out, reportPage(audited, madeAt));
      const data = () => ({ file: options.out, instances: audited.length });
      answer(ports, options, () => `${options.out}: ${audited.length} instances`, data);
    });

  const operatorKey = program
    .command("operator-key")
    .description("the operator's API key for the Control Plane");
  operatorKey
    .command("set")
    .description("read the operator's API key from standard input, try it at the Control Plane, and store it")
    .requiredOption("--secret <name>", "name of the Secrets Manager secret; made where there is none")
    .option("--control-plane <url>", "base URL of the Control Plane", "https://value.valmi.io/api/v1")
    .addOption(auth)
    .addOption(json)
    .addOption(region)
    .action(async (options) => {
      const ports = portsFor(options);
      const done = await setOperatorKey(ports.aws.secretsManager, {
        secretName: options.secret,
        controlPlaneUrl: options.controlPlane,
        auth: options.auth,
        text: await readInput("operator's API key"),
      });
      const text = () =>
        `${done.created ? "created" : "updated"} ${options.secret}: API key ${done.fingerprint}, ` +
        `accepted for workspace '${done.workspaceName}'`;
      answer(ports, options, text, () => ({ secret: options.secret, ...done }));
    });
  operatorKey
    .command("rotate")
    .description(
      "replace an environment's API key by the one on standard input, once it reaches every instance; the one before is kept",
    )
    .requiredOption("--environment <name>", "the environment")
    .addOption(json)
    .addOption(region)
    .action(async (options: Common & { environment: string }) => {
      const ports = portsFor(options);
      const done = await rotateOperatorKey(ports, options.environment, await readInput("operator's API key"));
      answer(
        ports,
        options,
        () => operatorKeyText(done),
        () => done,
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
    .addOption(json)
    .addOption(region)
    .action(async (options) => {
      const ports = portsFor(options);
      const done = await adoptAgentKey(ports.aws.secretsManager, {
        secretName: options.secret,
        apiKeySecret: options.apiKeySecret,
        auth: options.auth,
        text: await readInput("agent key"),
      });
      const text = () =>
        `stored key ${done.fingerprint} of agent instance ${done.agentInstanceId}; now deploy again`;
      answer(ports, options, text, () => done);
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
      24,
    )
    .addOption(region)
    .argument("<command...>", "the program and its arguments; no shell is between")
    .passThroughOptions()
    .action(async (command: string[], options) => {
      const client = new SecretsManagerClient(options.region === undefined ? {} : { region: options.region });
      exit(
        await execWithKey(client, {
          secretName: options.secret,
          variables: options.env,
          command,
          watchSeconds: options.watch,
          eventQueueUrl: options.events,
          region: options.region,
          stopSeconds: options.stop,
          gracePeriodHours: options.grace,
          overlapSeconds: options.overlap,
          hook: options.hook,
        }),
      );
      client.destroy();
    });
  return program;
}

function endOf(audited: readonly Audited[]): ExitCode {
  return hasFindings(audited) ? "findings" : "done";
}

function spanOption(text: string): number {
  const ms = parseSpan(text);
  if (ms === undefined || ms <= 0 || ms > MOST_HOURS * HOUR) {
    throw new InvalidArgumentError("It must be a time up to 365d, such as 90m, 12h or 5d.");
  }
  return ms;
}

/** Throws the `CommandError` `usage`, which does not repeat what was given: it may be the key itself. */
function requireFingerprint(text: string): void {
  if (/^[0-9a-f]{12}$/.test(text)) return;
  throw new CommandError(
    "usage",
    "--key: must be a fingerprint, 12 hexadecimal digits",
    "`history` shows them; never type a key where others can see it",
  );
}
