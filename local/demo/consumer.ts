import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { AGENT_KEY_FIELD } from "../../core/contract";
import { AgentKey } from "../../core/key/credential";

/*
 * An agent in a process of its own. It reads its key from Secrets Manager, keeps it for five minutes, and calls the
 * Control Plane with it all the time: the call with which Valmi's SDK starts up. With CONSUMER_READS=once it keeps the
 * key for ever, like an agent that takes it at start-up and is never restarted.
 *
 * The five minutes are counted on the Control Plane's clock, by the `Date` of its answers, since the story moves that
 * clock by hours. An agent learns of such a move only by the answer to its next call, so that call is made with a key
 * that may be as old as the move is long. It works nevertheless while
 *
 *     cache (5 minutes) + move  <  grace period (24 hours)
 *
 * because a key that was current when it was read is accepted for a grace period from then on. So whoever moves the
 * clock does it in steps well below the grace period, and after each step waits until every consumer has answered to a
 * "beat": by then it has made a call that began after the step.
 */
const CACHE_MS = 5 * 60 * 1_000;
/** Real time between two calls, unless a beat comes. */
const PAUSE_MS = 200;

/** What a consumer tells in answer to a beat. Times are the Control Plane's, in milliseconds since the epoch. */
export interface ConsumerReport {
  readonly calls: number;
  readonly failedCalls: number;
  readonly reads: number;
  /** Of the key of the last call. */
  readonly fingerprint: string;
  readonly lastAcceptedAt: number | null;
  readonly firstRefusedAt: number | null;
}

/** What the environment of the process has to hold, beside the settings of the AWS SDK. */
export interface ConsumerVariables {
  readonly CONSUMER_SECRET_ID: string;
  /** Base URL of the Control Plane. */
  readonly CONSUMER_CONTROL_PLANE_URL: string;
  readonly CONSUMER_READS: "again" | "once";
}

async function main(variables: ConsumerVariables): Promise<void> {
  const { CONSUMER_SECRET_ID, CONSUMER_CONTROL_PLANE_URL, CONSUMER_READS } = variables;
  const secretsManager = new SecretsManagerClient({});
  let now = 0;
  let cached: { readonly key: AgentKey; readonly readAt: number } | undefined;
  let report: ConsumerReport = {
    calls: 0,
    failedCalls: 0,
    reads: 0,
    fingerprint: "",
    lastAcceptedAt: null,
    firstRefusedAt: null,
  };

  async function currentKey(): Promise<AgentKey> {
    const isFresh = CONSUMER_READS === "once" || now - (cached?.readAt ?? 0) < CACHE_MS;
    if (cached !== undefined && isFresh) return cached.key;
    const { SecretString } = await secretsManager.send(
      new GetSecretValueCommand({ SecretId: CONSUMER_SECRET_ID }),
    );
    const key = new AgentKey(JSON.parse(SecretString ?? "{}")[AGENT_KEY_FIELD]);
    cached = { key, readAt: now };
    report = { ...report, reads: report.reads + 1 };
    return key;
  }

  async function call(): Promise<void> {
    const key = await currentKey();
    const response = await fetch(`${CONSUMER_CONTROL_PLANE_URL}/agent_instance/info`, {
      headers: { "X-Agent-Secret": key.reveal() },
    });
    await response.arrayBuffer();
    now = Date.parse(response.headers.get("date") ?? "");
    report = {
      ...report,
      calls: report.calls + 1,
      failedCalls: report.failedCalls + (response.ok ? 0 : 1),
      fingerprint: key.fingerprint,
      lastAcceptedAt: response.ok ? now : report.lastAcceptedAt,
      firstRefusedAt: response.ok ? report.firstRefusedAt : (report.firstRefusedAt ?? now),
    };
  }

  let beat = false;
  let wake = () => {};
  process.on("message", () => {
    beat = true;
    wake();
  });
  // The parent's end is this process's end: nothing is left running whatever became of it.
  process.on("disconnect", () => process.exit());

  for (;;) {
    const answersBeat = beat;
    beat = false;
    try {
      await call();
    } catch {
      // Secrets Manager or Control Plane out of reach: a failed call too.
      report = { ...report, calls: report.calls + 1, failedCalls: report.failedCalls + 1 };
    }
    if (answersBeat) process.send?.(report);
    if (!beat) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, PAUSE_MS);
      });
    }
  }
}

if (require.main === module) void main(process.env as unknown as ConsumerVariables);
