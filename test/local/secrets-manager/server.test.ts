import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { DAY, SettableClock } from "../../../local/clock";
import { type SecretsManager, startSecretsManager } from "../../../local/secrets-manager/server";

const functions = { mayInvoke: async () => true, invoke: async () => {} };
const credentials = { accessKeyId: "local", secretAccessKey: "local" };

let server: SecretsManager;
let clients: SecretsManagerClient[];

function client(options: object = {}): SecretsManagerClient {
  const made = new SecretsManagerClient({
    endpoint: server.url,
    region: "eu-west-1",
    credentials,
    maxAttempts: 1,
    ...options,
  });
  clients.push(made);
  return made;
}

beforeEach(async () => {
  clients = [];
  server = await startSecretsManager({ clock: new SettableClock(), functions, intervalMs: 5 });
});

afterEach(async () => {
  for (const each of clients) each.destroy();
  await server.close();
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(server.url + path, { method: "POST", body: JSON.stringify(body), headers });

const create = (Name: string, SecretString = "one") =>
  client().send(new CreateSecretCommand({ Name, SecretString }));

describe("the wire protocol", () => {
  test("an error has its code in body and header, and a request id", async () => {
    const response = await post(
      "/",
      { SecretId: "unknown" },
      { "x-amz-target": "secretsmanager.DescribeSecret" },
    );
    expect(response.status).toBe(400);
    expect(response.headers.get("x-amzn-errortype")).toBe("ResourceNotFoundException");
    expect(response.headers.get("x-amzn-requestid")).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.get("content-type")).toBe("application/x-amz-json-1.1");
    expect(await response.json()).toEqual({
      __type: "ResourceNotFoundException",
      Message: "Secrets Manager can't find the specified secret.",
    });
  });

  test.each([
    [
      "an operation that isn't supported",
      "secretsmanager.ListResourcePolicies",
      "{}",
      "UnknownOperationException",
    ],
    ["another service", "DynamoDB_20120810.GetItem", "{}", "UnknownOperationException"],
    ["what isn't JSON", "secretsmanager.ListSecrets", "{", "SerializationException"],
    ["what isn't an object", "secretsmanager.ListSecrets", "[]", "SerializationException"],
    ["a list for a string", "secretsmanager.DescribeSecret", '{"SecretId": []}', "SerializationException"],
  ])("%s is refused", async (_what, target, body, code) => {
    const response = await fetch(server.url, { method: "POST", body, headers: { "x-amz-target": target } });
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ __type: code }),
    ]);
  });

  test("times are seconds since the epoch, and a secret takes the region of the signature", async () => {
    await client({ region: "us-west-2" }).send(new CreateSecretCommand({ Name: "key" }));
    const response = await post(
      "/",
      { SecretId: "key" },
      { "x-amz-target": "secretsmanager.DescribeSecret" },
    );
    const { ARN, CreatedDate } = (await response.json()) as { ARN: string; CreatedDate: number };
    expect(ARN).toMatch(/^arn:aws:secretsmanager:us-west-2:000000000000:secret:key-/);
    expect(Math.abs(CreatedDate - Date.now() / 1_000)).toBeLessThan(60);
  });

  test("the date of an answer is that of the clock, which the SDK follows", async () => {
    await server.advanceBy(90 * DAY);
    const { headers } = await post("/", {}, { "x-amz-target": "secretsmanager.ListSecrets" });
    expect(Date.parse(headers.get("date") ?? "") - Date.now()).toBeGreaterThan(89 * DAY);
    await expect(create("key")).resolves.toBeDefined();
  });
});

describe("ordered faults", () => {
  const put = () =>
    client().send(
      new PutSecretValueCommand({ SecretId: "key", SecretString: "two", ClientRequestToken: "t".repeat(32) }),
    );
  const read = async () => (await client().send(new GetSecretValueCommand({ SecretId: "key" }))).SecretString;

  beforeEach(() => create("key"));

  test("an answer is dropped after the call was applied, once", async () => {
    server.orderFault({ operation: "PutSecretValue", kind: "drop-answer" });
    await expect(put()).rejects.toThrow();
    expect(await read()).toBe("two");
    await expect(put()).resolves.toMatchObject({ VersionId: "t".repeat(32) });
  });

  test("a call is refused before it is applied, as often as ordered", async () => {
    const error = { code: "ThrottlingException", message: "Rate exceeded" };
    await post("/_local/faults", { operation: "PutSecretValue", kind: "refuse", times: 2, error });
    for (let time = 0; time < 2; time += 1) {
      await expect(put()).rejects.toMatchObject({ name: "ThrottlingException", message: "Rate exceeded" });
    }
    expect(await read()).toBe("one");
    await expect(put()).resolves.toBeDefined();
  });

  test("other operations go on", async () => {
    server.orderFault({ operation: "PutSecretValue", kind: "refuse" });
    expect(await read()).toBe("one");
    expect(await (await fetch(`${server.url}/_local/faults`)).json()).toHaveLength(1);
    await fetch(`${server.url}/_local/faults`, { method: "DELETE" });
    await expect(put()).resolves.toBeDefined();
  });

  test("an answer is late", async () => {
    server.orderFault({ operation: "GetSecretValue", kind: "delay", delayMs: 3 });
    expect(await read()).toBe("one");
  });

  test.each([
    [{ kind: "refuse" }, "`operation` must be the name of an operation"],
    [{ operation: "X", kind: "explode" }, "`kind` must be one of drop-answer, refuse, delay, got: explode"],
    [{ operation: "X", kind: "refuse", times: 0 }, "`times` must be a whole number of at least 1, got: 0"],
    [{ operation: "X", kind: "refuse", error: {} }, "`error.code` must be the code of an error"],
  ])("%j is refused", async (fault, error) => {
    const response = await post("/_local/faults", fault);
    expect([response.status, await response.json()]).toEqual([400, { error }]);
  });
});

