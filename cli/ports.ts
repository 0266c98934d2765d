import { randomUUID } from "node:crypto";
import { CloudTrailClient } from "@aws-sdk/client-cloudtrail";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SNSClient } from "@aws-sdk/client-sns";
import { awsRegion } from "../core/aws-region";
import { realSleep, type Sleep } from "../core/budget";
import { type Clock, systemClock } from "../core/clock";
import { awsRequestHandler } from "../core/control-plane/outward";
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

/** What a command says about where it goes. */
export interface Whereabouts {
  readonly region?: string;
  /** Names and ARNs that the command was given. */
  readonly names?: readonly string[];
}

/** Region, credentials, endpoints, proxy and CA come from where any AWS client takes them. */
export function processPorts({ region, names = [] }: Whereabouts): OperatorPorts {
  const options = awsOptions({ region, names });
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

/** What every client of AWS is made with. */
function awsOptions({
  region,
  names = [],
}: { readonly [K in keyof Whereabouts]: Whereabouts[K] | undefined }) {
  return { region: awsRegion(region, ...names), ...awsRequestHandler(process.env) };
}
