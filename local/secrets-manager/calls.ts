export interface CallCounts {
  readonly total: number;
  readonly byOperation: Readonly<Record<string, number>>;
  /** By what the user agent says of itself, then by operation. */
  readonly byCaller: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** `AWS_SDK_UA_APP_ID` names an SDK's caller; others are known by their product. */
function callerOf(userAgent: string): string {
  const app = /\bapp\/([\w.-]+)/.exec(userAgent)?.[1];
  if (app !== undefined) return app;
  if (/terraform/i.test(userAgent)) return "terraform";
  return userAgent.split("/")[0] || "unknown";
}

/** Counts calls, those that are refused included. */
export class CallCounter {
  private readonly counts = new Map<string, Map<string, number>>();

  count(operation: string, userAgent: string): void {
    const caller = callerOf(userAgent);
    const operations = this.counts.get(caller) ?? new Map<string, number>();
    operations.set(operation, (operations.get(operation) ?? 0) + 1);
    this.counts.set(caller, operations);
  }

  reset(): void {
    this.counts.clear();
  }

  read(): CallCounts {
    const byOperation: Record<string, number> = {};
    for (const operations of this.counts.values()) {
      for (const [operation, count] of operations)
        byOperation[operation] = (byOperation[operation] ?? 0) + count;
    }
    const byCaller = [...this.counts].map(([caller, operations]) => [caller, Object.fromEntries(operations)]);
    return {
      total: Object.values(byOperation).reduce((sum, count) => sum + count, 0),
      byOperation,
      byCaller: Object.fromEntries(byCaller),
    };
  }
}
