import {
  GetSecretValueCommand,
  type SecretsManagerClient,
  SecretsManagerServiceException,
} from "@aws-sdk/client-secrets-manager";
import { type AgentKeyRecord, parseRecord, UnreadableSecretValueError } from "../core/key/stored-value";

/** Reads what is stored under a staging label. Throws an `AgentKeyUnreadableError`. */
export type ReadSecret = (label: "AWSCURRENT" | "AWSPREVIOUS") => Promise<AgentKeyRecord>;

/** The agent key could not be read. The text holds AWS's reason where AWS gave one, and never a part of a value. */
export class AgentKeyUnreadableError extends Error {
  override readonly name = "AgentKeyUnreadableError";
}

/** The SDK has no limit of its own: a connection that hangs would be waited for without end. */
const READ_LIMIT_MS = 10_000;

/** By `GetSecretValue` alone, which is what `grantRead` allows. A read, its repeats by the SDK included, takes 10 s at most. */
export function secretReader(client: SecretsManagerClient, secretId: string): ReadSecret {
  return async (label) => {
    try {
      const { SecretString } = await client.send(
        new GetSecretValueCommand({ SecretId: secretId, VersionStage: label }),
        { abortSignal: AbortSignal.timeout(READ_LIMIT_MS) },
      );
      return parseRecord(SecretString ?? "");
    } catch (error) {
      // Only a refusal of AWS's goes along as the cause: the SDK hangs the whole answer, value and all, on the error
      // of an answer that it can't parse, and the JSON parser quotes from it.
      const cause = error instanceof SecretsManagerServiceException ? { cause: error } : undefined;
      throw new AgentKeyUnreadableError(`secret '${secretId}', ${label}: ${reasonOf(error)}`, cause);
    }
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof SecretsManagerServiceException) return `${error.name}: ${error.message}`;
  if (error instanceof UnreadableSecretValueError) return error.message;
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  if (typeof code === "string") return code;
  return name === "AbortError" ? `no answer within ${READ_LIMIT_MS / 1_000} s` : String(name);
}
