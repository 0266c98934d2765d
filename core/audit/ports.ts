import {
  GetPolicyCommand,
  InvokeCommand,
  type LambdaClient,
  ResourceNotFoundException,
} from "@aws-sdk/client-lambda";
import { PublishCommand, paginateListSubscriptionsByTopic, type SNSClient } from "@aws-sdk/client-sns";
import * as v from "valibot";
import type { PageText } from "./page";

/** The rotation function, as far as it can be asked about itself. */
export interface RotationFunction {
  /** Names of what it could not do, of all that a rotation needs. Throws if it can't be run at all. */
  selfTest(secretArn: string): Promise<readonly string[]>;
  /** Whether its policy lets Secrets Manager invoke it. */
  mayBeInvoked(): Promise<boolean>;
}

/** Where pages go. */
export interface Alerts {
  publish(page: PageText): Promise<void>;
  /** Why a page would reach nobody; `undefined` if somebody has confirmed a subscription. */
  brokenRoute(): Promise<string | undefined>;
}

const selfTestAnswer = v.object({ failures: v.array(v.string()) });

export function lambdaRotationFunction(client: LambdaClient, functionArn: string): RotationFunction {
  return {
    async selfTest(secretArn) {
      const { FunctionError, Payload } = await client.send(
        new InvokeCommand({ FunctionName: functionArn, Payload: JSON.stringify({ selfTest: secretArn }) }),
      );
      const answer = v.safeParse(selfTestAnswer, parse(Payload));
      if (FunctionError !== undefined || !answer.success) {
        throw new Error(`the function ended by an error (${FunctionError ?? "unreadable answer"})`);
      }
      return answer.output.failures;
    },
    async mayBeInvoked() {
      try {
        const { Policy = "" } = await client.send(new GetPolicyCommand({ FunctionName: functionArn }));
        return admitsSecretsManager(parse(Policy));
      } catch (error) {
        // So AWS answers about a function without a policy, too.
        if (error instanceof ResourceNotFoundException) return false;
        throw error;
      }
    },
  };
}

const oneOrMore = v.union([v.string(), v.array(v.string())]);
const policy = v.object({
  Statement: v.array(
    v.object({
      Effect: v.string(),
      Principal: v.union([v.string(), v.looseObject({ Service: v.optional(oneOrMore) })]),
      Action: oneOrMore,
    }),
  ),
});

function admitsSecretsManager(document: unknown): boolean {
  const parsed = v.safeParse(policy, document);
  if (!parsed.success) return false;
  const admits = (wanted: readonly string[], given: string | readonly string[] = []) =>
    [given].flat().some((each) => wanted.includes(each));
  return parsed.output.Statement.some(
    ({ Effect, Principal, Action }) =>
      Effect === "Allow" &&
      (Principal === "*" ||
        (typeof Principal === "object" && admits(["secretsmanager.amazonaws.com"], Principal.Service))) &&
      admits(["lambda:InvokeFunction", "lambda:*", "*"], Action),
  );
}

function parse(payload: Uint8Array | string | undefined): unknown {
  try {
    return JSON.parse(typeof payload === "string" ? payload : new TextDecoder().decode(payload));
  } catch {
    return undefined;
  }
}

export function snsAlerts(client: SNSClient, topicArn: string): Alerts {
  return {
    async publish({ subject, text, json }) {
      await client.send(
        new PublishCommand({
          TopicArn: topicArn,
          Subject: subject,
          MessageStructure: "json",
          // People get the text; whatever parses what it is sent gets the JSON.
          Message: JSON.stringify({ default: text, http: json, https: json, lambda: json, sqs: json }),
        }),
      );
    },
    async brokenRoute() {
      const pages = paginateListSubscriptionsByTopic({ client }, { TopicArn: topicArn });
      for await (const { Subscriptions = [] } of pages) {
        // Until somebody confirms it says "PendingConfirmation" in the place of an ARN.
        if (Subscriptions.some(({ SubscriptionArn }) => SubscriptionArn?.startsWith("arn:")))
          return undefined;
      }
      return "nobody has confirmed a subscription";
    },
  };
}
