import { ResourceNotFoundException } from "@aws-sdk/client-secrets-manager";
import type { Command } from "commander";
import { type ControlPlaneAuth, SECRET_TAGS } from "../../core/contract";
import { AgentKey } from "../../core/key/credential";
import { composeRecord, parseRecord, serialiseRecord } from "../../core/key/stored-value";
import { fixedVersionId, NO_VERSION } from "../../core/protocol/intent";
import { type SecretStore, secretsManagerStore, versionWith } from "../../core/secrets/secret-store";
import type { CommandLine } from "../answer";
import { controlPlaneFor, readApiKey } from "../instances/environment";
import { type AuthOption, auth, json, region } from "../options";
import type { OperatorPorts } from "../ports";

export function registerAdopt(program: Command, line: CommandLine): void {
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
    .action(line.answering(adopt));
}

async function adopt(
  ports: OperatorPorts,
  options: AuthOption & { readonly secret: string; readonly apiKeySecret: string },
) {
  const done = await adoptAgentKey(ports, {
    secretName: options.secret,
    apiKeySecret: options.apiKeySecret,
    auth: options.auth,
    text: await ports.terminal.readInput("agent key"),
  });
  return {
    text: `stored key ${done.fingerprint} of agent instance ${done.agentInstanceId}; now deploy again`,
    json: done,
  };
}

export interface AdoptRequest {
  readonly secretName: string;
  /** Name or ARN of the secret of the operator's API key. */
  readonly apiKeySecret: string;
  readonly auth: ControlPlaneAuth;
  /** What standard input held. */
  readonly text: string;
}

/**
 * Stores the present key of an adopted instance (`existingKey: 'provided'`) in its secret, where that holds none, or one
 * that is refused and that no rotation heals. Mints nothing. Throws, and stores nothing, where the secret is not waiting
 * for a key, or the key is refused or another instance's.
 */
export async function adoptAgentKey(
  ports: Pick<OperatorPorts, "clock" | "sleep" | "fetch"> & {
    readonly aws: Pick<OperatorPorts["aws"], "secretsManager">;
  },
  request: AdoptRequest,
): Promise<{ readonly agentInstanceId: string; readonly fingerprint: string }> {
  const agentKey = new AgentKey(request.text);
  const store = secretsManagerStore(ports.aws.secretsManager);
  const { arn, tags, versionStages, rotationEnabled } = await describe(store, request.secretName);
  const expectedId = tags[SECRET_TAGS.adoptedInstanceId];
  const url = tags[SECRET_TAGS.controlPlaneUrl];
  if (expectedId === undefined || url === undefined) {
    throw new Error(
      `--secret: '${request.secretName}' does not belong to an instance with existingKey: 'provided'`,
    );
  }
  const base = versionWith("AWSCURRENT", versionStages) ?? NO_VERSION;
  if (base !== NO_VERSION && rotationEnabled) {
    throw new Error(
      `--secret: '${request.secretName}' holds a key already, and a rotation gives it a new one; nothing was changed`,
    );
  }
  const apiKey = await readApiKey(store, request.apiKeySecret);
  const urlFrom = `tag ${SECRET_TAGS.controlPlaneUrl}`;
  const controlPlane = controlPlaneFor({ url, urlFrom, auth: request.auth, apiKey }, ports);
  const instance = await controlPlane.getInstance(expectedId);
  if (!instance)
    throw new Error(`the Control Plane has no instance ${expectedId}, which the secret's tag names`);
  const check = await controlPlane.checkAgentKey(agentKey);
  if (!check.accepted)
    throw new Error(`the Control Plane refuses key ${agentKey.fingerprint}; nothing was stored`);
  if (check.agentInstanceId !== expectedId) {
    throw new Error(
      `key ${agentKey.fingerprint} is instance ${check.agentInstanceId}'s, not ${expectedId}'s`,
    );
  }
  if (base !== NO_VERSION) {
    const stored = parseRecord((await store.readVersion(arn, base)) ?? "");
    if ((await controlPlane.checkAgentKey(stored.agentKey)).accepted) {
      throw new Error(
        `--secret: '${request.secretName}' holds a key already, and the Control Plane accepts it; nothing was changed`,
      );
    }
  }
  await store.putVersion({
    secretId: arn,
    versionId: fixedVersionId(arn, base),
    stage: "AWSCURRENT",
    value: serialiseRecord(composeRecord({ agentKey, issuedAt: controlPlane.now() }, instance, tags)),
  });
  return { agentInstanceId: expectedId, fingerprint: agentKey.fingerprint };
}

async function describe(store: SecretStore, secretName: string) {
  try {
    return await store.describe(secretName);
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    throw new Error(
      `--secret: there is no secret '${secretName}' in this account and region; deploy first, which makes it`,
    );
  }
}
