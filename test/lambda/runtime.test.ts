import { inspect } from "node:util";
import { ControlPlaneError } from "../../core/control-plane/errors";
import { Stop } from "../../core/protocol/stops";
import { invocationPorts, presentable, untilAllowed } from "../../lambda/runtime";
import { SECOND } from "../../local/clock";
import { intent } from "../../proofs/harness/builders";
import { LocalWorld } from "../../proofs/harness/local-world";

describe("the operator's API key", () => {
  test.each([
    ["white space", " \n"],
    ["two words", "token_abc 123"],
  ])("with %s is named as missing, without any of it", async (_, text) => {
    const world = new LocalWorld();
    world.setOperatorKey(text);
    const error: Stop = await world
      .invocation()
      .connect()
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ name: "Stop", state: "operator-key-missing" });
    expect(error.message).not.toContain("abc 123");
  });

  test("that was never stored is named as missing", async () => {
    const world = new LocalWorld();
    world.aws.refuse("GetSecretValue", "ResourceNotFoundException");
    await expect(world.invocation().connect()).rejects.toMatchObject({ state: "operator-key-missing" });
  });

  test("is read anew for each connection, and sent as configured", async () => {
    const keys = ["token_first123\n", "token_second123"];
    const asked: string[] = [];
    const sent: unknown[] = [];
    const world = new LocalWorld();
    const { secrets, intents, log } = world.invocation();
    const { connect } = invocationPorts(
      {
        settings: {
          controlPlaneUrl: "https://value.valmi.io/api/v1",
          controlPlaneAuth: "bearer",
          apiKeySecretArn: "arn",
          gracePeriodMs: 0,
          intentTable: "intents",
        },
        secrets: {
          ...secrets,
          readCurrent: async (secretId) => {
            asked.push(secretId);
            return keys.shift();
          },
        },
        intents,
        proofs: world.proofs,
        clock: world.clock,
        logger: log,
      },
      { getRemainingTimeInMillis: () => 180_000 },
      {
        sleep: async () => {},
        random: () => 0,
        newId: () => "id",
        fetch: async (url, init) => {
          sent.push([String(url), new Headers(init?.headers).get("authorization")]);
          return Response.json({ workspace_name: "Local" });
        },
      },
    );
    for (const _ of [1, 2]) await (await connect()).workspaceName();
    const url = "https://value.valmi.io/api/v1/auth/me";
    expect(sent).toEqual([
      [url, "Bearer token_first123"],
      [url, "Bearer token_second123"],
    ]);
    expect(asked).toEqual(["arn", "arn"]);
  });
});

describe("a policy that was written just now", () => {
  const denied = (times: number) => {
    const world = new LocalWorld();
    world.aws.refuse("DescribeSecret", "AccessDeniedException", times);
    world.dynamoDb.refuse("PutItem", "AccessDeniedException", times);
    const started = world.clock.now();
    const sleep = async (ms: number) => world.clock.advanceBy(ms);
    const { secrets, intents } = untilAllowed(world.invocation(), { sleep });
    return { world, secrets, intents, waited: () => world.clock.now() - started };
  };

  test("takes effect within seconds: until then its calls are repeated", async () => {
    const { world, secrets, intents, waited } = denied(3);
    await expect(secrets.describe(world.secretArn)).resolves.toMatchObject({ arn: world.secretArn });
    await expect(intents.take(intent())).resolves.toMatchObject({ taken: true });
    expect(waited()).toBe(12 * SECOND);
  });

  test("that denies for longer is a wrong one, whichever call meets it", async () => {
    const { world, secrets, intents, waited } = denied(100);
    const error = { name: "AccessDeniedException" };
    await expect(secrets.describe(world.secretArn)).rejects.toMatchObject(error);
    expect(waited()).toBe(14 * SECOND);
    await expect(intents.take(intent())).rejects.toMatchObject(error);
    expect(waited()).toBe(14 * SECOND);
  });

  test("has nothing to do with other errors", async () => {
    const { secrets, waited } = denied(0);
    await expect(secrets.describe("none")).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    expect(waited()).toBe(0);
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

  test("quotes no key, whatever an AWS service quotes of what it was sent", () => {
    const sent = JSON.stringify({ SecretString: JSON.stringify({ VALMI_AGENT_KEY: "agent_abc123xyz" }) });
    const refusal = Object.assign(new Error(`Value ${sent} at 'secretString' is too long`), {
      name: "Refusal",
    });
    expect(presentable(refusal).message).toBe(
      `Value ${sent.replace("agent_abc123xyz", "[masked]")} at 'secretString' is too long`,
    );
    expect(inspect(presentable(refusal), { showHidden: true })).not.toContain("agent_abc123xyz");
  });
});
