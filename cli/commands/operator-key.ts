import {
  CreateSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { ControlPlaneAuth } from "../../core/contract";
import { isControlPlaneError } from "../../core/control-plane/errors";
import { ControlPlaneApiKey } from "../../core/key/credential";
import { parseRecord } from "../../core/key/stored-value";
import { secretsManagerStore, versionWith } from "../../core/secrets/secret-store";
import { CommandError } from "../command-error";
import { controlPlaneFor } from "../control-plane";
import { type EnvironmentAccess, listSome, nameOf, openEnvironment, readApiKey } from "../instances";
import type { OperatorPorts } from "../ports";

export interface OperatorKeyRequest {
  readonly secretName: string;
  readonly controlPlaneUrl: string;
  readonly auth: ControlPlaneAuth;
  /** What standard input held. */
  readonly text: string;
}

/**
 * Stores the operator's API key after the Control Plane has accepted it. Throws, and stores nothing, where the text is
 * not a key or is refused.
 */
export async function setOperatorKey(
  client: SecretsManagerClient,
  request: OperatorKeyRequest,
): Promise<{ readonly created: boolean; readonly fingerprint: string; readonly workspaceName: string }> {
  const apiKey = new ControlPlaneApiKey(request.text);
  const { controlPlaneUrl: url, auth } = request;
  const controlPlane = controlPlaneFor({ url, urlFrom: "--control-plane", auth, apiKey });
  const workspaceName = await controlPlane.workspaceName();
  const created = await store(client, request.secretName, apiKey);
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

export interface OperatorKeyRotated {
  readonly environment: string;
  readonly from: string;
  readonly to: string;
  readonly workspaceName: string;
  /** Instances that the new key has been seen to reach. */
  readonly instances: number;
}

/**
 * Replaces an environment's operator's API key by one that reaches the same workspace and every instance of the environment.
 * The one before stays under AWSPREVIOUS, and comes back where the stored one turns out not to work.
 *
 * Throws, and stores nothing, where the text is not a key, is the present one, is refused, or is another workspace's.
 */
export async function rotateOperatorKey(
  ports: OperatorPorts,
  environment: string,
  text: string,
): Promise<OperatorKeyRotated> {
  const next = new ControlPlaneApiKey(text);
  const instances = await listSome(ports, environment);
  const access = await openEnvironment(ports, instances[0] as (typeof instances)[0]);
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
      `the stored key does not work (${error instanceof Error ? error.message : "unknown error"}), so that key ${present.fingerprint} is current again`,
      "correct what the text names, and rotate again",
    );
  }
  return {
    environment,
    from: present.fingerprint,
    to: next.fingerprint,
    workspaceName,
    instances: ids.length,
  };
}

/** The workspace of a key that reaches every instance. Throws where it is refused, or an instance is not to be seen. */
async function reach(
  access: EnvironmentAccess,
  apiKey: ControlPlaneApiKey,
  agentInstanceIds: readonly string[],
): Promise<string> {
  const controlPlane = await access.connect(apiKey);
  const workspaceName = await controlPlane.workspaceName();
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

/** `undefined` where the key is refused by now: it may have been revoked, which is why it is replaced. */
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
  instances: Awaited<ReturnType<typeof listSome>>,
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
        `${nameOf(instance)}: ${error instanceof Error ? error.message : "unreadable value"}`,
        "repair that first: valmi-agent-keys status",
      );
    }
  }
  return ids;
}

async function putBack({ aws }: OperatorPorts, secretId: string): Promise<void> {
  const { VersionIdsToStages = {} } = await aws.secretsManager.send(
    new DescribeSecretCommand({ SecretId: secretId }),
  );
  const from = versionWith("AWSCURRENT", VersionIdsToStages);
  const to = versionWith("AWSPREVIOUS", VersionIdsToStages);
  if (from && to) await secretsManagerStore(aws.secretsManager).moveCurrent(secretId, { from, to });
}

export function operatorKeyText(done: OperatorKeyRotated): string {
  return (
    `${done.environment}: API key ${done.to} after ${done.from}, for the workspace '${done.workspaceName}'; it reaches ` +
    `${done.instances} of ${done.instances} instances. Now revoke ${done.from} at Valmi (Settings → API Keys).`
  );
}
