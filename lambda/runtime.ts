import { randomUUID } from "node:crypto";
import { Logger } from "@aws-lambda-powertools/logger";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { type Budget, realSleep } from "./budget";
import { systemClock } from "./clock";
import { type ControlPlane, createControlPlane } from "./control-plane/client";
import { isControlPlaneError } from "./control-plane/errors";
import { ControlPlaneApiKey } from "./domain/credential";
import { Stop } from "./domain/decision";
import type { Log } from "./log";
import type { IntentStore } from "./mint/intent";
import { dynamoDbIntentStore } from "./mint/intent-store";
import { type SecretStore, secretsManagerStore } from "./secrets/secret-store";
import { readSettings, type Settings } from "./settings";

/** What both functions are wired with. Only this file and the handlers know Lambda, the environment and AWS's clients. */
export interface Runtime {
  readonly settings: Settings;
  readonly secrets: SecretStore;
  readonly intents: IntentStore;
  readonly logger: Logger;
}

export type ConnectSettings = Pick<Settings, "controlPlaneUrl" | "controlPlaneAuth" | "apiKeySecretArn">;

/** One AWS call's time, connection included; the SDK tries three times. */
const AWS_TIMEOUTS = { connectionTimeout: 3_000, requestTimeout: 8_000, throwOnRequestTimeout: true };

/** Made once for each cold start. Endpoints come from `AWS_ENDPOINT_URL…`, as for any AWS client. */
export function createRuntime(): Runtime {
  const settings = readSettings(process.env);
  return {
    settings,
    secrets: secretsManagerStore(new SecretsManagerClient({ requestHandler: AWS_TIMEOUTS })),
    intents: dynamoDbIntentStore(new DynamoDBClient({ requestHandler: AWS_TIMEOUTS }), settings.intentTable),
    logger: new Logger(),
  };
}

/** What the protocol's modules need for one invocation, besides their stores. */
export function invocationPorts(runtime: Runtime, context: { getRemainingTimeInMillis(): number }) {
  const budget: Budget = { remainingMs: () => context.getRemainingTimeInMillis() };
  return {
    secrets: runtime.secrets,
    intents: runtime.intents,
    connect: () => connect(runtime, budget),
    gracePeriodMs: runtime.settings.gracePeriodMs,
    apiKeySecretArn: runtime.settings.apiKeySecretArn,
    controlPlaneAuth: runtime.settings.controlPlaneAuth,
    budget,
    sleep: realSleep,
    newId: randomUUID as () => string,
    log: runtime.logger as Log,
  };
}

/** Reads the operator's API key, anew for each invocation, so that a replaced one is used at once. */
export async function connect(
  { settings, secrets }: { settings: ConnectSettings; secrets: Pick<SecretStore, "readCurrent"> },
  budget: Budget,
): Promise<ControlPlane> {
  const text = await secrets.readCurrent(settings.apiKeySecretArn);
  let apiKey: ControlPlaneApiKey;
  try {
    apiKey = new ControlPlaneApiKey((text ?? "").trim());
  } catch (error) {
    throw new Stop("operator-key-missing", error instanceof Error ? error.message : "");
  }
  return createControlPlane({
    baseUrl: settings.controlPlaneUrl,
    auth: settings.controlPlaneAuth,
    apiKey,
    clock: systemClock,
    budget,
    sleep: realSleep,
    random: Math.random,
  });
}

/**
 * An error as it may leave a function: its name and text, without cause and without what an SDK hangs on its errors.
 * A refused operator's API key gets its name here, whichever call met it.
 */
export function presentable(error: unknown): Error {
  if (isControlPlaneError(error, "unauthorized", "forbidden")) {
    return presentable(new Stop("operator-key-refused", error.message));
  }
  const presented = new Error(textOf(error));
  presented.name = error instanceof Error ? error.name : "Error";
  presented.stack = `${presented.name}: ${presented.message}`;
  return presented;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  // The parser's own text quotes what it could not parse: an answer of Secrets Manager, for one.
  return error instanceof SyntaxError ? "an answer of AWS is not JSON" : error.message;
}
