import {
  EventBridgeClient,
  ListRulesCommand,
  ListTargetsByRuleCommand,
  type Rule,
  type Target,
  TestEventPatternCommand,
} from "@aws-sdk/client-eventbridge";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import type { ServiceEvent } from "./model";

/** Where events go, beside the list that this service keeps. */
export interface EventBus {
  /** Resolves when every target has been started. Rejects where one couldn't be. */
  deliver(event: ServiceEvent): Promise<void>;
  close?(): void;
}

/**
 * The default event bus of the EventBridge API at `AWS_ENDPOINT_URL_EVENTBRIDGE`, or else `AWS_ENDPOINT_URL`; none of the
 * two, and nothing is delivered. `PutEvents` takes no events of AWS's services, from nobody, so this does what EventBridge
 * does with them: it asks which rules match, and starts their targets. Variables are read at each event, so that the
 * emulator may start later than this service.
 */
export function eventBridge(environment: NodeJS.ProcessEnv = process.env): EventBus {
  const clients = new Map<string, { destroy(): void }>();

  function client<T extends { destroy(): void }>(
    kind: new (settings: object) => T,
    service: string,
    region: string,
  ): T {
    const endpoint = environment[`AWS_ENDPOINT_URL_${service}`] || environment.AWS_ENDPOINT_URL;
    const key = `${service} ${region} ${endpoint}`;
    const made =
      clients.get(key) ??
      new kind({
        endpoint,
        region,
        credentials: {
          accessKeyId: environment.AWS_ACCESS_KEY_ID || "local",
          secretAccessKey: environment.AWS_SECRET_ACCESS_KEY || "local",
        },
      });
    clients.set(key, made);
    return made as T;
  }

  async function matchingRules(events: EventBridgeClient, event: ServiceEvent): Promise<Rule[]> {
    const matching: Rule[] = [];
    let NextToken: string | undefined;
    do {
      const page = await events.send(new ListRulesCommand({ NextToken }));
      for (const rule of page.Rules ?? []) {
        const { EventPattern, State } = rule;
        if (!EventPattern || State === "DISABLED") continue;
        const test = new TestEventPatternCommand({ EventPattern, Event: JSON.stringify(event) });
        if ((await events.send(test)).Result) matching.push(rule);
      }
      NextToken = page.NextToken;
    } while (NextToken);
    return matching;
  }

  async function start(target: Target, { region }: ServiceEvent, input: string): Promise<void> {
    const arn = target.Arn ?? "";
    const service = arn.split(":")[2];
    if (service === "states") {
      const states = client(SFNClient, "SFN", region);
      await states.send(new StartExecutionCommand({ stateMachineArn: arn, input }));
    } else if (service === "lambda") {
      const lambda = client(LambdaClient, "LAMBDA", region);
      await lambda.send(new InvokeCommand({ FunctionName: arn, InvocationType: "Event", Payload: input }));
    } else if (service === "sns") {
      await client(SNSClient, "SNS", region).send(new PublishCommand({ TopicArn: arn, Message: input }));
    } else {
      throw new Error(`a target of a kind that isn't imitated here: ${arn}`);
    }
  }

  return {
    async deliver(event) {
      if (!environment.AWS_ENDPOINT_URL_EVENTBRIDGE && !environment.AWS_ENDPOINT_URL) return;
      const events = client(EventBridgeClient, "EVENTBRIDGE", event.region);
      const rules = await matchingRules(events, event);
      const targets = await Promise.all(
        rules.map(({ Name }) => events.send(new ListTargetsByRuleCommand({ Rule: Name }))),
      );
      const all = targets.flatMap(({ Targets = [] }) => Targets);
      await Promise.all(all.map((target) => start(target, event, targetInput(target, event))));
    },
    close() {
      for (const each of clients.values()) each.destroy();
    },
  };
}

/**
 * What a target gets: its own constant, a part of the event, what its template makes of it, or the whole event.
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
 */
export function targetInput(
  { Input, InputPath, InputTransformer }: Pick<Target, "Input" | "InputPath" | "InputTransformer">,
  event: ServiceEvent,
): string {
  if (Input !== undefined) return Input;
  if (InputPath !== undefined) return JSON.stringify(valueAt(event, InputPath));
  if (InputTransformer === undefined) return JSON.stringify(event);
  const { InputPathsMap = {}, InputTemplate = "" } = InputTransformer;
  // In a text a value stands as it is, elsewhere as JSON.
  let isInText = false;
  return InputTemplate.replace(/\\.|"|<([\w.-]+)>/g, (found, name?: string) => {
    if (found === '"') isInText = !isInText;
    const path = name === undefined ? undefined : InputPathsMap[name];
    if (path === undefined) return found;
    const value = valueAt(event, path);
    const text = JSON.stringify(value ?? "");
    return isInText ? (typeof value === "string" ? text.slice(1, -1) : text.replaceAll('"', '\\"')) : text;
  });
}

/** `$.detail.name`, `$.resources[0]`; undefined where there is nothing. */
function valueAt(event: ServiceEvent, path: string): unknown {
  const names = path
    .replace(/^\$\.?/, "")
    .split(/[.[\]]+/)
    .filter((name) => name !== "");
  return names.reduce<unknown>(
    (value, name) => (value as Record<string, unknown> | undefined)?.[name],
    event,
  );
}
