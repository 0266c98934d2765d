import {
  GetPolicyCommand,
  InvokeCommand,
  LambdaClient,
  ResourceNotFoundException,
} from "@aws-sdk/client-lambda";
import type { RotationFunctions } from "./rotation-driver";

/** Longer than any Lambda function may run, in milliseconds. */
const LONGEST_RUN_MS = 16 * 60 * 1_000;
const INVOKE_ACTIONS = ["lambda:InvokeFunction", "lambda:*", "*"];

interface PolicyStatement {
  readonly Effect?: string;
  readonly Principal?: string | { readonly Service?: string | readonly string[] };
  readonly Action?: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Whether a function's policy lets Secrets Manager of this account invoke it. */
export function admitsSecretsManager(policy: string, accountId: string): boolean {
  const { Statement } = JSON.parse(policy) as { Statement: PolicyStatement | readonly PolicyStatement[] };
  return [Statement].flat().some(({ Effect, Principal, Action, Condition }) => {
    const services = typeof Principal === "object" ? [Principal.Service].flat() : [Principal];
    const accounts = Object.values(Condition ?? {}).flatMap((keys) =>
      Object.entries(keys).flatMap(([key, value]) =>
        key.toLowerCase() === "aws:sourceaccount" ? [value] : [],
      ),
    );
    return (
      Effect === "Allow" &&
      (services.includes("secretsmanager.amazonaws.com") || services.includes("*")) &&
      [Action].flat().some((action) => INVOKE_ACTIONS.includes(action ?? "")) &&
      accounts.flat().every((account) => account === accountId)
    );
  });
}

function endpoint(environment: NodeJS.ProcessEnv): string {
  const url = environment.AWS_ENDPOINT_URL_LAMBDA ?? environment.AWS_ENDPOINT_URL;
  if (url) return url;
  // Without this, a local secret could reach a function of a real account.
  throw new Error(
    "set AWS_ENDPOINT_URL_LAMBDA or AWS_ENDPOINT_URL to the Lambda API that has the rotation function",
  );
}

/**
 * Rotation functions behind the Lambda API at `AWS_ENDPOINT_URL_LAMBDA`, or else `AWS_ENDPOINT_URL`. The variables are
 * read at each use, so that the emulator may start later than this service.
 */
export function lambdaFunctions(
  accountId: string,
  environment: NodeJS.ProcessEnv = process.env,
): RotationFunctions {
  const clients = new Map<string, LambdaClient>();

  function clientFor(functionArn: string): LambdaClient {
    const url = endpoint(environment);
    const region = functionArn.split(":")[3] || "eu-west-1";
    const key = `${url} ${region}`;
    const client =
      clients.get(key) ??
      new LambdaClient({
        endpoint: url,
        region,
        // An emulator checks no signature, but the SDK wants to make one.
        credentials: {
          accessKeyId: environment.AWS_ACCESS_KEY_ID || "local",
          secretAccessKey: environment.AWS_SECRET_ACCESS_KEY || "local",
        },
        // A step that fails is Secrets Manager's to repeat, not the SDK's.
        maxAttempts: 1,
        requestHandler: { requestTimeout: LONGEST_RUN_MS },
      });
    clients.set(key, client);
    return client;
  }

  return {
    async mayInvoke(functionArn) {
      try {
        const { Policy } = await clientFor(functionArn).send(
          new GetPolicyCommand({ FunctionName: functionArn }),
        );
        return Policy !== undefined && admitsSecretsManager(Policy, accountId);
      } catch (error) {
        if (error instanceof ResourceNotFoundException) return false;
        throw error;
      }
    },
    async invoke(functionArn, event, abortSignal) {
      const { FunctionError, Payload } = await clientFor(functionArn).send(
        new InvokeCommand({ FunctionName: functionArn, Payload: JSON.stringify(event) }),
        { abortSignal },
      );
      if (FunctionError === undefined) return;
      const { errorType, errorMessage } = JSON.parse(Buffer.from(Payload ?? []).toString() || "{}");
      throw new Error(`${FunctionError}: ${errorType}: ${errorMessage}`);
    },
    close() {
      for (const client of clients.values()) client.destroy();
    },
  };
}
