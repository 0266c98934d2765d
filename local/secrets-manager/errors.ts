/**
 * An answer of Secrets Manager that is an error: its code, its text and the HTTP status it travels with. It has no
 * stack: it is no fault of this program, and capturing one takes many times as long as the call.
 */
export class SecretsManagerError extends Error {
  override readonly name = "SecretsManagerError";
  readonly code: string;
  readonly statusCode: number;

  constructor(code: string, message: string, statusCode = 400) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = limit;
    this.code = code;
    this.statusCode = statusCode;
  }
}

export const notFound = () =>
  new SecretsManagerError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");

/** @param what such as `staging label: AWSPENDING` or `VersionId: …` */
export const noValue = (what: string) =>
  new SecretsManagerError(
    "ResourceNotFoundException",
    `Secrets Manager can't find the specified secret value for ${what}`,
  );

export const markedForDeletion = () =>
  invalidRequest("You can't perform this operation on the secret because it was marked for deletion.");

export const invalidRequest = (message: string) =>
  new SecretsManagerError("InvalidRequestException", message);

export const invalidParameter = (message: string) =>
  new SecretsManagerError("InvalidParameterException", message);

export const validation = (message: string) => new SecretsManagerError("ValidationException", message);

export const resourceExists = (message: string) =>
  new SecretsManagerError("ResourceExistsException", message);

/** A token names one version for ever: its value can't be changed. */
export const tokenInUse = (token: string, secretArn: string) =>
  resourceExists(
    `You can't use ClientRequestToken ${token} because that value is already in use for a version of secret ${secretArn}.`,
  );

export const limitExceeded = (message: string) => new SecretsManagerError("LimitExceededException", message);

export const accessDenied = (message: string) => new SecretsManagerError("AccessDeniedException", message);

/** What AWS offers and this local service doesn't: refused under a code that AWS never uses, so that it shows. */
export const notSupported = (what: string) =>
  new SecretsManagerError(
    "UnknownOperationException",
    `${what} is not supported by the local Secrets Manager; local/secrets-manager/README.md lists what is.`,
  );
