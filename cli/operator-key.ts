import {
  CreateSecretCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { ControlPlaneAuth } from "../lambda/contract";
import { ControlPlaneApiKey } from "../lambda/domain/credential";
import { controlPlaneFor } from "./control-plane";

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
