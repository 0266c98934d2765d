import { ControlPlaneError } from "../../lambda/control-plane/errors";
import { Stop } from "../../lambda/domain/decision";
import { connect, presentable } from "../../lambda/runtime";

const SETTINGS = {
  controlPlaneUrl: "https://value.valmi.io/api/v1",
  controlPlaneAuth: "bearer" as const,
  apiKeySecretArn: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:api-key-AbCdEf",
};
const BUDGET = { remainingMs: () => 180_000 };

describe("the operator's API key", () => {
  test.each([
    ["no value", undefined],
    ["an empty value", ""],
    ["white space", " \n"],
    ["two words", "token_abc 123"],
  ])("with %s is named as missing, without any of it", async (_, text) => {
    const runtime = { settings: SETTINGS, secrets: { readCurrent: async () => text } };
    const error: Stop = await connect(runtime, BUDGET).catch((thrown) => thrown);
    expect(error).toMatchObject({ name: "Stop", state: "operator-key-missing" });
    expect(error.message).not.toContain("abc 123");
  });

  test("is read anew for each connection, and sent as configured", async () => {
    const keys = ["token_first123\n", "token_second123"];
    const asked: string[] = [];
    const sent: unknown[] = [];
    const fetched = jest.spyOn(globalThis, "fetch").mockImplementation(async (_url, init) => {
      sent.push(new Headers(init?.headers).get("authorization"));
      return Response.json({ workspace_name: "Local" });
    });
    const readCurrent = async (secretId: string) => {
      asked.push(secretId);
      return keys.shift();
    };
    for (const _ of [1, 2]) {
      const controlPlane = await connect({ settings: SETTINGS, secrets: { readCurrent } }, BUDGET);
      await controlPlane.workspaceName();
    }
    fetched.mockRestore();
    expect(sent).toEqual(["Bearer token_first123", "Bearer token_second123"]);
    expect(asked).toEqual([SETTINGS.apiKeySecretArn, SETTINGS.apiKeySecretArn]);
  });
});

describe("an error that leaves a function", () => {
  const key = "agent_abc123xyz";
  const awsError = Object.assign(new Error("not allowed"), {
    name: "AccessDeniedException",
    $metadata: { requestId: "1" },
    $response: { body: key },
    cause: new Error(key),
  });

  test.each<[string, unknown, string, string]>([
    ["a stop", new Stop("out-of-time"), "Stop", new Stop("out-of-time").message],
    ["an error of AWS", awsError, "AccessDeniedException", "not allowed"],
    ["a text that was thrown", key, "Error", "unknown error"],
    ["nothing", undefined, "Error", "unknown error"],
    [
      "a parser's error",
      new SyntaxError(`Unexpected token 'a', "${key}"`),
      "SyntaxError",
      "an answer of AWS is not JSON",
    ],
    [
      "a refusal of the Control Plane",
      new ControlPlaneError("conflict", "GET /x: 409", "no"),
      "ControlPlaneError",
      "GET /x: 409",
    ],
    [
      "a refused API key",
      new ControlPlaneError("unauthorized", "GET /x: 401", "no"),
      "Stop",
      new Stop("operator-key-refused", "GET /x: 401").message,
    ],
    [
      "a restricted API key",
      new ControlPlaneError("forbidden", "GET /x: 403", "no"),
      "Stop",
      new Stop("operator-key-refused", "GET /x: 403").message,
    ],
  ])("%s has its name and text, and nothing else", (_, error, name, message) => {
    const presented = presentable(error);
    expect(presented).toMatchObject({ name, message, stack: `${name}: ${message}` });
    expect(Object.getOwnPropertyNames(presented).sort()).toEqual(["message", "name", "stack"]);
  });
});
