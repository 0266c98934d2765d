import { setTimeout as wait } from "node:timers/promises";
import { systemClock } from "../core/clock";
import { UsageError } from "../core/command-line";
import { AGENT_KEY_VARIABLES, KEY_SHAPE } from "../core/contract";
import { SECOND_MS } from "../core/time";
import { agentKeys } from "./agent-keys";
import { sqsQueue } from "./new-key-events";
import { type OnNewKey, runWithKey } from "./runner";
import { secretReader, secretsManagerFor } from "./secret-reader";
import { hasTerminal, startSignalWitness } from "./signal-witness";

/** About how long from one look at the secret to the next, alone and beside a queue that tells of new keys. */
export const WATCH_SECONDS = 300;
export const WATCH_SECONDS_WITH_EVENTS = 900;

export interface ExecRequest {
  readonly secretName: string;
  /** Besides `VALMI_AGENT_KEY` and `VALUE_AGENT_SECRET`. */
  readonly variables: readonly string[];
  readonly command: readonly string[];
  /** @default 300, or 900 with a queue of events */
  readonly watchSeconds?: number;
  /** URL of this runner's own SQS queue of the secret's events. @default - none */
  readonly eventQueueUrl?: string;
  /** @default - that of the secret's ARN, else of AWS_REGION, AWS_DEFAULT_REGION or the AWS profile */
  readonly region?: string;
  readonly stopSeconds: number;
  readonly gracePeriodHours: number;
  readonly overlapSeconds?: number;
  readonly hook?: string;
}

/** Runs the command until it ends, and gives its exit code. Throws a `UsageError`, and whatever `runWithKey` throws. */
export async function execWithKey(request: ExecRequest): Promise<number> {
  const [program, ...args] = request.command;
  if (program === undefined) throw new UsageError("COMMAND: missing");
  for (const name of request.variables) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      // What comes after the equals sign may be a key.
      const got = name.replace(/=.*/s, "=…").replace(KEY_SHAPE, "[masked]");
      throw new UsageError(
        `--env: must be the name of an environment variable, without a value, got: ${got}`,
      );
    }
  }
  const { secretName: secretId, gracePeriodHours, eventQueueUrl } = request;
  const usual = eventQueueUrl === undefined ? WATCH_SECONDS : WATCH_SECONDS_WITH_EVENTS;
  if (eventQueueUrl !== undefined && !/^https?:\/\/[^/\s]+\/\S+$/.test(eventQueueUrl)) {
    throw new UsageError("--events: must be the URL of an SQS queue, https://…, not its name or ARN");
  }
  const bringing = onNewKey(request);
  const client = secretsManagerFor(secretId, request.region);
  const queue = eventQueueUrl === undefined ? undefined : sqsQueue(eventQueueUrl, request);
  const witness = hasTerminal() ? await startSignalWitness() : undefined;
  // A read or a wait that is under way at the end would keep this process for seconds.
  const over = new AbortController();
  try {
    return await runWithKey(
      {
        command: [program, ...args],
        environment: process.env,
        variables: [...AGENT_KEY_VARIABLES, ...request.variables],
        watchMs: (request.watchSeconds ?? usual) * SECOND_MS,
        stopMs: request.stopSeconds * SECOND_MS,
        onNewKey: bringing,
      },
      {
        keys: agentKeys(
          { secretId, gracePeriodHours },
          {
            read: secretReader(client, secretId, over.signal),
            sleep: (milliseconds) => wait(milliseconds, undefined, { signal: over.signal }),
          },
        ),
        ...(queue && { events: { queue, secretId } }),
        clock: systemClock,
        wait: (milliseconds, signal) => wait(milliseconds, undefined, { signal }),
        random: Math.random,
        tell: (line) => console.error(`valmi-agent-keys: ${line}`),
        signals: process,
        ...(witness && { witness }),
      },
    );
  } finally {
    over.abort();
    witness?.close();
    queue?.close();
    client.destroy();
  }
}

function onNewKey({ hook, overlapSeconds }: ExecRequest): OnNewKey {
  if (hook !== undefined && overlapSeconds !== undefined) {
    throw new UsageError("--hook, --overlap: choose one; a hook leaves the command running");
  }
  if (hook !== undefined) return { kind: "hook", hook };
  return overlapSeconds === undefined
    ? { kind: "restart" }
    : { kind: "overlap", overlapMs: overlapSeconds * SECOND_MS };
}
