/*
 * What every agent here does, however it comes by its key: it calls the Control Plane all the time, and writes one line of
 * JSON for each call to standard output. Calls by an agent that is told to end are finished first.
 */

/** Real time between two calls. */
export const PAUSE_MS = 100;

/** One call, as an agent reports it. */
export interface CallReport {
  readonly ok: boolean;
  /** Fingerprint of the key that it was made with. */
  readonly key: string;
}

/** Makes calls until SIGTERM, the first one at once. */
export async function callAllTheTime(call: () => Promise<CallReport>): Promise<void> {
  let isEnding = false;
  process.on("SIGTERM", () => {
    isEnding = true;
  });
  while (!isEnding) {
    console.log(JSON.stringify(await call()));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
