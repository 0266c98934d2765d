import { AsyncLocalStorage } from "node:async_hooks";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { INTENT_TABLE_KEYS } from "../../core/contract";
import { SecretsManagerState } from "../../local/secrets-manager/state";

/** Who makes calls of AWS: a function by its purpose, a consumer, or a person at the command line. */
export type Caller = string;

/** One call of AWS as code made it, with what IAM sees of it. */
export interface RecordedCall {
  readonly caller: Caller;
  /** Of IAM, such as `secretsmanager:GetSecretValue`. */
  readonly action: string;
  readonly resource: RecordedResource;
  /** Values of condition keys that the request or its resource give. */
  readonly context: Readonly<Record<string, string>>;
}

/** What the call is about, told apart as the policies do. */
export type RecordedResource =
  | { readonly kind: "agent-key" | "operator-key"; readonly rotationFunction: "configured" | "none" }
  | { readonly kind: "intent-table" | "any" | "topic" | "trail" }
  | { readonly kind: "function"; readonly purpose: string };

const caller = new AsyncLocalStorage<Caller>();
const recorded = new Map<string, { readonly call: RecordedCall; times: number }>();
/** What was called, and IAM's view of it isn't known here. Must be empty. */
const notUnderstood = new Set<string>();

/** Everything that was called so far, each once, with how often. */
export const recordedCalls = () => [...recorded.values()];
export const callsNotUnderstood = () => [...notUnderstood];

/** `work`, and whatever it starts, is this caller's. */
export function as<Result>(name: Caller, work: () => Result): Result {
  return caller.run(name, work);
}

/** The same module, whose functions are called as this caller. */
export function calledAs<Module extends object>(name: Caller, module: Module): Module {
  const wrapped = Object.entries(module).map(([key, value]) => [
    key,
    typeof value === "function" && !/^class\b/.test(String(value))
      ? (...args: unknown[]) => as(name, () => value(...args))
      : value,
  ]);
  return Object.fromEntries(wrapped) as Module;
}

/** What a factory makes, whose methods are called as this caller where nobody else calls them. */
export function madeFor<Made extends object>(name: Caller, made: Made): Made {
  const wrapped = Object.entries(made).map(([key, method]) => [
    key,
    (...args: unknown[]) => as(caller.getStore() ?? name, () => method.apply(made, args)),
  ]);
  return Object.fromEntries(wrapped) as Made;
}

/** Notes one call; `input` is the command's. Calls of nobody, such as a test's own, are not noted. */
export function note(service: string, operation: string, input: Readonly<Record<string, unknown>>): void {
  const name = caller.getStore();
  if (name === undefined) return;
  const view = VIEWS[service]?.(operation, input);
  if (view === undefined) {
    notUnderstood.add(`${name}: ${service} ${operation}`);
    return;
  }
  // A secret that isn't there: there is nothing for IAM to look at, and the call fails.
  if (view === "nothing-there") return;
  const call = { caller: name, ...view };
  const key = JSON.stringify(call);
  const known = recorded.get(key);
  if (known) known.times++;
  else recorded.set(key, { call, times: 1 });
}

type View = Omit<RecordedCall, "caller"> | "nothing-there" | undefined;

const VIEWS: Readonly<Record<string, (operation: string, input: Readonly<Record<string, unknown>>) => View>> =
  {
    "Secrets Manager": viewOfSecret,
    DynamoDB: (operation, input) => ({
      action: `dynamodb:${operation}`,
      resource: { kind: "intent-table" },
      context: leadingKey(input),
    }),
    Lambda: (operation, { FunctionName }) => ({
      action: `lambda:${operation === "Invoke" ? "InvokeFunction" : operation}`,
      resource: { kind: "function", purpose: /\w+$/.exec(String(FunctionName))?.[0] ?? "" },
      context: {},
    }),
    SNS: (operation) => ({ action: `sns:${operation}`, resource: { kind: "topic" }, context: {} }),
    CloudTrail: (operation) => ({
      action: `cloudtrail:${operation}`,
      resource: { kind: operation === "DescribeTrails" ? "any" : "trail" },
      context: {},
    }),
  };

