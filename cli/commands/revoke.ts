import type { Command } from "commander";
import { command } from "../../core/command-line";
import type { AgentKey } from "../../core/key/credential";
import { moment, SECOND_MS } from "../../core/time";
import type { CommandLine } from "../answer";
import { CommandError } from "../command-error";
import { type Instance, openInstance } from "../instances/environment";
import { nameOf } from "../instances/instance";
import { findKey, readCurrent, type StoredRecord } from "../instances/keys";
import { rotatedText, rotateKey } from "../instances/rotation";
import { json, region, type WaitOption, wait, type YesOption, yes } from "../options";
import type { OperatorPorts } from "../ports";
import { agree } from "../terminal";

export function registerRevoke(program: Command, line: CommandLine): void {
  program
    .command("revoke")
    .description(
      "end a leaked key now: a new key first, then whatever ends the leaked one, asking at each step",
    )
    .argument("<instance>")
    .option("--key <fingerprint>", "the leaked key, if it is not the current one")
    .option(
      "--deactivate",
      "if the key outlives rotation: deactivate the instance, which stops its agent",
      false,
    )
    .addOption(yes)
    .addOption(wait)
    .addOption(json)
    .addOption(region)
    .action(line.answering(revoke));
}

interface RevokeOptions extends YesOption, WaitOption {
  /** Fingerprint of the leaked key. @default the current key's */
  readonly key?: string;
  /** If rotation does not end the key: deactivate the instance, which refuses every key that it has. */
  readonly deactivate: boolean;
}

/** What is known after each step, and decides about the next. */
interface RevokeFacts {
  readonly isCurrent: boolean;
  readonly isAccepted: boolean;
  /** Rotations that this command has made since the key left AWSCURRENT. */
  readonly furtherRotations: number;
  readonly deactivate: boolean;
  /** Whether this command has deactivated the instance. */
  readonly isDeactivated: boolean;
}

export type RevokeStep =
  | "done"
  /** A new key comes under AWSCURRENT: nothing can be ended before. */
  | "rotate"
  /** A second refresh inside the grace period, which ends the key where the Control Plane keeps only the latest one. */
  | "rotate-again"
  | "deactivate"
  /** Nothing that may be done without being asked for ends it. */
  | "give-up";

type TakenStep = Exclude<RevokeStep, "done" | "give-up">;

/**
 * The next step towards a key that nobody can use. Valmi does not say what a second refresh does to the key before, so it is
 * asked: after each step whether the key is still accepted.
 */
export function nextRevokeStep(facts: RevokeFacts): RevokeStep {
  if (facts.isCurrent) return "rotate";
  if (!facts.isAccepted) return "done";
  if (facts.isDeactivated) return "give-up";
  if (facts.deactivate) return "deactivate";
  return facts.furtherRotations === 0 ? "rotate-again" : "give-up";
}

/** Ends a leaked key now. Throws the `CommandError` `unfinished` if the key is still accepted afterwards. */
async function revoke(ports: OperatorPorts, name: string, options: RevokeOptions) {
  const { terminal } = ports;
  if (options.key !== undefined) requireFingerprint(options.key);
  const instance = await openInstance(ports, name);
  const leaked =
    options.key === undefined ? await readCurrent(instance) : await findKey(ports, instance, options.key);
  const steps: TakenStep[] = [];
  let furtherRotations = 0;
  for (;;) {
    const current = await readCurrent(await openInstance(ports, instance.secretArn));
    const step = nextRevokeStep({
      isCurrent: current.agentKey.equals(leaked.agentKey),
      isAccepted: await isAccepted(instance, leaked.agentKey),
      furtherRotations,
      isDeactivated: steps.includes("deactivate"),
      deactivate: options.deactivate && (steps.length > 0 || !current.agentKey.equals(leaked.agentKey)),
    });
    const facts = { instance, leaked, current, diesAt: await diesAt(instance, leaked) };
    if (step === "done") {
      const done = {
        instance: nameOf(instance),
        leaked: leaked.agentKey.fingerprint,
        current: current.agentKey.fingerprint,
        steps,
        isActive: !steps.includes("deactivate"),
      };
      return { text: revokedText(done), json: done };
    }
    if (step === "give-up") throw stillAccepted(facts, steps.includes("deactivate"));
    terminal.tell(explain(step, facts));
    await agree(terminal, QUESTIONS[step], options.yes, steps.length > 0);
    if (step === "deactivate") {
      await (await instance.connect()).updateInstance(leaked.agentInstanceId, { isActive: false });
    } else {
      if (step === "rotate-again") furtherRotations += 1;
      const isMade = await rotateOr(ports, instance, options.wait * SECOND_MS, step);
      if (!isMade) continue;
    }
    steps.push(step);
  }
}

