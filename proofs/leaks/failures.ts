import { Readable } from "node:stream";
import { inspect } from "node:util";
import { Logger } from "@aws-lambda-powertools/logger";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { ProvisioningInput } from "../../core/contract";
import { dynamoDbIntentStore } from "../../core/intent-table/intent-store";
import { dynamoDbRefusalProofs } from "../../core/intent-table/refusal-proofs";
import { runStep } from "../../core/rotation/steps";
import { secretsManagerStore } from "../../core/secrets/secret-store";
import { answer } from "../../lambda/provisioning/handler";
import { parseRotationEvent } from "../../lambda/rotation/handler";
import { invocationPorts, presentable } from "../../lambda/runtime";
import { HOUR, MINUTE } from "../../local/clock";
import { adoptingInput, provisioningInput } from "../harness/builders";
import { AwsRefusal, InMemoryAws } from "../harness/in-memory-aws";
import { LocalWorld } from "../harness/local-world";

/*
 * Every way for a function to fail: each call that it makes, of each service, goes wrong in each way that a service knows,
 * and the service's own text repeats whatever it was sent and whatever it knows. Everything happens in this process, in
 * virtual time.
 */

/** What left the functions on all of these paths. */
export interface Failures {
  readonly paths: number;
  /** Names of the states and errors that were met. */
  readonly names: ReadonlySet<string>;
  /** Errors as they leave a function, with everything that hangs on them. */
  readonly errors: readonly string[];
  /** Answers of provisioning. */
  readonly results: readonly string[];
  /** Log lines, debug level. */
  readonly logged: readonly string[];
  /** Every credential of every world, to be searched for. */
  readonly credentials: readonly string[];
}

/** One thing that goes wrong with the n-th call of an operation. */
interface Fault {
  readonly service: "controlPlane" | "secretsManager" | "dynamoDb";
  readonly operation: string;
  readonly nth: number;
  readonly how: string;
}

/** Of an invocation: enough to mint, and so little that nobody tries in vain for long. */
const INVOCATION_MS = 75_000;

const STATUSES = [401, 403, 404, 409, 422, 429, 503];
const CONTROL_PLANE_WAYS = [
  "lost answer",
  "never arrived",
  "half an answer",
  "answer with a tail",
  "another shape",
  "redirect",
  "endless",
  ...STATUSES.map((status) => `status ${status}`),
];
const AWS_WAYS = [
  "lost answer",
  "half an answer",
  "AccessDeniedException",
  "ResourceExistsException",
  "InvalidRequestException",
  "InternalServiceError",
];

type Scenario = readonly [
  name: string,
  prepare: () => Promise<LocalWorld>,
  act: (act: Acting) => Promise<void>,
];

interface Acting {
  readonly world: LocalWorld;
  step(step: string, token: string): Promise<void>;
  terraform(action: "create" | "update" | "delete", input?: Partial<ProvisioningInput>): Promise<void>;
}

const SCENARIOS: readonly Scenario[] = [
  ["first deploy", async () => new LocalWorld(), ({ terraform }) => terraform("create")],
  [
    "deploy upon a good key",
    async () => LocalWorld.ready(),
    ({ terraform }) =>
      terraform("update", { description: "changed", contactId: "con_456", accountId: "acc_456" }),
  ],
  [
    "deploy upon a dead key",
    async () => {
      const world = new LocalWorld({ graceHours: 0 });
      await world.provision();
      world.clock.advanceBy(2 * HOUR);
      world.clickRotate();
      return world;
    },
    ({ terraform }) => terraform("create"),
  ],
  [
    "adoption with a new key",
    async () => {
      const world = new LocalWorld();
      world.foreignInstance("theirs");
      return world;
    },
    ({ world, terraform }) =>
      terraform("create", adoptingInput({ agentInstanceId: world.instance.id, existingKey: "refresh" })),
  ],
  ["removal", async () => LocalWorld.ready(), ({ terraform }) => terraform("delete")],
  [
    "rotation",
    async () => LocalWorld.ready(),
    async ({ world, step }) => step("createSecret", world.requestRotation()),
  ],
  [
    "rotation, second attempt",
    async () => {
      const world = await LocalWorld.ready();
      world.orderFault("POST /agent_instance/{id}/refresh", "lost-answer");
      world.requestRotation();
      await world.runDueSteps();
      world.clock.advanceBy(10 * MINUTE);
      return world;
    },
    async ({ world, step }) => step("createSecret", world.versionWith("AWSPENDING") ?? ""),
  ],
  [
    "rotation, key stored and not promoted",
    async () => {
      const world = await LocalWorld.ready();
      world.aws.refuse("UpdateSecretVersionStage", "InternalServiceError", 1_000);
      world.requestRotation();
      await world.runDueSteps();
      world.aws.clear();
      return world;
    },
    async ({ world, step }) => step("createSecret", world.versionWith("AWSPENDING") ?? ""),
  ],
  [
    "the test when rotation is switched on",
    async () => {
      const world = await LocalWorld.ready();
      world.requestRotation(undefined, { immediately: false });
      return world;
    },
    async ({ world, step }) => step("testSecret", world.versionWith("AWSPENDING") ?? ""),
  ],
];

