import type { IncomingMessage } from "node:http";
import { SecretsManagerError } from "./errors";
import { type Input, structure } from "./input";

/* AWS JSON 1.1, as Secrets Manager speaks it: what a request says, and what an error looks like. */

export interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const MAX_BODY_BYTES = 1024 * 1024;

/** AWS spells the text `Message` in the errors that the service's model knows, and `message` in the general ones. */
const GENERAL_ERRORS = [
  "ValidationException",
  "AccessDeniedException",
  "SerializationException",
  "UnknownOperationException",
];

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export function errorReply(error: unknown): Reply {
  const { code, message, statusCode } =
    error instanceof SecretsManagerError
      ? error
      : new SecretsManagerError("InternalServiceError", messageOf(error), 500);
  const field = GENERAL_ERRORS.includes(code) ? "message" : "Message";
  return {
    status: statusCode,
    body: { __type: code, [field]: message },
    headers: { "x-amzn-errortype": code },
  };
}

/** The request's body: a JSON object, empty where there is none. */
export async function readInput(request: IncomingMessage): Promise<Input> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) {
      throw new SecretsManagerError("SerializationException", "The request is too large.", 413);
    }
    chunks.push(chunk as Buffer);
  }
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString() || "{}");
  } catch {
    throw new SecretsManagerError("SerializationException", "The request is not JSON.");
  }
  return structure(body, "The request");
}

/** The operation in `X-Amz-Target`; the whole header where it names another service. */
export function operationOf(request: IncomingMessage): string {
  const target = String(request.headers["x-amz-target"]);
  return /^secretsmanager\.(\w+)$/.exec(target)?.[1] ?? target;
}

/** The region in the credential scope of the signature, which nobody checks. */
export const regionOf = (request: IncomingMessage): string | undefined =>
  /Credential=[^/]+\/\d+\/([a-z0-9-]+)\/secretsmanager\//.exec(request.headers.authorization ?? "")?.[1];
