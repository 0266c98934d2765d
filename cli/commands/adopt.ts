import { ResourceNotFoundException } from "@aws-sdk/client-secrets-manager";
import type { Command } from "commander";
import { type ControlPlaneAuth, SECRET_TAGS } from "../../core/contract";
import { AgentKey } from "../../core/key/credential";
import { composeRecord, parseRecord, serialiseRecord } from "../../core/key/stored-value";
import { fixedVersionId, NO_VERSION } from "../../core/protocol/intent";
import { type SecretStore, secretsManagerStore, versionWith } from "../../core/secrets/secret-store";
import type { CommandLine } from "../answer";
import { CommandError, given } from "../command-error";
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
    text: await ports.terminal.readKey("agent key"),
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
 * Stores the present key of an adopted instance (`existingKey: 'provided'`) in its secret, if that holds none, or one that is
 * refused and that no rotation heals. Mints nothing. Throws, and stores nothing, if the secret is not waiting for a key, or
 * the key is refused or another instance's.
 */
export async function adoptAgentKey(
  ports: Pick<OperatorPorts, "clock" | "sleep" | "fetch"> & {
    readonly aws: Pick<OperatorPorts["aws"], "secretsManager">;
  },
  request: AdoptRequest,
): Promise<{ readonly agentInstanceId: string; readonly fingerprint: string }> {
  const { secretName } = request;
  const agentKey = given(() => new AgentKey(request.text));
  const { fingerprint } = agentKey;
  const store = secretsManagerStore(ports.aws.secretsManager);
  const { arn, tags, versionStages, rotationEnabled } = await describe(store, secretName);
  const expectedId = tags[SECRET_TAGS.adoptedInstanceId];
  const url = tags[SECRET_TAGS.controlPlaneUrl];
  if (expectedId === undefined || url === undefined) {
    throw new CommandError(
      "usage",
      `--secret: '${secretName}' does not belong to an instance with existingKey: 'provided'`,
      "give the secret that the deploy has named",
    );
  }
  const base = versionWith("AWSCURRENT", versionStages) ?? NO_VERSION;
  if (base !== NO_VERSION && rotationEnabled) {
    throw holdsKey(secretName, "a rotation gives it a new one");
  }
  const apiKey = await readApiKey(store, request.apiKeySecret);
  const urlFrom = `tag ${SECRET_TAGS.controlPlaneUrl}`;
  const controlPlane = controlPlaneFor({ url, urlFrom, auth: request.auth, apiKey }, ports);
  const instance = await controlPlane.getInstance(expectedId);
  if (!instance) {
    throw new CommandError(
      "refused",
      `the Control Plane has no instance ${expectedId}, which the secret's tag names; nothing was stored`,
      "correct `adopt` in environments.ts, and deploy",
    );
  }
  const check = await controlPlane.checkAgentKey(agentKey);
  if (!check.accepted || check.agentInstanceId !== expectedId) {
    throw new CommandError(
      "refused",
      check.accepted
        ? `key ${fingerprint} is instance ${check.agentInstanceId}'s, not ${expectedId}'s; nothing was stored`
        : `the Control Plane refuses key ${fingerprint}; nothing was stored`,
      `give the present key of ${expectedId}`,
    );
  }
  if (base !== NO_VERSION) {
    const stored = parseRecord((await store.readVersion(arn, base)) ?? "");
    if ((await controlPlane.checkAgentKey(stored.agentKey)).accepted) {
      throw holdsKey(secretName, "the Control Plane accepts it");
    }
  }
  await store.putVersion({
    secretId: arn,
    versionId: fixedVersionId(arn, base),
    stage: "AWSCURRENT",
    value: serialiseRecord(composeRecord({ agentKey, issuedAt: controlPlane.now() }, instance, tags)),
  });
  return { agentInstanceId: expectedId, fingerprint };
}

function holdsKey(secretName: string, because: string): CommandError {
  return new CommandError(
    "refused",
    `--secret: '${secretName}' holds a key already, and ${because}`,
    "nothing was changed",
  );
}

async function describe(store: SecretStore, secretName: string) {
  try {
    return await store.describe(secretName);
  } catch (error) {
    if (!(error instanceof ResourceNotFoundException)) throw error;
    throw new CommandError(
      "usage",
      `--secret: there is no secret '${secretName}' in this account and region`,
      "deploy first, which makes it",
    );
  }
}
