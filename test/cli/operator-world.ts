import { Readable } from "node:stream";
import { CloudTrailClient } from "@aws-sdk/client-cloudtrail";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { SNSClient } from "@aws-sdk/client-sns";
import type { OperatorPorts } from "../../cli/ports";
import { run } from "../../cli/program";
import { SECRET_TAGS } from "../../core/contract";
import { ControlPlaneApiKey } from "../../core/key/credential";
import { InMemoryAws } from "../../proofs/harness/in-memory-aws";
import type { Item } from "../../proofs/harness/in-memory-table";
import { FUNCTION_ARN, LocalWorld, type LocalWorldOptions } from "../../proofs/harness/local-world";

export const ROTATION_FUNCTION = "valmi-dev-agent-key-rotation";
const AUDITOR_FUNCTION = "valmi-dev-agent-key-audit";
const TOPIC_ARN = "arn:aws:sns:eu-west-1:123456789012:valmi-dev-agent-key-alerts";

// Each command makes dozens of calls; on a busy machine that takes longer than Jest's five seconds.
jest.setTimeout(30_000);

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A REST or query service of AWS, as far as the commands ask it. */
class InMemoryHttp {
  constructor(
    private readonly answer: (method: string, path: string, body: string) => [number, string, string?],
  ) {}

  get requestHandler() {
    return {
      handle: async ({
        method,
        path,
        body,
      }: {
        method: string;
        path: string;
        body?: string | Uint8Array;
      }) => {
        const text = typeof body === "string" ? body : new TextDecoder().decode(body);
        const [statusCode, answer, errorType] = this.answer(method, path, text);
        const headers = errorType === undefined ? {} : { "x-amzn-errortype": errorType };
        return { response: { statusCode, headers, body: Readable.from([Buffer.from(answer)]) } };
      },
    };
  }
}

/**
 * A deployed environment with one instance, met by the command line: the shipped rotation runs in this process whenever a
 * command waits. Every output is searched for every key.
 */
export class OperatorWorld {
  /** Exists where the environment is deployed. */
  hasFunction = true;
  mayBeInvoked = true;
  /** The function that may not be looked at. */
  deniedFunction: string | undefined;
  selfTestFailures: readonly string[] = [];
  hasAuditor = true;
  /** ARNs, or `PendingConfirmation`. */
  subscriptions: readonly string[] = ["PendingConfirmation", `${TOPIC_ARN}:1`];
  trails: readonly object[] = [
    { Name: "everything", TrailARN: "arn:aws:cloudtrail:eu-west-1:123456789012:trail/all" },
  ];
  /** Answers to the questions of a command, first asked, first answered; then "no". */
  readonly answers: boolean[] = [];
  readonly questions: string[] = [];
  /** What standard input holds. */
  private input = "";
  /** Whether Secrets Manager's rotations run while a command waits. */
  rotates = true;
  /** Where the environment's settings say that the Control Plane is. */
  controlPlaneUrl = "https://value.valmi.io/api/v1";
  private readonly terminal: { out: string[]; err: string[] } = { out: [], err: [] };
  readonly ports: OperatorPorts;
  readonly cloudTrail: InMemoryAws;
  private readonly dynamoDb: InMemoryAws;
  private readonly lambdaApi = new InMemoryHttp((method, path) => this.lambda(method, path));
  private readonly snsApi = new InMemoryHttp(() => [200, this.subscriptionList()]);

