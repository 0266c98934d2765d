/** What is left of the running invocation. Lambda ends it for good when nothing is. */
export interface Budget {
  remainingMs(): number;
}

/** Waits; a port, so that tests and the explorer wait in virtual time. */
export type Sleep = (milliseconds: number) => Promise<void>;

export const realSleep: Sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
