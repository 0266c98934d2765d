import {
  CreateSecretCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { Command } from "commander";
import { command } from "../../core/command-line";
import { type ControlPlaneAuth, DEFAULT_CONTROL_PLANE_URL } from "../../core/contract";
import type { ControlPlane } from "../../core/control-plane/client";
import { isControlPlaneError } from "../../core/control-plane/errors";
import { ControlPlaneApiKey } from "../../core/key/credential";
import { parseRecord } from "../../core/key/stored-value";
import { secretsManagerStore, versionWith } from "../../core/secrets/secret-store";
import type { CommandLine } from "../answer";
import { CommandError, given, messageOf } from "../command-error";
import {
  controlPlaneFor,
  type EnvironmentAccess,
  openEnvironment,
  readApiKey,
} from "../instances/environment";
import { type ListedInstance, listSome, nameOf } from "../instances/instance";
import { type AuthOption, auth, type EnvironmentOption, json, region } from "../options";
import type { OperatorPorts } from "../ports";

export function registerOperatorKey(program: Command, line: CommandLine): void {
  const operatorKey = program
    .command("operator-key")
    .description("the operator's API key for the Control Plane");
  operatorKey
    .command("set")
    .description("read the operator's API key from standard input, try it at the Control Plane, and store it")
    .requiredOption("--secret <name>", "name of the Secrets Manager secret; made if there is none")
    .option("--control-plane <url>", "base URL of the Control Plane", DEFAULT_CONTROL_PLANE_URL)
    .addOption(auth)
    .addOption(json)
    .addOption(region)
    .action(line.answering(set));
  operatorKey
    .command("rotate")
    .description(
      "replace an environment's API key by the one on standard input, once it reaches every instance; the one before is kept",
    )
    .requiredOption("--environment <name>", "the environment")
    .addOption(json)
    .addOption(region)
    .action(line.answering(rotate));
}

const WHAT_IS_READ = "operator's API key";

async function set(
  ports: OperatorPorts,
  options: AuthOption & { readonly secret: string; readonly controlPlane: string },
) {
  const done = await setOperatorKey(ports, {
    secretName: options.secret,
    controlPlaneUrl: options.controlPlane,
    auth: options.auth,
    text: await ports.terminal.readKey(WHAT_IS_READ),
  });
  return {
    text:
      `${done.created ? "created" : "updated"} ${options.secret}: API key ${done.fingerprint}, ` +
      `accepted for workspace '${done.workspaceName}'`,
    json: { secret: options.secret, ...done },
  };
}

export interface OperatorKeyRequest {
  readonly secretName: string;
  readonly controlPlaneUrl: string;
  readonly auth: ControlPlaneAuth;
  /** What standard input held. */
  readonly text: string;
}

/**
 * Stores the operator's API key after the Control Plane has accepted it. Throws, and stores nothing, if the text is
 * not a key or is refused.
 */
export async function setOperatorKey(
  ports: Pick<OperatorPorts, "clock" | "sleep" | "fetch"> & {
    readonly aws: Pick<OperatorPorts["aws"], "secretsManager">;
  },
  request: OperatorKeyRequest,
): Promise<{ readonly created: boolean; readonly fingerprint: string; readonly workspaceName: string }> {
  const apiKey = given(() => new ControlPlaneApiKey(request.text));
  const { controlPlaneUrl: url, auth } = request;
  const controlPlane = controlPlaneFor({ url, urlFrom: "--control-plane", auth, apiKey }, ports);
  const workspaceName = await acceptedFor(controlPlane, apiKey);
  const created = await store(ports.aws.secretsManager, request.secretName, apiKey);
  return { created, fingerprint: apiKey.fingerprint, workspaceName };
}

async function store(
  client: SecretsManagerClient,
  secretName: string,
  apiKey: ControlPlaneApiKey,
): Promise<boolean> {
  try {
    await client.send(new PutSecretValueCommand({ SecretId: secretName, SecretString: apiKey.reveal() }));
    return false;
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    await client.send(
      new CreateSecretCommand({
        Name: secretName,
        Description: "The operator's API key for the Valmi Control Plane",
        SecretString: apiKey.reveal(),
      }),
    );
    return true;
  }
}

/**
 * Replaces an environment's operator's API key by one that reaches the same workspace and every instance of the environment.
 * The one before stays under AWSPREVIOUS, and comes back if the stored one turns out not to work.
 *
 * Throws, and stores nothing, if the text is not a key, is the present one, is refused, or is another workspace's.
 */
async function rotate(ports: OperatorPorts, { environment }: Required<EnvironmentOption>) {
  const text = await ports.terminal.readKey(WHAT_IS_READ);
  const next = given(() => new ControlPlaneApiKey(text));
  const instances = await listSome(ports, environment);
  const access = await openEnvironment(ports, instances[0] as ListedInstance);
  const { secrets, settings } = access;
  const present = await readApiKey(secrets, settings.apiKeySecretArn);
  if (present.equals(next)) {
    throw new CommandError(
      "refused",
      `key ${next.fingerprint} is the present one`,
      "make a new one at Valmi",
    );
  }
  const ids = await agentInstanceIds(access, instances);
  const workspaceName = await reach(access, next, ids);
  const before = await workspaceOf(access, present);
  if (before !== undefined && before !== workspaceName) {
    throw new CommandError(
      "refused",
      `key ${next.fingerprint} is for the workspace '${workspaceName}', and the present one for '${before}'; nothing was stored`,
      "make the new key in the same workspace",
    );
  }
  await ports.aws.secretsManager.send(
    new PutSecretValueCommand({ SecretId: settings.apiKeySecretArn, SecretString: next.reveal() }),
  );
  ports.terminal.tell(`stored key ${next.fingerprint}; key ${present.fingerprint} is kept under AWSPREVIOUS`);
  try {
    const stored = await readApiKey(secrets, settings.apiKeySecretArn);
    await reach(access, stored, ids);
  } catch (error) {
    await putBack(ports, settings.apiKeySecretArn);
    throw new CommandError(
      "failed",
      `the stored key does not work (${messageOf(error)}), so that key ${present.fingerprint} is current again`,
      "correct what the text names, and rotate again",
    );
  }
  const [from, to] = [present.fingerprint, next.fingerprint];
  return {
    text:
      `${environment}: API key ${to} after ${from}, for the workspace '${workspaceName}'; it reaches ` +
      `${ids.length} of ${ids.length} instances. Now revoke ${from} at Valmi (Settings → API Keys).`,
    json: { environment, from, to, workspaceName, instances: ids.length },
  };
}

/** The workspace of a key that reaches every instance. Throws if it is refused, or an instance is not to be seen. */
async function reach(
  access: EnvironmentAccess,
  apiKey: ControlPlaneApiKey,
  agentInstanceIds: readonly string[],
): Promise<string> {
  const controlPlane = await access.connect(apiKey);
  const workspaceName = await acceptedFor(controlPlane, apiKey);
  for (const id of agentInstanceIds) {
    if (!(await controlPlane.getInstance(id))) {
      throw new CommandError(
        "refused",
        `key ${apiKey.fingerprint} does not reach the agent instance ${id}`,
        "use a key of the workspace that the instances are in",
      );
    }
  }
  return workspaceName;
}

/** The workspace that a key is accepted for. Throws the `CommandError` `refused` if it is not. */
async function acceptedFor(controlPlane: ControlPlane, apiKey: ControlPlaneApiKey): Promise<string> {
  try {
    return await controlPlane.workspaceName();
  } catch (error) {
    if (!isControlPlaneError(error, "unauthorized", "forbidden")) throw error;
    throw new CommandError(
      "refused",
      `the Control Plane refuses key ${apiKey.fingerprint} (${error.message})`,
      "give a valid key of the workspace: Settings → API Keys",
    );
  }
}

/** `undefined` if the key is refused by now: it may have been revoked, which is why it is replaced. */
async function workspaceOf(access: EnvironmentAccess, apiKey: ControlPlaneApiKey) {
  try {
    return await (await access.connect(apiKey)).workspaceName();
  } catch (error) {
    if (isControlPlaneError(error, "unauthorized", "forbidden")) return undefined;
    throw error;
  }
}

async function agentInstanceIds(
  { secrets }: EnvironmentAccess,
  instances: readonly ListedInstance[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const instance of instances) {
    const value = await secrets.readCurrent(instance.secretArn);
    if (value === undefined) continue;
    try {
      ids.push(parseRecord(value).agentInstanceId);
    } catch (error) {
      throw new CommandError(
        "failed",
        `${nameOf(instance)}: ${messageOf(error)}`,
        `repair that first: ${command("status")}`,
      );
    }
  }
  return ids;
}

async function putBack({ aws }: OperatorPorts, secretId: string): Promise<void> {
  const secrets = secretsManagerStore(aws.secretsManager);
  const { versionStages } = await secrets.describe(secretId);
  const from = versionWith("AWSCURRENT", versionStages);
  const to = versionWith("AWSPREVIOUS", versionStages);
  if (from && to) await secrets.moveCurrent(secretId, { from, to });
}
