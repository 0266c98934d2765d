import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { admitsSecretsManager, lambdaFunctions } from "../../../local/secrets-manager/lambda-functions";
import type { RotationFunctions } from "../../../local/secrets-manager/rotation-driver";

const FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:rotate";
const EVENT = {
  Step: "testSecret",
  SecretId: "arn",
  ClientRequestToken: "token",
  RotationToken: "other",
} as const;

const statement = (changes: object = {}) => ({
  Effect: "Allow",
  Principal: { Service: "secretsmanager.amazonaws.com" },
  Action: "lambda:InvokeFunction",
  Resource: FUNCTION,
  ...changes,
});
const policy = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });

describe("a function's policy", () => {
  const own = { StringEquals: { "AWS:SourceAccount": "000000000000" } };
  const foreign = { StringEquals: { "AWS:SourceAccount": "111122223333" } };

  test.each([
    ["Secrets Manager", [statement()], true],
    ["Secrets Manager of this account", [statement({ Condition: own })], true],
    ["Secrets Manager of another account", [statement({ Condition: foreign })], false],
    ["another service", [statement({ Principal: { Service: "events.amazonaws.com" } })], false],
    [
      "another service first",
      [statement({ Principal: { Service: "sns.amazonaws.com" } }), statement()],
      true,
    ],
    ["another action", [statement({ Action: "lambda:GetFunction" })], false],
    ["nobody, by a Deny", [statement({ Effect: "Deny" })], false],
    ["everybody", [statement({ Principal: "*" })], true],
  ])("admits %s: %#", (_what, statements, expected) => {
    expect(admitsSecretsManager(policy(...statements), "000000000000")).toBe(expected);
  });
});

describe("the Lambda API", () => {
  const requests: string[] = [];
  let answer: { status?: number; headers?: Record<string, string>; body: string };
  let api: Server;
  let functions: RotationFunctions;
  const environment: NodeJS.ProcessEnv = {};

  beforeEach(async () => {
    requests.length = 0;
    api = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      requests.push(`${request.method} ${decodeURIComponent(request.url ?? "")} ${Buffer.concat(chunks)}`);
      response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers });
      response.end(answer.body);
    });
    await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
    functions = lambdaFunctions("000000000000", environment);
    environment.AWS_ENDPOINT_URL_LAMBDA = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    functions.close?.();
    api.closeAllConnections();
    await new Promise((resolve) => api.close(resolve));
  });

  const invoke = () => functions.invoke(FUNCTION, EVENT, new AbortController().signal);

  test("is invoked once, synchronously, with the event", async () => {
    answer = { body: "null" };
    await invoke();
    expect(requests).toEqual([`POST /2015-03-31/functions/${FUNCTION}/invocations ${JSON.stringify(EVENT)}`]);
  });

  test("a function that threw has failed", async () => {
    answer = {
      headers: { "x-amz-function-error": "Unhandled" },
      body: JSON.stringify({ errorType: "TypeError", errorMessage: "no such thing" }),
    };
    await expect(invoke()).rejects.toThrow("Unhandled: TypeError: no such thing");
  });

  test("a throttled invocation has failed, and isn't repeated", async () => {
    answer = { status: 429, headers: { "x-amzn-errortype": "TooManyRequestsException" }, body: "{}" };
    await expect(invoke()).rejects.toThrow();
    expect(requests).toHaveLength(1);
  });

  test("says whether Secrets Manager may invoke", async () => {
    answer = { body: JSON.stringify({ Policy: policy(statement()) }) };
    expect(await functions.mayInvoke(FUNCTION)).toBe(true);
    answer = { body: JSON.stringify({ Policy: policy(statement({ Effect: "Deny" })) }) };
    expect(await functions.mayInvoke(FUNCTION)).toBe(false);
  });

  test("a function that doesn't exist, or has no policy, may not be invoked", async () => {
    answer = { status: 404, headers: { "x-amzn-errortype": "ResourceNotFoundException" }, body: "{}" };
    expect(await functions.mayInvoke(FUNCTION)).toBe(false);
  });

  test("that isn't named by the environment is never guessed: it would be AWS's own", async () => {
    delete environment.AWS_ENDPOINT_URL_LAMBDA;
    await expect(invoke()).rejects.toThrow(/^set AWS_ENDPOINT_URL_LAMBDA or AWS_ENDPOINT_URL/);
    await expect(functions.mayInvoke(FUNCTION)).rejects.toThrow(/^set AWS_ENDPOINT_URL_LAMBDA/);
  });
});