/** Situations that are wrong from the start; no call fails in them. */
const SITUATIONS: readonly Scenario[] = [
  ["a namesake", withForeign, ({ terraform }) => terraform("create", { name: "theirs" })],
  [
    "a present key that is to be provided",
    withForeign,
    ({ world, terraform }) =>
      terraform("create", adoptingInput({ agentInstanceId: world.instance.id, existingKey: "provided" })),
  ],
  [
    "an instance that is gone",
    async () => {
      const world = await LocalWorld.ready();
      world.requestRotation();
      world.deleteInstance();
      return world;
    },
    async ({ world, step, terraform }) => {
      await step("createSecret", world.versionWith("AWSPENDING") ?? "");
      await terraform("update");
      await terraform("delete");
    },
  ],
  ...[
    "not JSON: KEY",
    '{"VALMI_AGENT_KEY":"KEY"}',
    '{"VALMI_AGENT_KEY":{"key":"KEY"},"schemaVersion":1}',
    "KEY",
  ].map(
    (value): Scenario => [
      `a value of somebody else's: ${value}`,
      async () => {
        const world = await LocalWorld.ready();
        world.put(world.newToken(), value.replaceAll("KEY", world.minted[0] ?? ""));
        world.requestRotation();
        return world;
      },
      async ({ world, step, terraform }) => {
        await step("createSecret", world.versionWith("AWSPENDING") ?? "");
        await terraform("update");
        await terraform("create");
      },
    ],
  ),
  ...[" ", "KEY and a word", '{"key":"KEY"} ', "token_wrong12345"].map(
    (text): Scenario => [
      `an operator's API key that is none: ${text}`,
      async () => {
        const world = await LocalWorld.ready();
        world.requestRotation();
        world.setOperatorKey(text.replaceAll("KEY", world.credentials[0] ?? ""));
        return world;
      },
      async ({ world, step, terraform }) => {
        await step("createSecret", world.versionWith("AWSPENDING") ?? "");
        await terraform("update");
        await terraform("create");
        await terraform("delete");
      },
    ],
  ),
  [
    "events that hold keys where none belongs",
    async () => LocalWorld.ready(),
    async ({ world, step, terraform }) => {
      const key = world.minted[0] ?? "";
      await step(key, key.repeat(3));
      await step("createSecret", `${key}-0123456789-0123456789`);
      await terraform("create", { secretArn: key });
      await terraform("create", { agentType: key as never });
      await terraform("create", { revision: key as never, removal: key as never });
    },
  ],
];

async function withForeign(): Promise<LocalWorld> {
  const world = new LocalWorld();
  world.foreignInstance("theirs");
  return world;
}

/** Plays all of it. */
export async function playFailures(): Promise<Failures> {
  const collected = {
    paths: 0,
    names: new Set<string>(),
    errors: [] as string[],
    results: [] as string[],
    logged: [] as string[],
    credentials: new Set<string>(),
  };
  const restore = captureConsole((line) => collected.logged.push(line));
  try {
    for (const [, prepare, act] of SITUATIONS) {
      await playOne(collected, prepare, act);
    }
    for (const [, prepare, act] of SCENARIOS) {
      for (const fault of await faultsOf(prepare, act)) await playOne(collected, prepare, act, fault);
    }
  } finally {
    restore();
  }
  return { ...collected, credentials: [...collected.credentials] };
}