describe("what the server tells", () => {
  test("calls by operation and by caller, refused ones included", async () => {
    await create("key");
    const app = client({ userAgentAppId: "rotation" });
    await app.send(new DescribeSecretCommand({ SecretId: "key" }));
    await app.send(new DescribeSecretCommand({ SecretId: "unknown" })).catch(() => {});
    expect(server.calls).toEqual({
      total: 3,
      byOperation: { CreateSecret: 1, DescribeSecret: 2 },
      byCaller: { "aws-sdk-js": { CreateSecret: 1 }, rotation: { DescribeSecret: 2 } },
    });
    expect(await (await fetch(`${server.url}/_local/calls`)).json()).toEqual(server.calls);
    await fetch(`${server.url}/_local/calls`, { method: "DELETE" });
    expect(server.calls.total).toBe(0);
  });

  test("events", async () => {
    await create("key");
    const [event] = (await (await fetch(`${server.url}/_local/events`)).json()) as object[];
    expect(event).toMatchObject({ "detail-type": "Secret Label Updated", detail: { name: "key" } });
  });

  test("the time, and moves it", async () => {
    const now = async (response: Response) => ((await response.json()) as { now: number }).now;
    const before = await now(await fetch(`${server.url}/_local/clock`));
    expect((await now(await post("/_local/clock", { advanceMs: DAY }))) - before).toBeGreaterThanOrEqual(DAY);
  });

  test.each([-1, 1e300, 1e15, "86400000", null, true, [1]])(
    "a clock that is to be moved by %j stays where it is",
    async (advanceMs) => {
      const before = (await (await fetch(`${server.url}/_local/clock`)).json()) as { now: number };
      const refused = await post("/_local/clock", { advanceMs });
      expect([refused.status, await refused.json()]).toEqual([
        400,
        {
          error: expect.stringMatching(/^`advanceMs` must be a number of milliseconds, 0 or more, .*, got: /),
        },
      ]);
      const after = (await (await fetch(`${server.url}/_local/clock`)).json()) as { now: number };
      expect(after.now - before.now).toBeLessThan(60_000);
      await expect(create("key")).resolves.toBeDefined();
    },
  );

  test("its routes, to who asks for another", async () => {
    const response = await fetch(`${server.url}/_local/nothing`);
    expect([response.status, await response.json()]).toEqual([
      404,
      expect.objectContaining({ error: "no such route" }),
    ]);
  });
});

test("moving the clock stops where a rotation falls due, and jumps over no window", async () => {
  await create("key");
  const RotationRules = { AutomaticallyAfterDays: 30 };
  const RotationLambdaARN = "arn:aws:lambda:x:y:function:z";
  const rotate = { SecretId: "key", RotationLambdaARN, RotationRules, RotateImmediately: false };
  await client().send(new RotateSecretCommand(rotate));
  await server.advanceBy(40 * DAY);
  expect(server.state.events.map(({ detail }) => detail.eventName)).toContain("RotationStarted");
});

test("a Lambda API that can't be asked is told at once, in an error that SDKs don't repeat", async () => {
  const unreachable = {
    mayInvoke: async () => {
      throw new Error("set AWS_ENDPOINT_URL_LAMBDA");
    },
    invoke: async () => {},
  };
  const other = await startSecretsManager({ clock: new SettableClock(), functions: unreachable });
  const caller = client({ endpoint: other.url, maxAttempts: 3 });
  await caller.send(new CreateSecretCommand({ Name: "key" }));
  const rotate = new RotateSecretCommand({
    SecretId: "key",
    RotationLambdaARN: "arn:aws:lambda:x:y:function:z",
  });
  await expect(caller.send(rotate)).rejects.toMatchObject({
    name: "InvalidParameterException",
    message: "The Lambda API can't be asked about arn:aws:lambda:x:y:function:z: set AWS_ENDPOINT_URL_LAMBDA",
  });
  expect(other.calls.byOperation.RotateSecret).toBe(1);
  await other.close();
});

test("closing ends what is delayed, which is not carried out then", async () => {
  await create("key");
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  server.orderFault({ operation: "DeleteSecret", kind: "delay", delayMs: 3_600_000 });
  const call = post("/", { SecretId: "key" }, { "x-amz-target": "secretsmanager.DeleteSecret" });
  const cut = expect(call).rejects.toThrow("fetch failed");
  while (server.calls.byOperation.DeleteSecret === undefined) await new Promise(setImmediate);
  await server.close();
  await cut;
  // The timer of the schedule has ended too.
  expect(timers()).toBeLessThan(before);
  expect(server.state.secret("key")?.deletionAt).toBeNull();
});

test("two servers share nothing", async () => {
  const other = await startSecretsManager({ clock: new SettableClock(), functions });
  await create("key");
  expect(other.state.secret("key")).toBeNull();
  await other.close();
});
