import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { awsRegion } from "../core/aws-region";
import { awsRequestHandler } from "../core/control-plane/outward";
import { reasonOf } from "../core/reason";
import { SECOND_MS } from "../core/time";
import { parseStoredKey, type StoredKey, UnreadableStoredKeyError } from "./stored-key";

/** Reads what is stored under a staging label. Throws an `AgentKeyUnreadableError`. */
export type ReadSecret = (label: "AWSCURRENT" | "AWSPREVIOUS") => Promise<StoredKey>;

/**
 * What gives secrets, told by its method: `SecretsManager` of any version of AWS's SDK, a `SecretsManagerClient` of a version near
 * the one that this package has, or anything else that can do the one call.
 */
export type SecretSource =
  | {
      getSecretValue(
        input: { SecretId: string; VersionStage: string },
        options?: never,
      ): Promise<{ readonly SecretString?: string | undefined }>;
    }
  | { send(command: never, options?: never): Promise<unknown> };

/** The agent key could not be read. The text holds AWS's reason where AWS gave one, and never a part of a value. */
export class AgentKeyUnreadableError extends Error {
  override readonly name = "AgentKeyUnreadableError";
}

export function secretsManagerFor(secretId: string, region?: string): SecretsManagerClient {
  return new SecretsManagerClient({ region: awsRegion(region, secretId), ...awsRequestHandler(process.env) });
}

/** The SDK has no limit of its own: a connection that hangs would be waited for without end. */
const READ_LIMIT_MS = 10 * SECOND_MS;

/**
 * By `GetSecretValue` alone, which is what `grantRead` allows. A read, its repeats by the SDK included, takes 10 s at most.
 *
 * @param over ends a read that is under way
 */
export function secretReader(source: SecretSource, secretId: string, over?: AbortSignal): ReadSecret {
  return async (label) => {
    const limit = AbortSignal.timeout(READ_LIMIT_MS);
    const abortSignal = over ? AbortSignal.any([limit, over]) : limit;
    try {
      return parseStoredKey(await ask(source, { SecretId: secretId, VersionStage: label }, abortSignal));
    } catch (error) {
      const reason = over?.aborted ? "the read was ended" : reasonOfRead(error);
      // Only a refusal of AWS's goes along as the cause: the SDK hangs the whole answer, value and all, on the error
      // of an answer that it can't parse, and the JSON parser quotes from it.
      const cause = isRefusal(error) ? { cause: error } : undefined;
      throw new AgentKeyUnreadableError(`secret '${secretId}', ${label}: ${reason}`, cause);
    }
  };
}

/** The value; empty for a binary one. */
async function ask(
  source: SecretSource,
  input: { SecretId: string; VersionStage: string },
  abortSignal: AbortSignal,
): Promise<string> {
  const options = { abortSignal } as never;
  const asked =
    "getSecretValue" in source
      ? source.getSecretValue(input, options)
      : source.send(new GetSecretValueCommand(input) as never, options);
  // A source of the user's need not know of the signal.
  const ended = new Promise<never>((_, reject) => {
    abortSignal.addEventListener("abort", () => reject(abortSignal.reason), { once: true });
  });
  const answer = (await Promise.race([asked, ended])) as { SecretString?: unknown } | undefined;
  return String(answer?.SecretString ?? "");
}

/** Told by what every version of the SDK puts on the errors that AWS has answered with. */
function isRefusal(error: unknown): boolean {
  return typeof error === "object" && error !== null && "$fault" in error;
}

function reasonOfRead(error: unknown): string {
  if (error instanceof UnreadableStoredKeyError) return error.message;
  if (isRefusal(error)) return reasonOf(error);
  const { name, message } = error as { readonly name?: unknown; readonly message?: unknown };
  if (name === "AbortError" || name === "TimeoutError")
    return `no answer within ${READ_LIMIT_MS / SECOND_MS} s`;
  // What failed to be parsed stands in the error's text, or hangs on it.
  const isOfAnswer = typeof error === "object" && error !== null && "$response" in error;
  if (isOfAnswer || name === "SyntaxError" || /^Expected |Deserialization/.test(String(message))) {
    return `AWS's answer can't be read (${name})`;
  }
  return reasonOf(error);
}
