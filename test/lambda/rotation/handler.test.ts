import { inspect } from "node:util";
import fc from "fast-check";
import { handler, parseRotationEvent } from "../../../lambda/rotation/handler";
import { SECRET_ARN } from "../../../proofs/harness/builders";
import { LocalWorld } from "../../../proofs/harness/local-world";
import { CONTEXT, type FunctionEnvironment, functionEnvironment } from "../../helpers/function-environment";

const TOKEN = "01234567-89ab-cdef-0123-456789abcdef";
const ROTATION_TOKEN = "a-rotation-token-that-nobody-may-see";
const EVENT = {
  Step: "createSecret",
  SecretId: SECRET_ARN,
  ClientRequestToken: TOKEN,
  RotationToken: ROTATION_TOKEN,
};

describe("Secrets Manager's event", () => {
  test("is read with its rotation token, and without one", () => {
    const request = { step: "createSecret", secretArn: SECRET_ARN, token: TOKEN };
    expect(parseRotationEvent(EVENT)).toEqual({ ...request, rotationToken: ROTATION_TOKEN });
    const { RotationToken: _, ...older } = EVENT;
    expect(parseRotationEvent({ ...older, Later: "field" })).toStrictEqual(request);
  });

  test.each([
    ["createSecret", "createSecret"],
    ["create_secret", "createSecret"],
    ["set_secret", "setSecret"],
    ["setSecret", "setSecret"],
    ["testSecret", "testSecret"],
    ["test_secret", "testSecret"],
    ["finishSecret", "finishSecret"],
    ["finish_secret", "finishSecret"],
  ])("names the step %s", (Step, step) => {
    expect(parseRotationEvent({ ...EVENT, Step }).step).toBe(step);
  });

  test.each<[string, unknown]>([
    ["Step", { ...EVENT, Step: "deleteSecret" }],
    ["Step", { ...EVENT, Step: "toString" }],
    ["Step", { ...EVENT, Step: undefined }],
    ["SecretId", { ...EVENT, SecretId: "valmi/dev/support/agent-key" }],
    ["SecretId", { ...EVENT, SecretId: 7 }],
    ["ClientRequestToken", { ...EVENT, ClientRequestToken: "short" }],
    ["ClientRequestToken", { ...EVENT, ClientRequestToken: `${TOKEN}\n${TOKEN}` }],
    ["ClientRequestToken", { ...EVENT, ClientRequestToken: TOKEN.repeat(2) }],
    ["RotationToken", { ...EVENT, RotationToken: { token: ROTATION_TOKEN } }],
    ["(whole event)", null],
    ["(whole event)", "createSecret"],
    ["Step", {}],
  ])("with a wrong %s is refused by the field's name alone", (field, event) => {
    expect(() => parseRotationEvent(event)).toThrow(
      new TypeError(`not a rotation event of Secrets Manager: ${field} is missing or unreadable`),
    );
  });

  test("whatever it is, is read or refused, and never repeated", () => {
    const marker = "marker-0123456789-0123456789-0123456789";
    const value = fc.oneof(fc.constantFrom(marker, "createSecret", SECRET_ARN, TOKEN), fc.jsonValue());
    const event = fc.oneof(
      fc.record(
        { Step: value, SecretId: value, ClientRequestToken: value, RotationToken: value },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(event, (given) => {
        try {
          const { step, secretArn, token } = parseRotationEvent(given);
          expect(["createSecret", "setSecret", "testSecret", "finishSecret"]).toContain(step);
          expect(secretArn).toMatch(/^arn:/);
          expect(token.length).toBeGreaterThanOrEqual(32);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          expect((error as Error).message).not.toContain(marker);
        }
      }),
    );
  });
});

describe("the function", () => {
  let world: LocalWorld;
  let environment: FunctionEnvironment;
  beforeAll(async () => {
    world = await LocalWorld.ready();
    environment = await functionEnvironment(world);
  });
  afterAll(() => environment.close());
  afterEach(() => {
    for (const key of [...world.credentials, ROTATION_TOKEN]) {
      expect(JSON.stringify(environment.logged)).not.toContain(key);
    }
  });

  const event = (Step: string, ClientRequestToken: string) => ({
    Step,
    SecretId: world.secretArn,
    ClientRequestToken,
    RotationToken: ROTATION_TOKEN,
  });

  test("fails by the state's name, with nothing hung on the error, and logs who, what and why", async () => {
    const error: Error = await handler(event("createSecret", TOKEN), CONTEXT).catch((thrown) => thrown);
    expect(error.name).toBe("Stop");
    expect(error.message).toMatch(/^unknown-version: /);
    expect(Object.keys(error)).toEqual(["name"]);
    expect(error.cause).toBeUndefined();
    expect(environment.logged.at(-1)).toMatchObject({
      level: "ERROR",
      message: "rotation step failed",
      correlationId: "request-1",
      secret: world.secretArn,
      version: TOKEN,
      step: "createSecret",
      reason: error.message,
    });
  });

  test("refuses what is no event, without repeating it", async () => {
    const error: Error = await handler({ ...event("x", TOKEN), Step: ROTATION_TOKEN }, CONTEXT).catch(
      (thrown) => thrown,
    );
    expect(inspect(error)).not.toContain(ROTATION_TOKEN);
    expect(error.name).toBe("TypeError");
  });

  test("answers the auditor's question by what failed, and logs of which secret", async () => {
    const asked = { selfTest: world.secretArn };
    await expect(handler(asked, CONTEXT)).resolves.toEqual({ failures: [] });
    world.aws.refuse("PutSecretValue", "AccessDeniedException");
    await expect(handler(asked, CONTEXT)).resolves.toEqual({ failures: ["write-secret"] });
    expect(environment.logged.at(-1)).toMatchObject({
      message: "self-test failed",
      correlationId: "request-1",
      secret: world.secretArn,
      test: "write-secret",
    });
  });

  test("tests itself upon nothing but an ARN", async () => {
    await expect(handler({ selfTest: "valmi/dev/support/agent-key" }, CONTEXT)).rejects.toThrow(
      /: Step is missing/,
    );
  });

  test("names a missing operator's API key", async () => {
    const token = world.requestRotation();
    world.setOperatorKey(" ");
    const error: Error = await handler(event("createSecret", token), CONTEXT).catch((thrown) => thrown);
    expect(error.message).toMatch(
      /^operator-key-missing: .*npx --no-install valmi-agent-keys operator-key set/,
    );
    expect(world.minted).toHaveLength(1);
  });

  test("rotates, with an operator's API key that was replaced since and ends in a line break", async () => {
    const token = world.versionWith("AWSPENDING") as string;
    world.setOperatorKey("token_operator123\n");
    for (const step of ["createSecret", "setSecret", "testSecret", "finishSecret"]) {
      await handler(event(step, token), CONTEXT);
    }
    expect(world.versionWith("AWSCURRENT")).toBe(token);
    expect(world.minted).toHaveLength(2);
    expect(world.currentIsAccepted).toBe(true);
    expect(environment.logged).toContainEqual(
      expect.objectContaining({ message: "promoted", fingerprint: world.current.agentKey.fingerprint }),
    );
  });
});