/** Each call of a scenario that runs undisturbed, in each way to go wrong: at its first time, and at every time. */
async function faultsOf(prepare: Scenario[1], act: Scenario[2]): Promise<Fault[]> {
  const calls = new Map<string, Pick<Fault, "service" | "operation">>();
  const note = (service: Fault["service"], operation: string) => {
    calls.set(`${service} ${operation}`, { service, operation });
    return undefined;
  };
  const quiet = {
    paths: 0,
    names: new Set<string>(),
    errors: [],
    results: [],
    logged: [],
    credentials: new Set<string>(),
  };
  await playOne(quiet, prepare, act, undefined, note);
  return [...calls.values()].flatMap((call) =>
    (call.service === "controlPlane" ? CONTROL_PLANE_WAYS : AWS_WAYS).flatMap((how) =>
      [1, Number.POSITIVE_INFINITY].map((nth) => ({ ...call, how, nth })),
    ),
  );
}

interface Collected {
  paths: number;
  readonly names: Set<string>;
  readonly errors: string[];
  readonly results: string[];
  readonly credentials: Set<string>;
}

async function playOne(
  into: Collected,
  prepare: Scenario[1],
  act: Scenario[2],
  fault?: Fault,
  note: (service: Fault["service"], operation: string) => void = () => {},
): Promise<void> {
  const world = await prepare();
  into.paths += 1;
  /** How often the fault has befallen a call. */
  let met = 0;
  const befalls = (service: Fault["service"], operation: string): string | undefined => {
    note(service, operation);
    if (fault?.service !== service || fault.operation !== operation) return undefined;
    met += 1;
    return met <= fault.nth ? fault.how : undefined;
  };
  const logger = new Logger({ serviceName: "valmi-dev-agent-key-test", logLevel: "DEBUG" });
  const ports = () => {
    const endsAt = world.clock.now() + INVOCATION_MS;
    const dynamoDb = new DynamoDBClient(client("dynamoDb", world.table.perform));
    return invocationPorts(
      {
        settings: {
          controlPlaneUrl: "https://value.valmi.io/api/v1",
          controlPlaneAuth: fault?.nth === 1 ? "api-key" : "bearer",
          apiKeySecretArn: world.apiKeySecretArn,
          gracePeriodMs: 24 * HOUR,
          intentTable: world.table.name,
        },
        secrets: secretsManagerStore(
          new SecretsManagerClient(
            client("secretsManager", (operation, input) => world.secretsManager.call(operation, input)),
          ),
        ),
        intents: dynamoDbIntentStore(dynamoDb, world.table.name),
        proofs: dynamoDbRefusalProofs(dynamoDb, world.table.name),
        clock: world.clock,
        logger,
      },
      { getRemainingTimeInMillis: () => endsAt - world.clock.now() },
      {
        sleep: async (ms) => world.clock.advanceBy(ms),
        random: () => 0.5,
        newId: () => world.newToken(),
        fetch: hostileFetch,
      },
    );
  };
  /** Everything that a service has seen of secrets, for its texts. */
  const known = () => [...world.credentials].reverse().join(" ");

  const client = (
    service: "secretsManager" | "dynamoDb",
    perform: (operation: string, input: Record<string, unknown>) => object,
  ) => {
    const aws = new InMemoryAws((operation, input) => {
      const how = befalls(service, operation);
      if (how === undefined || how === "half an answer") {
        const answer = perform(operation, input);
        if (how === undefined) return answer;
        throw new HalfAnswer(JSON.stringify(answer));
      }
      if (how === "lost answer") {
        perform(operation, input);
        throw new Error(`socket hang up while it sent ${JSON.stringify(input)}`);
      }
      throw new AwsRefusal(
        how,
        `Refused ${JSON.stringify(input)} of ${known()}`,
        how === "InternalServiceError" ? 500 : 400,
      );
    });
    const { handle } = aws.requestHandler;
    const requestHandler = {
      handle: (request: Parameters<typeof handle>[0]) =>
        handle(request).catch((error: unknown) => {
          if (!(error instanceof HalfAnswer)) throw error;
          return {
            response: {
              statusCode: 200,
              headers: { "content-type": "application/x-amz-json-1.1" },
              body: Readable.from([Buffer.from(error.text.slice(0, -2))]),
            },
          };
        }),
    };
    const credentials = { accessKeyId: "local", secretAccessKey: "local" };
    return { region: "eu-west-1", credentials, requestHandler, maxAttempts: 1 };
  };

  const hostileFetch: typeof fetch = async (url, init) => {
    const { pathname } = new URL(String(url));
    const path = pathname
      .slice("/api/v1".length)
      .replace(/^\/agent_instance\/ai_[^/]+/, "/agent_instance/{id}");
    const how = befalls("controlPlane", `${init?.method} ${path}`);
    if (how === "never arrived") throw new TypeError(`fetch of ${JSON.stringify(init)} failed`);
    const answer = await world.fetch(url, init);
    if (how === undefined) return answer;
    if (how === "lost answer") throw new TypeError(`fetch of ${JSON.stringify(init)} failed`);
    const body = await answer.text();
    const headers = { "content-type": "application/json", date: answer.headers.get("date") ?? "" };
    if (how === "half an answer") return new Response(body.slice(0, -2), { headers });
    if (how === "answer with a tail") return new Response(`${body} and more`, { headers });
    if (how === "another shape") return Response.json({ answer: body, id: { secret: body } }, { headers });
    if (how === "endless") return new Response(body + " ".repeat(1_048_576), { headers });
    const sent = `${JSON.stringify(init?.headers)} ${new URLSearchParams(init?.headers as never)} ${init?.body} ${body} ${known()}`;
    if (how === "redirect")
      return new Response(null, {
        status: 307,
        headers: { location: `https://elsewhere.example.com/?${encodeURIComponent(sent)}` },
      });
    const status = Number(how.split(" ")[1]);
    const detail =
      status % 2 === 0 ? `Refused ${sent}` : [{ loc: ["header", sent], msg: sent, type: "value_error" }];
    return Response.json({ detail, error: { message: sent } }, { status, headers });
  };

  /** As the handlers do. */
  const leaving = async (keys: Record<string, string>, work: () => Promise<unknown>) => {
    logger.resetKeys();
    logger.appendKeys({ correlationId: "request", ...keys });
    try {
      into.results.push(JSON.stringify(await work()) ?? "");
    } catch (thrown) {
      const error = presentable(thrown);
      into.names.add(error.name === "Stop" ? (error.message.split(":")[0] ?? "") : error.name);
      logger.error("failed", { errorName: error.name, reason: error.message });
      into.errors.push(
        inspect(error, { depth: null, showHidden: true }),
        error.stack ?? "",
        JSON.stringify(error),
      );
    }
  };
  await act({
    world,
    step: (Step, ClientRequestToken) =>
      leaving({}, async () => {
        const request = parseRotationEvent({ Step, SecretId: world.secretArn, ClientRequestToken });
        logger.appendKeys({ secret: request.secretArn, step: request.step });
        await runStep(ports(), request);
      }),
    terraform: (action, input = {}) =>
      leaving({}, async () => {
        const given = "adopt" in input ? input : provisioningInput(input);
        const event = {
          secretArn: world.secretArn,
          ...given,
          ...("secretArn" in input ? {} : { secretArn: world.secretArn }),
        };
        return answer({ ...event, tf: { action, prev_input: null } }, logger, ports);
      }),
  });
  for (const credential of world.credentials) into.credentials.add(credential);
}

class HalfAnswer extends Error {
  constructor(readonly text: string) {
    super("half an answer");
  }
}

/** The logger writes to the console when `POWERTOOLS_DEV` is set, which has to be before it is made. */
function captureConsole(take: (line: string) => void): () => void {
  const before = { ...console };
  process.env.POWERTOOLS_DEV = "true";
  for (const level of ["debug", "info", "warn", "error"] as const) {
    console[level] = (...line: unknown[]) => take(line.map(String).join(" "));
  }
  return () => {
    Object.assign(console, before);
    delete process.env.POWERTOOLS_DEV;
  };
}
