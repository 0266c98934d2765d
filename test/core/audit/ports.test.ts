import { LambdaClient } from "@aws-sdk/client-lambda";
import { SNSClient } from "@aws-sdk/client-sns";
import { lambdaRotationFunction, snsAlerts } from "../../../core/audit/ports";

const FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:rotation";

/** A client whose every call gets this answer, or fails by this error; remembers what it was sent. */
function answering<T>(client: new (options: object) => T, answer: object | Error) {
  const sent: Record<string, unknown>[] = [];
  const made = new client({ region: "eu-west-1", credentials: { accessKeyId: "a", secretAccessKey: "b" } });
  jest.spyOn(made as { send(command: unknown): unknown }, "send").mockImplementation((async (command: {
    input: Record<string, unknown>;
  }) => {
    sent.push(command.input);
    if (answer instanceof Error) throw answer;
    return answer;
  }) as never);
  return { client: made, sent };
}

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe("the rotation function", () => {
  test("answers a self-test with names", async () => {
    const { client, sent } = answering(LambdaClient, { Payload: bytes({ failures: ["write-secret"] }) });

    expect(await lambdaRotationFunction(client, FUNCTION).selfTest("arn:secret")).toEqual(["write-secret"]);
    expect(sent).toEqual([{ FunctionName: FUNCTION, Payload: '{"selfTest":"arn:secret"}' }]);
  });

  test.each([
    { FunctionError: "Unhandled", Payload: bytes({ errorMessage: "-" }) },
    { Payload: bytes(null) },
    {},
    new Error("ResourceNotFoundException"),
  ])("that ends otherwise can't be used", async (answer) => {
    const { client } = answering(LambdaClient, answer);

    await expect(lambdaRotationFunction(client, FUNCTION).selfTest("arn:secret")).rejects.toThrow();
  });

  const statement = (changes: object) => ({
    Policy: JSON.stringify({
      Statement: [
        {
          Effect: "Allow",
          Principal: { Service: "secretsmanager.amazonaws.com" },
          Action: "lambda:InvokeFunction",
          Resource: FUNCTION,
          ...changes,
        },
      ],
    }),
  });

  test.each<[boolean, object]>([
    [true, statement({})],
    [
      true,
      statement({
        Action: ["lambda:GetFunction", "lambda:InvokeFunction"],
        Principal: { Service: ["a", "secretsmanager.amazonaws.com"] },
      }),
    ],
    [false, statement({ Effect: "Deny" })],
    [false, statement({ Principal: { Service: "events.amazonaws.com" } })],
    [false, statement({ Principal: { AWS: "123456789012" } })],
    [false, statement({ Action: "lambda:GetFunction" })],
    [false, { Policy: "" }],
    [false, {}],
  ])("may be invoked by Secrets Manager: %s", async (expected, answer) => {
    const { client } = answering(LambdaClient, answer);

    expect(await lambdaRotationFunction(client, FUNCTION).mayBeInvoked()).toBe(expected);
  });
});

describe("pages", () => {
  test("people are sent the text, and what parses is sent JSON", async () => {
    const { client, sent } = answering(SNSClient, {});

    await snsAlerts(client, "arn:topic").publish({ subject: "s", text: "t", json: "{}" });

    expect(sent).toEqual([
      {
        TopicArn: "arn:topic",
        Subject: "s",
        MessageStructure: "json",
        Message: JSON.stringify({ default: "t", http: "{}", https: "{}", lambda: "{}", sqs: "{}" }),
      },
    ]);
  });

  test.each<[string | undefined, { SubscriptionArn: string }[]]>([
    ["nobody has confirmed a subscription", []],
    ["nobody has confirmed a subscription", [{ SubscriptionArn: "PendingConfirmation" }]],
    [undefined, [{ SubscriptionArn: "PendingConfirmation" }, { SubscriptionArn: "arn:aws:sns:a:b:c:d" }]],
  ])("the route is broken: %s", async (expected, Subscriptions) => {
    const { client } = answering(SNSClient, { Subscriptions });

    expect(await snsAlerts(client, "arn:topic").brokenRoute()).toBe(expected);
  });
});