/** Throws the `CommandError` `usage`, which does not repeat what was given: it may be the key itself. */
function requireFingerprint(text: string): void {
  if (/^[0-9a-f]{12}$/.test(text)) return;
  throw new CommandError(
    "usage",
    "--key: must be a fingerprint, 12 hexadecimal digits",
    `${command("history")} shows them; never type a key where others can see it`,
  );
}

/** The first rotation has to succeed. Where the second one is refused, the next step is another. */
async function rotateOr(
  ports: OperatorPorts,
  instance: Instance,
  waitMs: number,
  step: "rotate" | "rotate-again",
): Promise<boolean> {
  try {
    ports.terminal.tell(rotatedText(await rotateKey(ports, instance, { emergency: true, waitMs })));
    return true;
  } catch (error) {
    if (step === "rotate" || !(error instanceof CommandError)) throw error;
    ports.terminal.tell(error.message);
    return false;
  }
}

const QUESTIONS: Record<TakenStep, string> = {
  rotate: "Make a new key now?",
  "rotate-again": "Rotate once more?",
  deactivate: "Deactivate the instance?",
};

interface Situation {
  readonly instance: Instance;
  readonly leaked: StoredRecord;
  readonly current: StoredRecord;
  readonly diesAt: number | undefined;
}

function explain(step: TakenStep, situation: Situation): string {
  const { instance, leaked, current } = situation;
  const name = nameOf(instance);
  const key = leaked.agentKey.fingerprint;
  if (step === "rotate") {
    return (
      `${name}: key ${key} is the current one. A new key comes first, so that agents have one to go to. If a grace period ` +
      `runs already, the key before may end at once.`
    );
  }
  if (step === "rotate-again") {
    return (
      `${name}: the Control Plane still accepts key ${key}${until(situation)}. A second rotation ends it where the Control ` +
      `Plane keeps only the latest key before; it also begins the last hours of key ${current.agentKey.fingerprint}.`
    );
  }
  return (
    `${name}: while the instance ${leaked.agentInstanceId} is inactive, every key of it is refused: key ${key}, and the ` +
    `current one, ${current.agentKey.fingerprint}, as well. The agent stands still until it is active again.`
  );
}

function until({ diesAt: at }: Situation): string {
  return at === undefined ? "" : `, until ${moment(at)}`;
}

/** When the key ends by itself, as the record of its replacement says; `undefined` before that. */
async function diesAt({ history, secretArn }: Instance, leaked: StoredRecord): Promise<number | undefined> {
  const records = await history.ofSecret(secretArn);
  const { fingerprint } = leaked.agentKey;
  return records.find(({ previousFingerprint }) => previousFingerprint === fingerprint)?.previousKeyExpiresAt;
}

function stillAccepted(situation: Situation, isDeactivated: boolean): CommandError {
  const { instance, leaked, current } = situation;
  const name = nameOf(instance);
  const key = leaked.agentKey.fingerprint;
  if (isDeactivated) {
    return new CommandError(
      "unfinished",
      `${name}: the Control Plane still accepts key ${key}, though the instance is inactive`,
      "ask Valmi to end it, and delete the instance there if that takes too long",
    );
  }
  return new CommandError(
    "unfinished",
    `${name}: the Control Plane still accepts key ${key}${until(situation)}, also after a second rotation; agents have ` +
      `key ${current.agentKey.fingerprint}`,
    `stop the instance until then: ${command(`revoke ${name} --key ${key} --deactivate`)}. Or replace it: add an ` +
      `instance of another id to environments.ts, deploy, move the agent over, and take '${instance.id}' out`,
  );
}

async function isAccepted(instance: Instance, key: AgentKey): Promise<boolean> {
  return (await (await instance.connect()).checkAgentKey(key)).accepted;
}

function revokedText({
  instance,
  leaked,
  current,
  isActive,
  steps,
}: {
  readonly instance: string;
  readonly leaked: string;
  /** The key that agents have to use from now on. */
  readonly current: string;
  readonly isActive: boolean;
  readonly steps: readonly TakenStep[];
}): string {
  const lines = [`${instance}: the Control Plane refuses key ${leaked}.`];
  if (isActive) {
    lines.push(
      `Whoever still uses it is refused: agents that read their key at their start and have not been restarted. ` +
        `They need key ${current}, which is under AWSCURRENT.`,
    );
    if (steps.includes("rotate-again")) {
      lines.push("Agents that took the key in between have to read again too.");
    }
  } else {
    lines.push(
      `So it does every key of ${instance}, which is inactive: the agent stands still. When key ${leaked} has ended by itself, ` +
        `activate the instance at Valmi, or raise its \`revision\` in environments.ts and deploy. Agents then need key ${current}.`,
    );
  }
  return lines.join("\n");
}
