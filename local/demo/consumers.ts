import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { withoutAws } from "../emulator";
import { exitOf, signalProcess, waitForEnd } from "../processes";
import type { ConsumerReport, ConsumerVariables } from "./consumer";

/** How consumers call themselves to Secrets Manager. */
export const CONSUMER_APP_ID = "consumer";

/** What a consumer's process has to be told. */
export interface ConsumerOptions {
  readonly instanceId: string;
  readonly secretId: string;
  readonly controlPlaneUrl: string;
  readonly reads: "again" | "once";
  /** By which its AWS SDK reaches the local Secrets Manager. */
  readonly awsVariables: Readonly<Record<string, string>>;
}

/** One consumer process. */
export class Consumer {
  private constructor(
    readonly instanceId: string,
    readonly reads: "again" | "once",
    private readonly child: ChildProcess,
  ) {}

  /** Starts it and waits for its first call. */
  static async start(options: ConsumerOptions): Promise<Consumer> {
    const { instanceId, secretId, controlPlaneUrl, reads, awsVariables } = options;
    const variables: ConsumerVariables = {
      CONSUMER_SECRET_ID: secretId,
      CONSUMER_CONTROL_PLANE_URL: controlPlaneUrl,
      CONSUMER_READS: reads,
    };
    const child = fork(join(__dirname, "consumer.ts"), {
      execArgv: ["--import", require.resolve("tsx")],
      env: { ...withoutAws(process.env), ...awsVariables, AWS_SDK_UA_APP_ID: CONSUMER_APP_ID, ...variables },
      detached: true, // as the other children: a Ctrl-C reaches the parent only
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const consumer = new Consumer(instanceId, reads, child);
    await consumer.beat();
    return consumer;
  }

  /**
   * Waits for a call that begins after now, and returns how things stand then.
   *
   * @throws Error where the process has ended.
   */
  beat(): Promise<ConsumerReport> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error(`the consumer of ${this.instanceId} has ended`));
      if (this.child.exitCode !== null || !this.child.connected) {
        ended();
        return;
      }
      this.child.once("exit", ended);
      this.child.once("message", (report) => {
        this.child.off("exit", ended);
        resolve(report as ConsumerReport);
      });
      this.child.send({ kind: "beat" });
    });
  }

  async stop(): Promise<void> {
    const { pid } = this.child;
    if (pid === undefined || this.child.exitCode !== null || this.child.signalCode !== null) return;
    signalProcess(pid, "SIGTERM");
    for (const left of await waitForEnd([pid], 2_000)) signalProcess(left, "SIGKILL");
    await exitOf(this.child);
  }
}
