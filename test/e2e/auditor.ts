import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { functionName, intentTableName } from "../../constructs/names";
import { dynamoDbAuditMemory } from "../../lambda/audit/memory";
import { LOCAL_CREDENTIALS } from "../../local/emulator";
import type { LocalRun } from "../../local/local-run";

/** Longer than the auditor may run. */
const LONGEST_RUN_MS = 300_000;

/** Where clients of a run's emulator go, and as whom. */
export function emulatorOf({ awsVariables, environment }: Pick<LocalRun, "awsVariables" | "environment">) {
  return {
    endpoint: awsVariables.AWS_ENDPOINT_URL ?? "",
    region: environment.region,
    credentials: {
      accessKeyId: LOCAL_CREDENTIALS.AWS_ACCESS_KEY_ID,
      secretAccessKey: LOCAL_CREDENTIALS.AWS_SECRET_ACCESS_KEY,
    },
  };
}

/** The deployed auditor of a local run. */
export class Auditor {
  private readonly lambda: LambdaClient;
  private readonly dynamoDb: DynamoDBClient;

  constructor(private readonly run: LocalRun) {
    const emulator = emulatorOf(run);
    const requestHandler = { requestTimeout: LONGEST_RUN_MS };
    this.lambda = new LambdaClient({ ...emulator, maxAttempts: 1, requestHandler });
    this.dynamoDb = new DynamoDBClient(emulator);
  }

  private get settings() {
    return { namePrefix: "valmi", name: this.run.environment.name };
  }

  /** Starts it as EventBridge does, and lets what it asks Secrets Manager for come to its end. */
  async audit(): Promise<void> {
    const { FunctionError, Payload } = await this.lambda.send(
      new InvokeCommand({
        FunctionName: functionName(this.settings, "audit"),
        Payload: JSON.stringify({ source: "aws.events", "detail-type": "Scheduled Event", detail: {} }),
      }),
    );
    if (FunctionError) throw new Error(`the auditor ended by an error: ${Payload?.transformToString()}`);
    await this.run.secretsManager.settle();
  }

  /** What its last run has found and is more than a note, such as `page key-refused support`. */
  async found(): Promise<string[]> {
    const { found } = await dynamoDbAuditMemory(this.dynamoDb, intentTableName(this.settings)).read();
    return found
      .filter(({ severity }) => severity !== "note")
      .map(({ severity, name, instance }) => `${severity} ${name} ${instance}`)
      .sort();
  }

  close(): void {
    this.lambda.destroy();
    this.dynamoDb.destroy();
  }
}

/** An endpoint that confirms its subscription to the topic of pages, and keeps what comes. */
export class Pager {
  private pages: string[] = [];
  private readonly server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.end();
    const { Type, SubscribeURL, Message } = JSON.parse(Buffer.concat(chunks).toString());
    if (Type === "SubscriptionConfirmation") {
      const { pathname, search } = new URL(SubscribeURL);
      await fetch(new URL(pathname + search, this.emulatorUrl));
    } else {
      const { name, state } = JSON.parse(Message).metadata.additionalContext;
      this.pages.push(`${state} ${name}`);
    }
  });

  constructor(private readonly emulatorUrl: string) {}

  /** Its URL, from when on it listens. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** How many pages have come that were not taken yet. */
  get waiting(): number {
    return this.pages.length;
  }

  /** Such as `found key-refused` and `resolved key-refused`. */
  take(): string[] {
    const taken = this.pages.sort();
    this.pages = [];
    return taken;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
