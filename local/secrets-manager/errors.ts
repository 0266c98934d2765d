/** An answer of Secrets Manager that is an error: its code, its text and the HTTP status it travels with. */
export class SecretsManagerError extends Error {
  override readonly name = "SecretsManagerError";

  constructor(
    readonly code: string,
    message: string,
    readonly statusCode = 400,
  ) {
    super(message);
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

export const limitExceeded = (message: string) => new SecretsManagerError("LimitExceededException", message);

export const accessDenied = (message: string) => new SecretsManagerError("AccessDeniedException", message);

/** What AWS offers and this local service doesn't: refused under a code that AWS never uses, so that it shows. */
export const notSupported = (what: string) =>
  new SecretsManagerError(
    "UnknownOperationException",
    `${what} is not supported by the local Secrets Manager; local/secrets-manager/README.md lists what is.`,
  );