const KEY = "secretsmanager:";

// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
function viewOfSecret(operation: string, input: Readonly<Record<string, unknown>>): View {
  const action = `${KEY}${operation}`;
  if (operation === "ListSecrets") return { action, resource: { kind: "any" }, context: {} };
  const id = String(input.SecretId ?? input.Name ?? "");
  const secret = latestState?.secret(id);
  if (operation === "CreateSecret") {
    const context = { [`${KEY}Name`]: "operator-key" };
    return { action, resource: { kind: "operator-key", rotationFunction: "none" }, context };
  }
  if (!secret) return "nothing-there";
  const isAgentKey = /\/agent-key$/.test(secret.name);
  return {
    action,
    resource: {
      kind: isAgentKey ? "agent-key" : "operator-key",
      rotationFunction: secret.rotation?.functionArn ? "configured" : "none",
    },
    context: versionKeys(input),
  };
}

/** What a request to Secrets Manager says of versions and labels. */
export function versionKeys({ VersionStage, VersionId }: Readonly<Record<string, unknown>>) {
  return {
    ...(typeof VersionStage === "string" && { [`${KEY}VersionStage`]: VersionStage }),
    ...(typeof VersionId === "string" && { [`${KEY}VersionId`]: "a-version" }),
  };
}

export const ROTATION_FUNCTION = "secretsmanager:resource/AllowRotationLambdaArn";
export const LEADING_KEYS = "dynamodb:LeadingKeys";
/** In the place of a secret's ARN. */
export const SOME_SECRET = "a secret";

function leadingKey(input: Readonly<Record<string, unknown>>): Record<string, string> {
  const partition = partitionOf(input);
  if (partition === undefined) return {};
  return { [LEADING_KEYS]: partition.startsWith("arn:") ? SOME_SECRET : partition };
}

/** The partition that an operation of DynamoDB is about; a scan is about all. */
export function partitionOf({
  Key,
  Item,
  ExpressionAttributeValues,
}: Readonly<Record<string, unknown>>): string | undefined {
  type Item = Readonly<Record<string, { readonly S?: string }>>;
  return (
    ((Key ?? Item) as Item | undefined)?.[INTENT_TABLE_KEYS.partition]?.S ??
    Object.values((ExpressionAttributeValues ?? {}) as Item)[0]?.S
  );
}

/** The Secrets Manager that was asked last: one test has one at a time. */
let latestState: SecretsManagerState | undefined;

/** Has every client of the AWS SDK in this process note its calls, whoever made the client. */
export function recordAllClients(): void {
  const perform = SecretsManagerState.prototype.call;
  SecretsManagerState.prototype.call = function (this: SecretsManagerState, ...args) {
    latestState = this;
    return perform.apply(this, args);
  };

  const client = Object.getPrototypeOf(SecretsManagerClient.prototype) as {
    send(command: Command, ...rest: unknown[]): unknown;
  };
  const send = client.send;
  client.send = function (this: { readonly config: { readonly serviceId: string } }, command, ...rest) {
    note(this.config.serviceId, operationOf(command), command.input);
    return send.call(this, command, ...rest);
  };
}

interface Client {
  readonly config: { readonly serviceId: string };
  send(command: Command, ...rest: unknown[]): unknown;
}

/** A client whose own `send` a test has put in the place of the SDK's, with its calls noted all the same. */
export function noting<Made extends Client>(client: Made): Made {
  if (!Object.hasOwn(client, "send")) return client;
  const send = (command: Command, ...rest: unknown[]) => {
    note(client.config.serviceId, operationOf(command), command.input);
    return client.send(command, ...rest);
  };
  return Object.create(client, { send: { value: send } });
}

interface Command {
  readonly constructor: { readonly name: string };
  readonly input: Readonly<Record<string, unknown>>;
}

export const operationOf = (command: Command) => command.constructor.name.replace(/Command$/, "");
