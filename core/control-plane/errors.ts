/** Each kind asks for another reaction of the caller. */
export type ControlPlaneErrorKind =
  /** 401: the operator's API key is not accepted. */
  | "unauthorized"
  /** 403: the operator's API key may not do this. */
  | "forbidden"
  | "not-found"
  /** 409: the name is taken, or a refresh is refused while a grace period runs. */
  | "conflict"
  /** 400 or 422: a field's value is refused, such as an unknown account. */
  | "invalid"
  | "rate-limited"
  /** 5xx. */
  | "unavailable"
  /** No answer: connection refused, reset, or timed out. */
  | "unreachable"
  /** An answer that is not what the API documents: no JSON, a missing field, a redirect, too large. */
  | "unreadable"
  /** A mint was answered with success, and no key can be read in the answer: the key exists, and nobody has it. */
  | "unreadable-key";

/**
 * A call of the Control Plane that failed. The text has method, path and status, and of the body only the `detail` that
 * a 4xx explains itself with; never a header, since headers hold keys.
 */
export class ControlPlaneError extends Error {
  override readonly name = "ControlPlaneError";

  constructor(
    readonly kind: ControlPlaneErrorKind,
    message: string,
    /** Whether the Control Plane may have carried out the call all the same. `no` is certain. */
    readonly applied: "no" | "unknown",
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

export function isControlPlaneError(
  error: unknown,
  ...kinds: ControlPlaneErrorKind[]
): error is ControlPlaneError {
  return error instanceof ControlPlaneError && (kinds.length === 0 || kinds.includes(error.kind));
}
