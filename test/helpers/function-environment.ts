import type { Context } from "aws-lambda";
import type { LocalWorld } from "../../proofs/harness/local-world";

export interface FunctionEnvironment {
  /** What the functions logged, one JSON object an entry. */
  readonly logged: Record<string, unknown>[];
  close(): Promise<void>;
}

/** Makes this process what a function finds in Lambda, with a local world behind the SDK's clients and `fetch`. */
export async function functionEnvironment(world: LocalWorld): Promise<FunctionEnvironment> {
  const [secretsManager, dynamoDb] = await Promise.all([
    world.aws.serve(world.clock),
    world.dynamoDb.serve(world.clock),
  ]);
  const before = { ...process.env };
  Object.assign(process.env, {
    AWS_REGION: "eu-west-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
    AWS_ENDPOINT_URL_DYNAMODB: dynamoDb.url,
    AWS_MAX_ATTEMPTS: "1",
    VALMI_CONTROL_PLANE_URL: "https://value.valmi.io/api/v1",
    VALMI_CONTROL_PLANE_AUTH: "api-key",
    VALMI_API_KEY_SECRET_ARN: world.apiKeySecretArn,
    VALMI_GRACE_PERIOD_HOURS: "24",
    VALMI_INTENT_TABLE: world.table.name,
    // The logger then writes to the global console.
    POWERTOOLS_DEV: "true",
  });
  const logged: Record<string, unknown>[] = [];
  const spies = [
    jest.spyOn(globalThis, "fetch").mockImplementation(world.fetch),
    ...(["debug", "info", "warn", "error"] as const).map((level) =>
      jest.spyOn(console, level as "info").mockImplementation((entry: unknown) => {
        logged.push(JSON.parse(String(entry)));
      }),
    ),
  ];
  return {
    logged,
    async close() {
      for (const spy of spies) spy.mockRestore();
      process.env = before;
      await Promise.all([secretsManager.close(), dynamoDb.close()]);
    },
  };
}

export const CONTEXT = { awsRequestId: "request-1", getRemainingTimeInMillis: () => 180_000 } as Context;
