import { ConditionalCheckFailedException, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  ResourceExistsException,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { SecretsManagerError } from "../../local/secrets-manager/errors";

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
    send: (command: Command) => send(operationOf(command), command.input),
  } as unknown as DynamoDBClient;
}

type Item = Record<string, { S?: string; N?: string }>;

/** DynamoDB as far as the intent store uses it: GetItem, conditional PutItem and UpdateItem on one table. Plain data. */
export class IntentTable {
  constructor(public items: ReadonlyMap<string, Item> = new Map()) {}

  call(operation: string, input: Record<string, unknown>): object {
    const names = (input.ExpressionAttributeNames ?? {}) as Record<string, string>;
    const values = (input.ExpressionAttributeValues ?? {}) as Item;
    const key = keyOf((operation === "PutItem" ? input.Item : input.Key) as Item);
    const standing = this.items.get(key);
    if (operation === "GetItem") return standing ? { Item: standing } : {};
    if (!holds(String(input.ConditionExpression), standing, names, values)) {
      throw new ConditionalCheckFailedException({
        message: "The conditional request failed",
        $metadata: {},
        ...(input.ReturnValuesOnConditionCheckFailure === "ALL_OLD" && standing
          ? { Item: standing as never }
          : {}),
      });
    }
    const item =
      operation === "PutItem" ? (input.Item as Item) : { ...standing, ...assignments(input, names, values) };
    this.items = new Map(this.items).set(key, item);
    return {};
  }
}

const keyOf = (item: Item) => `${item.secretArn?.S} ${item.baseVersionId?.S}`;

function holds(
  condition: string,
  item: Item | undefined,
  names: Record<string, string>,
  values: Item,
): boolean {
  return condition.split(" AND ").every((term) => {
    const absent = /^attribute_not_exists\((\w+)\)$/.exec(term);
    if (absent) return item?.[absent[1] as string] === undefined;
    const [left, right] = term.split(" = ") as [string, string];
    return JSON.stringify(item?.[names[left] ?? left]) === JSON.stringify(values[right]);
  });
}

function assignments(input: Record<string, unknown>, names: Record<string, string>, values: Item): Item {
  const terms = String(input.UpdateExpression).replace(/^SET /, "").split(", ");
  return Object.fromEntries(
    terms.map((term) => {
      const [left, right] = term.split(" = ") as [string, string];
      return [names[left] ?? left, values[right] as Item[string]];
    }),
  );
}
