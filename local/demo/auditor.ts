import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { resolveSettings } from "../../constructs/environment/environment";
import { functionName, intentTableName } from "../../constructs/names";
import { type AuditMemory, dynamoDbAuditMemory, type Remembered } from "../../core/audit/memory";
import { LOCAL_CREDENTIALS } from "../emulator";
import type { LocalRun } from "../local-run";

export type AuditedRun = Pick<LocalRun, "awsVariables" | "environment" | "secretsManager">;

/** Longer than the auditor may run, in milliseconds. */
const LONGEST_RUN_MS = 5 * 60 * 1_000;

/** Where clients of a run's emulator go, and as whom. */
export function emulatorOf({ awsVariables, environment }: Omit<AuditedRun, "secretsManager">) {
  return {
    endpoint: awsVariables.AWS_ENDPOINT_URL ?? "",
    region: environment.region,
    credentials: {
      accessKeyId: LOCAL_CREDENTIALS.AWS_ACCESS_KEY_ID,
      secretAccessKey: LOCAL_CREDENTIALS.AWS_SECRET_ACCESS_KEY,
    },
  };
}

/** The deployed auditor, which the emulator starts every 5 minutes of real time, and a story whenever it wants. */
export class Auditor {
  private readonly lambda: LambdaClient;
  private readonly dynamoDb: DynamoDBClient;
  private readonly memory: AuditMemory;
  private readonly functionName: string;

  constructor(private readonly run: AuditedRun) {
    const settings = resolveSettings(run.environment);
    const requestHandler = { requestTimeout: LONGEST_RUN_MS };
    this.lambda = new LambdaClient({ ...emulatorOf(run), maxAttempts: 1, requestHandler });
    this.dynamoDb = new DynamoDBClient(emulatorOf(run));
    this.memory = dynamoDbAuditMemory(this.dynamoDb, intentTableName(settings));
    this.functionName = functionName(settings, "audit");
  }

  /** Starts it as EventBridge does, and lets the rotations that it asks for come to their end. */
  async audit(): Promise<void> {
    const event = { source: "aws.events", "detail-type": "Scheduled Event", detail: {} };
    const { FunctionError, Payload } = await this.lambda.send(
      new InvokeCommand({ FunctionName: this.functionName, Payload: JSON.stringify(event) }),
    );
    if (FunctionError) throw new Error(`the auditor ended by an error: ${Payload?.transformToString()}`);
    await this.run.secretsManager.settle();
  }

  /** What its last run has found and is more than a note. */
  async found(): Promise<readonly Remembered[]> {
    const { found } = await this.memory.read();
    return found.filter(({ severity }) => severity !== "note");
  }

  close(): void {
    this.lambda.destroy();
    this.dynamoDb.destroy();
  }
}
