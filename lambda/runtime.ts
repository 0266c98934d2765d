import { randomUUID } from "node:crypto";
import { Logger } from "@aws-lambda-powertools/logger";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { type Budget, realSleep, type Sleep } from "../core/budget";
import { type Clock, systemClock } from "../core/clock";
import { KEY_SHAPE } from "../core/contract";
import { type ControlPlane, createControlPlane, type InstanceDirectory } from "../core/control-plane/client";
import { isControlPlaneError } from "../core/control-plane/errors";
import { createFetch } from "../core/control-plane/route";
import { dynamoDbIntentStore } from "../core/intent-table/intent-store";
import { dynamoDbRefusalProofs } from "../core/intent-table/refusal-proofs";
import { ControlPlaneApiKey } from "../core/key/credential";
import type { Log } from "../core/log";
import type { IntentStore } from "../core/protocol/intent";
import type { RefusalProofs } from "../core/protocol/refusal-proof";
import { Stop } from "../core/protocol/stops";
import { type SecretStore, secretsManagerStore } from "../core/secrets/secret-store";
import { readSettings, type Settings } from "../core/settings/function-settings";

/** What both functions are wired with. Only this file and the handlers know Lambda, the environment and AWS's clients. */
export interface Runtime {
  readonly settings: Settings;
  readonly secrets: SecretStore;
  readonly intents: IntentStore;
  readonly proofs: RefusalProofs;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One AWS call's time, connection included; the SDK tries three times. */
export const AWS_TIMEOUTS = { connectionTimeout: 3_000, requestTimeout: 8_000, throwOnRequestTimeout: true };

/** Made once for each cold start. Endpoints come from `AWS_ENDPOINT_URL…`, as for any AWS client. */
export function createRuntime(): Runtime {
  const settings = readSettings(process.env);
  const secretsManager = new SecretsManagerClient({ requestHandler: AWS_TIMEOUTS });
  const dynamoDb = new DynamoDBClient({ requestHandler: AWS_TIMEOUTS });
  return {
    settings,
    secrets: secretsManagerStore(secretsManager),
    intents: dynamoDbIntentStore(dynamoDb, settings.intentTable),
    proofs: dynamoDbRefusalProofs(dynamoDb, settings.intentTable),
    clock: awsClock(secretsManager),
    logger: new Logger(),
  };
}

/** The machine's time as AWS corrects it: the SDK learns from each answer how far the two are apart. */
function awsClock({ config }: SecretsManagerClient): Clock {
  return { now: () => systemClock.now() + (config.systemClockOffset ?? 0) };
}

/** What the machine gives. */
export interface Platform {
  readonly sleep: Sleep;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  readonly newId: () => string;
  /** @default the platform's `fetch` */
  readonly fetch?: typeof fetch;
}

const MACHINE: Platform = { sleep: realSleep, random: Math.random, newId: randomUUID };

/** What the protocol's modules need for one invocation. */
export function invocationPorts(
  {
    settings,
    secrets,
    intents,
    proofs,
    clock,
    logger,
  }: Omit<Runtime, "logger"> & { readonly logger: Logger | Log },
  context: { getRemainingTimeInMillis(): number },
  platform: Platform = MACHINE,
) {
  const budget: Budget = { remainingMs: () => context.getRemainingTimeInMillis() };
  return {
    secrets,
    intents,
    proofs,
    clock,
    connect: () => connect(settings, secrets, budget, { ...platform, clock }),
    gracePeriodMs: settings.gracePeriodMs,
    apiKeySecretArn: settings.apiKeySecretArn,
    controlPlaneAuth: settings.controlPlaneAuth,
    budget,
    sleep: platform.sleep,
    newId: platform.newId,
    log: logger as Log,
  };
}

/** How long a policy of IAM may take until it takes effect, and how often a call that it denies is tried meanwhile. */
const POLICY_SPREADS_MS = 15_000;
const POLICY_POLL_MS = 2_000;

/**
 * The same stores, whose calls are repeated for the invocation's first seconds where AWS denies them. Terraform calls the
 * provisioning function right after it has written the function's policy:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
 */
export function untilAllowed<T extends Pick<Runtime, "secrets" | "intents" | "clock">>(
  runtime: T,
  { sleep }: Pick<Platform, "sleep"> = MACHINE,
): T {
  const { clock } = runtime;
  const until = clock.now() + POLICY_SPREADS_MS;
  const patient =
    (call: (...input: unknown[]) => Promise<unknown>) =>
    async (...input: unknown[]) => {
      for (;;) {
        try {
          return await call(...input);
        } catch (error) {
          const isDenied = error instanceof Error && error.name === "AccessDeniedException";
          if (!isDenied || clock.now() + POLICY_POLL_MS > until) throw error;
          await sleep(POLICY_POLL_MS);
        }
      }
    };
  const patiently = <P extends object>(port: P): P =>
    Object.fromEntries(Object.entries(port).map(([name, call]) => [name, patient(call)])) as P;
  return { ...runtime, secrets: patiently(runtime.secrets), intents: patiently(runtime.intents) };
}

/** Reads the operator's API key, anew for each invocation, so that a replaced one is used at once. */
async function connect(
  settings: Settings,
  secrets: Pick<SecretStore, "readCurrent">,
  budget: Budget,
  platform: Platform & { readonly clock: Clock },
): Promise<ControlPlane & InstanceDirectory> {
  const text = await secrets.readCurrent(settings.apiKeySecretArn);
  let apiKey: ControlPlaneApiKey;
  try {
    apiKey = new ControlPlaneApiKey((text ?? "").trim());
  } catch (error) {
    throw new Stop("operator-key-missing", error instanceof Error ? error.message : "");
  }
  return createControlPlane({
    ...(settings.controlPlaneRoute === undefined ? {} : { fetch: createFetch(settings.controlPlaneRoute) }),
    ...platform,
    baseUrl: settings.controlPlaneUrl,
    auth: settings.controlPlaneAuth,
    apiKey,
    budget,
  });
}

/**
 * An error as it may leave a function: its name and text, without cause and without what an SDK hangs on its errors.
 * What has the shape of a key is masked, whoever put it there: a service's text may quote what it was sent.
 * A refused operator's API key gets its name here, whichever call met it.
 */
export function presentable(error: unknown): Error {
  if (isControlPlaneError(error, "unauthorized", "forbidden")) {
    return presentable(new Stop("operator-key-refused", error.message));
  }
  const presented = new Error(textOf(error).replace(KEY_SHAPE, "[masked]"));
  presented.name = error instanceof Error ? error.name : "Error";
  presented.stack = `${presented.name}: ${presented.message}`;
  return presented;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  // The parser's own text quotes what it could not parse: an answer of Secrets Manager, for one.
  return error instanceof SyntaxError ? "an answer of AWS is not JSON" : error.message;
}
