import { paginateListSecretVersionIds } from "@aws-sdk/client-secrets-manager";
import type { AgentKey } from "../../core/key/credential";
import { parseRecord } from "../../core/key/stored-value";
import { CommandError } from "../command-error";
import { type Instance, nameOf, openInstance, readCurrent, type StoredRecord } from "../instances";
import type { OperatorPorts } from "../ports";
import { agree } from "../terminal";
import { moment } from "../times";
import { rotatedText, rotateKey } from "./rotate";

export interface RevokeOptions {
  /** Fingerprint of the leaked key. @default the current key's */
  readonly key?: string;
  /** Where rotation does not end the key: deactivate the instance, which refuses every key that it has. */
  readonly deactivate: boolean;
  readonly yes: boolean;
  readonly waitMs: number;
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

export interface Revoked {
  readonly instance: Instance;
  readonly leaked: string;
  readonly steps: readonly Exclude<RevokeStep, "done" | "give-up">[];
  /** The key that agents have to use from now on. */
  readonly current: string;
  readonly isActive: boolean;
}

/** Ends a leaked key now. Throws the `CommandError` `unfinished` where the key is still accepted afterwards. */
export async function revokeKey(
  ports: OperatorPorts,
  name: string,
  options: RevokeOptions,
): Promise<Revoked> {
  const { terminal } = ports;
  const instance = await openInstance(ports, name);
  const leaked = await findKey(ports, instance, options.key);
  const steps: Revoked["steps"][number][] = [];
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
      return {
        instance,
        leaked: leaked.agentKey.fingerprint,
        steps,
        current: current.agentKey.fingerprint,
        isActive: !steps.includes("deactivate"),
      };
    }
    if (step === "give-up") throw stillAccepted(facts, steps.includes("deactivate"));
    terminal.tell(explain(step, facts));
    await agree(terminal, QUESTIONS[step], options.yes);
    if (step === "deactivate") {
      await (await instance.connect()).updateInstance(leaked.agentInstanceId, { isActive: false });
    } else {
      if (step === "rotate-again") furtherRotations += 1;
      const isMade = await rotateOr(ports, instance, options.waitMs, step);
      if (!isMade) continue;
    }
    steps.push(step);
  }
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

const QUESTIONS: Record<Exclude<RevokeStep, "done" | "give-up">, string> = {
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

function explain(step: Exclude<RevokeStep, "done" | "give-up">, situation: Situation): string {
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
    `stop the instance until then: valmi-agent-keys revoke ${name} --key ${key} --deactivate. Or replace it: add an ` +
      `instance of another id to environments.ts, deploy, move the agent over, and take '${instance.id}' out`,
  );
}

async function isAccepted(instance: Instance, key: AgentKey): Promise<boolean> {
  return (await (await instance.connect()).checkAgentKey(key)).accepted;
}

/** Looks among all versions that Secrets Manager has kept, also those without a label. */
async function findKey(
  ports: OperatorPorts,
  instance: Instance,
  fingerprint: string | undefined,
): Promise<StoredRecord> {
  if (fingerprint === undefined) return readCurrent(instance);
  const pages = paginateListSecretVersionIds(
    { client: ports.aws.secretsManager },
    { SecretId: instance.secretArn, IncludeDeprecated: true },
  );
  for await (const { Versions = [] } of pages) {
    for (const { VersionId } of Versions) {
      const record = VersionId && (await readRecord(instance, VersionId));
      if (record && record.agentKey.fingerprint === fingerprint) return record;
    }
  }
  throw new CommandError(
    "usage",
    `no version of the secret of ${nameOf(instance)} holds a key ${fingerprint}`,
    `its keys: valmi-agent-keys history ${nameOf(instance)}`,
  );
}

async function readRecord(instance: Instance, versionId: string): Promise<StoredRecord | undefined> {
  try {
    const value = await instance.secrets.readVersion(instance.secretArn, versionId);
    return value === undefined ? undefined : { ...parseRecord(value), versionId };
  } catch {
    return undefined;
  }
}

export function revokedText({ instance, leaked, current, isActive, steps }: Revoked): string {
  const name = nameOf(instance);
  const lines = [`${name}: the Control Plane refuses key ${leaked}.`];
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
      `So it does every key of ${name}, which is inactive: the agent stands still. When key ${leaked} has ended by itself, ` +
        `activate the instance at Valmi, or raise its \`revision\` in environments.ts and deploy. Agents then need key ${current}.`,
    );
  }
  return lines.join("\n");
}
