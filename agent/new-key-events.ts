import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import * as v from "valibot";
import { awsRegion } from "../core/aws-region";
import { awsRequestHandler } from "../core/control-plane/outward";
import { reasonOf } from "../core/reason";

/** A message of the queue. It comes back after half a minute, until it is deleted. */
export interface QueuedMessage {
  /** By which it is deleted. */
  readonly handle: string;
  readonly body: string;
  /** 1 at the first time. */
  readonly receivedTimes: number;
}

/** The queue to which EventBridge sends what happens to the secret. */
export interface EventQueue {
  /** Waits for messages, about 20 seconds at the most, and gives up to ten. Rejects where the queue is out of reach. */
  receive(signal: AbortSignal): Promise<readonly QueuedMessage[]>;
  delete(messages: readonly QueuedMessage[], signal: AbortSignal): Promise<void>;
}

/** What came of a look at the secret. */
export type Look =
  /** The secret couldn't be read. */
  | "unread"
  /** The command has the key that it had: there is no other, or the other could not be brought to it. */
  | "unchanged"
  /** The command has a new key. */
  | "changed";

export interface EventPorts {
  readonly queue: EventQueue;
  /** Name or ARN. */
  readonly secretId: string;
  /** Reads the secret, and brings a new key to the command. Never rejects. */
  readonly look: () => Promise<Look>;
  /** Waits, and rejects when the signal aborts. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly random: () => number;
  readonly tell: (line: string) => void;
}

/** SQS waits itself while the queue is empty; this bounds what a queue that is never empty costs. */
export const RECEIVE_SPACING_MS = 1_000;
/** While the queue is out of reach, the wait doubles, from the one to the other. */
export const FIRST_RETRY_MS = 5_000;
export const LAST_RETRY_MS = 300_000;

/**
 * Looks at the secret whenever the queue tells of a new key, until the signal aborts; then it rejects. A message is
 * deleted once the secret was read after it came. One whose read showed nothing new is kept once more, so that a read that
 * lagged, or a hook that failed, is repeated half a minute later. What tells of anything else is deleted without a read.
 */
export async function followEvents(ports: EventPorts, signal: AbortSignal): Promise<never> {
  const { queue, secretId, look, wait, random, tell } = ports;
  let failures = 0;
  let hasToldOfOthers = false;
  for (;;) {
    try {
      const messages = await queue.receive(signal);
      if (failures > 0) tell("the queue of events can be read again");
      failures = 0;
      const announcing = messages.filter(({ body }) => announcesNewKey(body, secretId));
      const isOther = (message: QueuedMessage) => !announcing.includes(message);
      if (messages.some(isOther) && !hasToldOfOthers) {
        hasToldOfOthers = true;
        tell("the queue holds messages that tell of no new key of this secret; they are deleted");
      }
      const outcome = announcing.length === 0 ? "unchanged" : await look();
      const isDone = ({ receivedTimes }: QueuedMessage) =>
        outcome === "changed" || (outcome === "unchanged" && receivedTimes > 1);
      const done = messages.filter((message) => isOther(message) || isDone(message));
      if (done.length > 0) await queue.delete(done, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (failures === 0) {
        tell(`the queue of events: ${reasonOf(error)}; new keys are found by looking until it is back`);
      }
      const retryMs = Math.min(FIRST_RETRY_MS * 2 ** failures, LAST_RETRY_MS);
      failures += 1;
      await wait(retryMs * (0.8 + 0.4 * random()), signal);
      continue;
    }
    await wait(RECEIVE_SPACING_MS, signal);
  }
}

/** The event as EventBridge delivers it: https://docs.aws.amazon.com/secretsmanager/latest/userguide/event-detail-secret-label-updated-secretsmanager.html */
const NewKeyEvent = v.object({
  source: v.literal("aws.secretsmanager"),
  "detail-type": v.literal("Secret Label Updated"),
  resources: v.array(v.string()),
  detail: v.object({ name: v.string(), labelUpdated: v.literal("AWSCURRENT") }),
});

/** @param secretId name or ARN; the latter with or without the six characters that Secrets Manager adds to the name */
function announcesNewKey(body: string, secretId: string): boolean {
  const { success, output } = v.safeParse(v.pipe(v.string(), v.parseJson(), NewKeyEvent), body);
  if (!success) return false;
  const names = output.resources.flatMap((arn) => [arn, arn.replace(/-[A-Za-z0-9]{6}$/, "")]);
  return [output.detail.name, ...names].includes(secretId);
}

/** SQS's longest. */
const LONG_POLL_SECONDS = 20;
/** From one delivery of a message to the next. */
const HIDDEN_SECONDS = 30;
/** Beyond the long poll. The SDK has no limit of its own: a connection that hangs would be waited for without end. */
const REQUEST_LIMIT_MS = 30_000;

/** A queue of SQS, by `ReceiveMessage` and `DeleteMessage`. Endpoints come from the queue's URL or `AWS_ENDPOINT_URL…`. */
export function sqsQueue(
  queueUrl: string,
  { region, secretName }: { readonly region?: string; readonly secretName: string },
): EventQueue & { readonly close: () => void } {
  const client = new SQSClient({
    region: awsRegion(region, queueUrl, secretName),
    requestHandler: {
      ...awsRequestHandler(process.env).requestHandler,
      connectionTimeout: 5_000,
      requestTimeout: REQUEST_LIMIT_MS,
      throwOnRequestTimeout: true,
    },
  });
  return {
    async receive(abortSignal) {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: 10,
          WaitTimeSeconds: LONG_POLL_SECONDS,
          VisibilityTimeout: HIDDEN_SECONDS,
          MessageSystemAttributeNames: ["ApproximateReceiveCount"],
        }),
        { abortSignal },
      );
      return Messages.map(({ ReceiptHandle = "", Body = "", Attributes }) => ({
        handle: ReceiptHandle,
        body: Body,
        receivedTimes: Number(Attributes?.ApproximateReceiveCount ?? 1),
      }));
    },
    async delete(messages, abortSignal) {
      // Those that could not be deleted come again.
      const Entries = messages.map(({ handle }, index) => ({ Id: String(index), ReceiptHandle: handle }));
      await client.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }), { abortSignal });
    },
    close: () => client.destroy(),
  };
}