  private constructor(
    readonly world: LocalWorld,
    private readonly graceHours: number,
  ) {
    const options = {
      region: "eu-west-1",
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
      maxAttempts: 1,
    };
    this.dynamoDb = new InMemoryAws((operation, input) =>
      operation === "Query" || operation === "Scan"
        ? { Items: this.queried(input) }
        : world.table.perform(operation, input),
    );
    this.cloudTrail = new InMemoryAws((operation) =>
      operation === "DescribeTrails" ? { trailList: this.trails } : { IsLogging: true },
    );
    this.ports = {
      aws: {
        secretsManager: world.client,
        dynamoDb: new DynamoDBClient({ ...options, requestHandler: this.dynamoDb.requestHandler }),
        lambda: new LambdaClient({
          ...options,
          requestHandler: this.lambdaApi.requestHandler,
        }),
        sns: new SNSClient({
          ...options,
          requestHandler: this.snsApi.requestHandler,
        }),
        cloudTrail: new CloudTrailClient({ ...options, requestHandler: this.cloudTrail.requestHandler }),
      },
      clock: world.clock,
      sleep: async (milliseconds) => {
        if (this.rotates) await world.runDueSteps();
        world.clock.advanceBy(milliseconds);
      },
      newId: () => `order-${world.newToken()}`,
      fetch: world.fetch,
      terminal: {
        print: (text) => void this.terminal.out.push(text),
        tell: (text) => void this.terminal.err.push(text),
        progress: () => {},
        confirm: async (question) => {
          this.questions.push(question);
          return this.answers.shift() ?? false;
        },
        readKey: async () => this.input,
        columns: undefined,
        hasColours: false,
      },
    };
  }

  /** The instance has its first key, and rotation is on. */
  static async ready(options: LocalWorldOptions = {}): Promise<OperatorWorld> {
    return OperatorWorld.around(await LocalWorld.ready(options), options);
  }

  /** The secret is there, and no key yet. */
  static empty(options: LocalWorldOptions = {}): OperatorWorld {
    return OperatorWorld.around(new LocalWorld(options), options);
  }

  private static around(world: LocalWorld, options: LocalWorldOptions): OperatorWorld {
    world.secretsManager.call("TagResource", {
      SecretId: world.secretArn,
      Tags: [{ Key: SECRET_TAGS.id, Value: "support" }],
    });
    return new OperatorWorld(world, options.configuredGraceHours ?? options.graceHours ?? 24);
  }

  /** Runs one command line. Fails where its output holds any key. */
  async run(line: string, input = ""): Promise<Ran> {
    this.terminal.out.length = 0;
    this.terminal.err.length = 0;
    this.input = input;
    const codes: number[] = [];
    await run(line.split(" "), {
      portsFor: () => this.ports,
      terminal: this.ports.terminal,
      exit: (code) => void codes.push(code),
    });
    const ran = {
      code: codes.at(-1) ?? 0,
      out: this.terminal.out.join("\n"),
      err: this.terminal.err.join("\n"),
    };
    expectNoKeyIn(`${ran.out}\n${ran.err}\n${this.questions.join("\n")}`, [...this.world.credentials, input]);
    return ran;
  }

  async json<T = Record<string, unknown>>(line: string): Promise<T> {
    return JSON.parse((await this.run(`${line} --json`)).out);
  }

  get fingerprint(): string {
    return this.world.current.agentKey.fingerprint;
  }

  /** Another secret of an agent key, which has no value. */
  addSecret(environment: string, id: string): void {
    this.world.secretsManager.call("CreateSecret", {
      Name: `valmi/${environment}/${id}/agent-key`,
      ClientRequestToken: this.world.newToken(),
      Tags: [
        { Key: SECRET_TAGS.environment, Value: environment },
        { Key: SECRET_TAGS.id, Value: id },
      ],
    });
  }

  private queried(input: Record<string, unknown>): Item[] {
    const items = [...this.world.table.items.values()];
    const values = input.ExpressionAttributeValues as Item | undefined;
    if (values === undefined) return items;
    const [wanted, beginning] = Object.values(values).map(({ S }) => String(S));
    return items.filter(
      ({ secretArn, baseVersionId }) =>
        secretArn?.S === wanted && String(baseVersionId?.S).startsWith(beginning ?? ""),
    );
  }

