import { Logger } from "@aws-lambda-powertools/logger";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";

let runtime: object | undefined;

/** The rotation function without rotation: the same clients and logger, made at the first call as `createRuntime` does. */
export async function handler(): Promise<object> {
  runtime ??= {
    secrets: new SecretsManagerClient({}),
    intents: new DynamoDBClient({}),
    logger: new Logger(),
  };
  return runtime;
}
