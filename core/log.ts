/** Structured logging, as Powertools' logger does it. Fields hold ids and fingerprints; never a header or a body. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}
