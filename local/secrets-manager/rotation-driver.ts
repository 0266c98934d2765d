import type { Invocation } from "./rotation";
import type { SecretsManagerState } from "./state";

/** What Secrets Manager needs of rotation functions. */
export interface RotationFunctions {
  /** Whether the function exists and its policy lets Secrets Manager invoke it. */
  mayInvoke(functionArn: string): Promise<boolean>;
  /** Runs the function to its end. Rejects where it fails, times out or can't be invoked. */
  invoke(functionArn: string, event: Invocation["event"], abortSignal: AbortSignal): Promise<void>;
  close?(): void;
}

export interface RotationDriverOptions {
  readonly state: SecretsManagerState;
  readonly functions: Pick<RotationFunctions, "invoke">;
  /** From one look at the schedule to the next, in milliseconds. @default 200 */
  readonly intervalMs?: number;
  /** Secrets that rotate at the same time. @default 4 */
  readonly parallel?: number;
  /** Told of each failed step, in one line. @default - nobody is told */
  readonly report?: (line: string) => void;
}

/** Runs the rotations of a state machine: the schedule on an interval, and each due step through its function. */
export class RotationDriver {
  private readonly running = new Set<Promise<void>>();
  private readonly ending = new AbortController();
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly options: RotationDriverOptions) {}

  start(): void {
    this.timer ??= setInterval(() => this.turn(), this.options.intervalMs ?? 200);
  }

  /** Starts what is due now, as far as the number of parallel rotations allows. */
  turn(): void {
    const { state, parallel = 4 } = this.options;
    if (this.ending.signal.aborted) return;
    state.tick();
    while (this.running.size < parallel) {
      const invocation = state.nextInvocation();
      if (invocation === null) return;
      const run = this.run(invocation).finally(() => {
        this.running.delete(run);
        this.turn();
      });
      this.running.add(run);
    }
  }

  private async run({ id, functionArn, event }: Invocation): Promise<void> {
    const { state, functions, report } = this.options;
    try {
      await functions.invoke(functionArn, event, this.ending.signal);
      state.invocationSucceeded(id);
    } catch (error) {
      state.invocationFailed(id);
      if (this.ending.signal.aborted) return;
      report?.(
        `${event.Step} of ${event.SecretId} failed: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  /** Waits until no step is due or running. Later retries aren't waited for. */
  async settle(): Promise<void> {
    this.turn();
    while (this.running.size > 0) await Promise.all(this.running);
  }

  /** Stops, gives up the invocations that run, and waits for their end. */
  async close(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.ending.abort();
    await Promise.all(this.running);
  }
}
