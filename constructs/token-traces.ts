/**
 * Spares CDKTF the stack trace that it takes of every token, to tell in an error where the token came from: half a
 * second of a synth of 1,000 agent instances. It asks for them by objects that aren't errors. Errors keep their traces.
 */
export function withoutTokenTraces<Result>(work: () => Result): Result {
  const { captureStackTrace } = Error;
  Error.captureStackTrace = (target, below) => {
    if (target instanceof Error) captureStackTrace(target, below);
  };
  try {
    return work();
  } finally {
    Error.captureStackTrace = captureStackTrace;
  }
}
