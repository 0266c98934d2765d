import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  TransactionCanceledException,
} from "@aws-sdk/client-dynamodb";
import {
  ResourceExistsException,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { INTENT_TABLE_KEYS } from "../../core/contract";
import { SecretsManagerError } from "../../local/secrets-manager/errors";
import { AwsRefusal } from "../harness/in-memory-aws";
import { InMemoryTable } from "../harness/in-memory-table";

/** Carries out one call of a service, in whatever way the schedule has for it. */
export type Send = (operation: string, input: Record<string, unknown>) => Promise<object>;

interface Command {
  readonly constructor: { readonly name: string };
  readonly input: Record<string, unknown>;
}

const operationOf = (command: Command) => command.constructor.name.replace(/Command$/, "");

/** The SDK's client as far as our store uses it: commands in, answers or the SDK's typed errors out. */
export function secretsManagerClient(send: Send): SecretsManagerClient {
  return {
    async send(command: Command) {
      try {
        return await send(operationOf(command), command.input);
      } catch (error) {
        if (!(error instanceof SecretsManagerError)) throw error;
        const details = { message: error.message, $metadata: {} };
        if (error.code === "ResourceNotFoundException") throw new ResourceNotFoundException(details);
        if (error.code === "ResourceExistsException") throw new ResourceExistsException(details);
        throw error;
      }
    },
  } as unknown as SecretsManagerClient;
}

export function dynamoDbClient(send: Send): DynamoDBClient {
  return {
    async send(command: Command) {
      try {
        return await send(operationOf(command), command.input);
      } catch (error) {
        if (!(error instanceof AwsRefusal)) throw error;
        const details = { message: error.message, $metadata: {}, ...error.fields };
        if (error.code === "ConditionalCheckFailedException")
          throw new ConditionalCheckFailedException(details);
        if (error.code === "TransactionCanceledException") throw new TransactionCanceledException(details);
        throw error;
      }
    },
  } as unknown as DynamoDBClient;
}

/** The table of intents. What it holds is plain data, and a snapshot whenever it is looked at. */
export class IntentTable extends InMemoryTable {
  constructor() {
    super("intents", [INTENT_TABLE_KEYS.partition, INTENT_TABLE_KEYS.sort]);
  }
}

/** One that the SDK's paginators take for their own. */
export function tableClient(send: Send): DynamoDBClient {
  return Object.assign(Object.create(DynamoDBClient.prototype), dynamoDbClient(send));
}