  private lambda(method: string, path: string): [number, string, string?] {
    const name = decodeURIComponent(path.split("/")[3] ?? "");
    if (name === this.deniedFunction) {
      const Message = `User: arn:aws:iam::1:user/u is not authorized to perform: lambda on ${name}`;
      return [403, JSON.stringify({ Message }), "AccessDeniedException"];
    }
    if (name === AUDITOR_FUNCTION && this.hasAuditor) {
      const Environment = {
        Variables: {
          VALMI_ENVIRONMENT: "dev",
          VALMI_SECRET_NAME_START: "valmi/dev/",
          VALMI_ROTATION_FUNCTION_ARN: FUNCTION_ARN,
          VALMI_ROTATION_DAYS: "90",
          VALMI_ROTATION_WINDOW_HOURS: "24",
          VALMI_ALERT_TOPIC_ARN: TOPIC_ARN,
          VALMI_RUNBOOK_URL: "https://example.com/operations.md",
        },
      };
      return [200, JSON.stringify({ FunctionName: name, State: "Active", Environment })];
    }
    if (!this.hasFunction || (name !== ROTATION_FUNCTION && name !== FUNCTION_ARN)) {
      return [404, JSON.stringify({ Message: `Function not found: ${name}` }), "ResourceNotFoundException"];
    }
    if (path.endsWith("/configuration")) {
      return [
        200,
        JSON.stringify({ FunctionArn: FUNCTION_ARN, State: "Active", Environment: this.environment }),
      ];
    }
    if (path.endsWith("/policy")) {
      const Statement = this.mayBeInvoked
        ? [
            {
              Effect: "Allow",
              Principal: { Service: "secretsmanager.amazonaws.com" },
              Action: "lambda:InvokeFunction",
            },
          ]
        : [];
      return [200, JSON.stringify({ Policy: JSON.stringify({ Statement }) })];
    }
    if (method === "POST") return [200, JSON.stringify({ failures: this.selfTestFailures })];
    return [404, "{}"];
  }

  private get environment() {
    const { world } = this;
    return {
      Variables: {
        VALMI_CONTROL_PLANE_URL: this.controlPlaneUrl,
        VALMI_CONTROL_PLANE_AUTH: "api-key",
        VALMI_API_KEY_SECRET_ARN: world.apiKeySecretArn,
        VALMI_GRACE_PERIOD_HOURS: String(this.graceHours),
        VALMI_INTENT_TABLE: world.table.name,
      },
    };
  }

  /** What AWS answers to a request of any of the commands' clients. */
  async answerOfAws(
    request: { readonly method: string; readonly path: string; readonly headers: Record<string, string> },
    body: string,
  ): Promise<{ statusCode: number; headers: Record<string, string>; text: string }> {
    const service = /^(DynamoDB|CloudTrail|secretsmanager)/.exec(
      String(request.headers["x-amz-target"]).replace(/^com\.amazonaws\.cloudtrail\..+_/, "CloudTrail_"),
    )?.[1];
    const handlers = {
      DynamoDB: this.dynamoDb.requestHandler,
      CloudTrail: this.cloudTrail.requestHandler,
      secretsmanager: this.world.aws.requestHandler,
    };
    const handler = service
      ? handlers[service as keyof typeof handlers]
      : request.path.length > 1
        ? this.lambdaApi.requestHandler
        : this.snsApi.requestHandler;
    const { response } = await handler.handle({ ...request, body });
    const chunks: Buffer[] = [];
    for await (const chunk of response.body) chunks.push(Buffer.from(chunk));
    const { statusCode, headers } = response;
    return {
      statusCode,
      headers: headers as unknown as Record<string, string>,
      text: Buffer.concat(chunks).toString(),
    };
  }

  private subscriptionList(): string {
    const members = this.subscriptions.map(
      (arn) => `<member><SubscriptionArn>${arn}</SubscriptionArn></member>`,
    );
    return (
      `<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions>${members.join("")}` +
      `</Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>`
    );
  }
}

/** As it is, in base64, and as a URL would carry it. A fingerprint is no key. */
export function expectNoKeyIn(text: string, credentials: readonly string[]): void {
  for (const key of credentials.filter((each) => each !== "")) {
    for (const form of [
      key,
      Buffer.from(key).toString("base64").replace(/=+$/, ""),
      encodeURIComponent(key),
    ]) {
      if (text.includes(form)) {
        throw new Error(`a key is in the output: ${new ControlPlaneApiKey(key).fingerprint}`);
      }
    }
  }
}
