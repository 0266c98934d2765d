import { randomUUID } from "node:crypto";
import { CloudTrailClient } from "@aws-sdk/client-cloudtrail";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SNSClient } from "@aws-sdk/client-sns";
import { realSleep, type Sleep } from "../core/budget";
import { type Clock, systemClock } from "../core/clock";
import { processTerminal, type Terminal } from "./terminal";

export interface AwsClients {
  readonly secretsManager: SecretsManagerClient;
  readonly lambda: LambdaClient;
  readonly dynamoDb: DynamoDBClient;
  readonly sns: SNSClient;
  readonly cloudTrail: CloudTrailClient;
}

/** What a command is wired with. Tests give it the local servers and a clock of their own. */
export interface OperatorPorts {
  readonly aws: AwsClients;
  readonly terminal: Terminal;
  /** The machine's clock: for waits, and to be compared with the Control Plane's. */
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly newId: () => string;
  /** @default the platform's `fetch` */
  readonly fetch?: typeof fetch;
}

/** Endpoints come from `AWS_ENDPOINT_URL…`, as for any AWS client. */
export function processPorts({ region }: { readonly region?: string }): OperatorPorts {
  const options = region === undefined ? {} : { region };
  return {
    aws: {
      secretsManager: new SecretsManagerClient(options),
      lambda: new LambdaClient(options),
      dynamoDb: new DynamoDBClient(options),
      sns: new SNSClient(options),
      cloudTrail: new CloudTrailClient(options),
    },
    terminal: processTerminal,
    clock: systemClock,
    sleep: realSleep,
    newId: randomUUID,
  };
}
