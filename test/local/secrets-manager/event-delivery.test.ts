import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { FrozenClock } from "../../../local/clock";
import { eventBridge, targetInput } from "../../../local/secrets-manager/event-delivery";
import { labelUpdated } from "../../../local/secrets-manager/events";
import { type SecretsManager, startSecretsManager } from "../../../local/secrets-manager/server";

const SECRET = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:valmi/dev/support/agent-key-AbCdEf";
const STATE_MACHINE = "arn:aws:states:eu-west-1:000000000000:stateMachine:restart";
const TOPIC = "arn:aws:sns:eu-west-1:000000000000:alerts";
const FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:watch";

/** An emulator as far as this is concerned: rules with targets, which match where their pattern is in the event's text. */
class Emulator {
  readonly started: { readonly what: string; readonly input: string }[] = [];
  rules: { Name: string; EventPattern?: string; State?: string; targets: object[] }[] = [];
  refuse = false;
  private readonly server: Server;

  private constructor() {
    this.server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = Buffer.concat(chunks).toString();
      const operation = String(request.headers["x-amz-target"] ?? "")
        .split(".")
        .at(-1);
      const isSns = body.includes("Action=Publish");
      const answer = this.answer(operation || (isSns ? "Publish" : "Invoke"), body, request.url ?? "");
      response.statusCode =
        this.refuse && operation === "StartExecution" ? 400 : operation ? 200 : isSns ? 200 : 202;
      response.end(isSns ? "<PublishResponse><PublishResult/></PublishResponse>" : JSON.stringify(answer));
    });
  }

  static async start(): Promise<Emulator> {
    const emulator = new Emulator();
    await new Promise<void>((resolve) => emulator.server.listen(0, "127.0.0.1", resolve));
    return emulator;
  }

  get environment() {
    return { AWS_ENDPOINT_URL: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}` };
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  private answer(operation: string, body: string, url: string): object {
    switch (operation) {
      case "ListRules": {
        const from = Number(JSON.parse(body).NextToken ?? 0);
        const isLast = from + 1 >= this.rules.length;
        return {
          Rules: this.rules.slice(from, from + 1),
          ...(isLast ? {} : { NextToken: String(from + 1) }),
        };
      }
      case "TestEventPattern": {
        const { EventPattern, Event } = JSON.parse(body);
        return { Result: Event.includes(EventPattern) };
      }
      case "ListTargetsByRule":
        return { Targets: this.rules.find(({ Name }) => Name === JSON.parse(body).Rule)?.targets };
      case "StartExecution": {
        const { stateMachineArn, input } = JSON.parse(body);
        if (!this.refuse) this.started.push({ what: stateMachineArn, input });
        return this.refuse ? { __type: "StateMachineDoesNotExist" } : { executionArn: "e", startDate: 0 };
      }
      case "Publish":
        this.started.push({ what: TOPIC, input: String(new URLSearchParams(body).get("Message")) });
        return {};
      default:
        this.started.push({ what: decodeURIComponent(url), input: body });
        return {};
    }
  }
}

const event = labelUpdated(
  { id: "e-1", now: 0, secretArn: SECRET },
  { name: "valmi/dev/support/agent-key", labelUpdated: "AWSCURRENT", versionId: "v-1" },
);

let emulator: Emulator;
beforeEach(async () => {
  emulator = await Emulator.start();
});
afterEach(() => emulator.close());

const target = (Arn: string, more: object = {}) => ({ Id: "t", Arn, ...more });
const rule = (Name: string, EventPattern: string, ...targets: object[]) => ({ Name, EventPattern, targets });

describe("delivery", () => {
  test("starts the targets of every rule that matches, and of no other", async () => {
    emulator.rules = [
      rule("restart", "AWSCURRENT", target(STATE_MACHINE, { Input: '{"service":"support"}' })),
      rule("other", "valmi/dev/billing", target(`${STATE_MACHINE}-other`)),
      rule("tell", "Secret Label Updated", target(TOPIC, { InputPath: "$.detail.name" }), target(FUNCTION)),
      { ...rule("off", "AWSCURRENT", target(`${STATE_MACHINE}-off`)), State: "DISABLED" },
      { Name: "schedule", targets: [target(`${STATE_MACHINE}-schedule`)] },
    ];
    const bus = eventBridge(emulator.environment);
    await bus.deliver(event);
    bus.close?.();
    expect(emulator.started).toHaveLength(3);
    expect(emulator.started).toEqual(
      expect.arrayContaining([
        { what: STATE_MACHINE, input: '{"service":"support"}' },
        { what: TOPIC, input: '"valmi/dev/support/agent-key"' },
        { what: expect.stringContaining(FUNCTION), input: JSON.stringify(event) },
      ]),
    );
  });

  test("says so where a target is of a kind that isn't imitated", async () => {
    emulator.rules = [rule("queue", "AWSCURRENT", target("arn:aws:sqs:eu-west-1:000000000000:queue"))];
    const bus = eventBridge(emulator.environment);
    await expect(bus.deliver(event)).rejects.toThrow("isn't imitated here: arn:aws:sqs:");
    bus.close?.();
  });

  test("goes nowhere without an emulator", async () => {
    await expect(eventBridge({}).deliver(event)).resolves.toBeUndefined();
  });
});

describe("a target's input", () => {
  test.each([
    ["its constant", { Input: '{"a":1}' }, '{"a":1}'],
    ["a part of the event", { InputPath: "$.detail.versionId" }, '"v-1"'],
    ["an entry of a list", { InputPath: "$.resources[0]" }, JSON.stringify(SECRET)],
    [
      "a template, with values in texts and as JSON",
      {
        InputTransformer: {
          InputPathsMap: { name: "$.detail.name", detail: "$.detail" },
          InputTemplate: '{"text":"key of <name>","name":<name>,"detail":<detail>,"left":"<unknown>"}',
        },
      },
      '{"text":"key of valmi/dev/support/agent-key","name":"valmi/dev/support/agent-key",' +
        `"detail":${JSON.stringify(event.detail)},"left":"<unknown>"}`,
    ],
    ["the event", {}, JSON.stringify(event)],
  ])("%s", (_, settings, expected) => {
    expect(targetInput(settings as never, event)).toBe(expected);
  });
});

describe("the local Secrets Manager", () => {
  const reports: string[] = [];
  let secretsManager: SecretsManager;
  beforeEach(async () => {
    reports.length = 0;
    const bus = { ...eventBridge(emulator.environment) };
    secretsManager = await startSecretsManager({
      clock: new FrozenClock(),
      eventBus: bus,
      report: (line) => reports.push(line),
    });
  });
  afterEach(() => secretsManager.close());

  const put = (SecretString: string, token: string) =>
    secretsManager.state.call(
      "PutSecretValue",
      { SecretId: "valmi/dev/support/agent-key", SecretString, ClientRequestToken: token.repeat(32) },
      "eu-west-1",
    );

  test("delivers each new key once, and is settled only then", async () => {
    emulator.rules = [
      rule("restart", "AWSCURRENT", target(STATE_MACHINE, { InputPath: "$.detail.versionId" })),
    ];
    const secret = {
      Name: "valmi/dev/support/agent-key",
      ClientRequestToken: "1".repeat(32),
      SecretString: "one",
    };
    secretsManager.state.call("CreateSecret", secret, "eu-west-1");
    put("two", "2");
    put("two", "2");
    await secretsManager.settle();
    const inputs = emulator.started.map(({ input }) => input);
    expect(inputs.sort()).toEqual(["1", "2"].map((token) => JSON.stringify(token.repeat(32))));
    expect(reports).toEqual([]);
  });

  test("goes on where an event can't be delivered, and reports it", async () => {
    emulator.rules = [rule("restart", "AWSCURRENT", target(STATE_MACHINE))];
    emulator.refuse = true;
    const secret = {
      Name: "valmi/dev/support/agent-key",
      ClientRequestToken: "1".repeat(32),
      SecretString: "one",
    };
    secretsManager.state.call("CreateSecret", secret, "eu-west-1");
    await secretsManager.settle();
    expect(reports).toEqual([expect.stringMatching(/^event Secret Label Updated not delivered: /)]);
    emulator.refuse = false;
    put("two", "2");
    await secretsManager.settle();
    expect(emulator.started).toHaveLength(1);
  });
});
