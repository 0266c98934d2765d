import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../lambda/clock";
import { CallCounter, type CallCounts } from "./calls";
import { accessDenied, SecretsManagerError } from "./errors";
import { type Fault, Faults, parseFault } from "./faults";
import { lambdaFunctions } from "./lambda-functions";
import type { StateOptions } from "./model";
import { RotationDriver, type RotationDriverOptions, type RotationFunctions } from "./rotation-driver";
import { SecretsManagerState } from "./state";

const MAX_BODY_BYTES = 1024 * 1024;
const TARGET = /^secretsmanager\.(\w+)$/;

/** A clock that can be moved over HTTP; `POST /_local/clock` refuses any other. */
interface MovableClock extends Clock {
  advanceBy(milliseconds: number): void;
}

export interface SecretsManagerOptions
  extends StateOptions,
    Pick<RotationDriverOptions, "intervalMs" | "parallel" | "report"> {
  /** Port on 127.0.0.1. @default 0, any free one */
  readonly port?: number;
  /** @default - the Lambda API that the environment names */
  readonly functions?: RotationFunctions;
}

export interface SecretsManager {
  readonly url: string;
  readonly state: SecretsManagerState;
  readonly calls: CallCounts;
  /** Faults to come, for tests in the same process. */
  orderFault(fault: Fault): void;
  /** Waits until no rotation step is due or running. */
  settle(): Promise<void>;
  /**
   * Moves the clock, stopping wherever a rotation falls due until it has run, so that no rotation window is jumped
   * over. Only with a clock that can be moved.
   */
  advanceBy(milliseconds: number): Promise<void>;
  /** Ends rotations and connections, and frees the port. */
  close(): Promise<void>;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** AWS spells the text `Message` in the errors that the service's model knows, and `message` in the general ones. */
const GENERAL_ERRORS = [
  "ValidationException",
  "AccessDeniedException",
  "SerializationException",
  "UnknownOperationException",
];

function errorReply(error: unknown): Reply {
  const { code, message, statusCode } =
    error instanceof SecretsManagerError
      ? error
      : new SecretsManagerError(
          "InternalServiceError",
          error instanceof Error ? error.message : String(error),
          500,
        );
  const field = GENERAL_ERRORS.includes(code) ? "message" : "Message";
  return {
    status: statusCode,
    body: { __type: code, [field]: message },
    headers: { "x-amzn-errortype": code },
  };
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES)
      throw new SecretsManagerError("SerializationException", "The request is too large.", 413);
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString() || "{}");
  } catch {
    throw new SecretsManagerError("SerializationException", "The request is not JSON.");
  }
}

/** The region in the credential scope of the signature, which nobody checks. */
const regionOf = (request: IncomingMessage) =>
  /Credential=[^/]+\/\d+\/([a-z0-9-]+)\/secretsmanager\//.exec(request.headers.authorization ?? "")?.[1];

/** Serves a fresh Secrets Manager on 127.0.0.1 and runs its rotations. */
export async function startSecretsManager(options: SecretsManagerOptions): Promise<SecretsManager> {
  const { clock } = options;
  const state = new SecretsManagerState(options);
  const functions = options.functions ?? lambdaFunctions(options.accountId ?? "000000000000");
  const driver = new RotationDriver({ ...options, state, functions });
  const counter = new CallCounter();
  const faults = new Faults();

  /** RotateSecret checks its function before it changes anything. */
  async function checkFunction(input: object): Promise<void> {
    const functionArn = state.functionToRotateWith(input);
    if (functionArn === null || (await functions.mayInvoke(functionArn))) return;
    throw accessDenied(
      "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access " +
        "to the principal secretsmanager.amazonaws.com.",
    );
  }

  /** `null`: the answer is lost. */
  async function api(request: IncomingMessage): Promise<Reply | null> {
    const target = String(request.headers["x-amz-target"]);
    const operation = TARGET.exec(target)?.[1] ?? target;
    counter.count(operation, request.headers["user-agent"] ?? "");
    const input = (await readBody(request)) as object;
    const fault = faults.take(operation);
    if (fault?.kind === "delay") await sleep(fault.delayMs ?? 1_000);
    if (fault?.kind === "refuse") {
      const { code = "InternalServiceError", message = "Ordered fault.", statusCode } = fault.error ?? {};
      throw new SecretsManagerError(code, message, statusCode ?? (fault.error ? 400 : 500));
    }
    if (operation === "RotateSecret") await checkFunction(input);
    const body = state.call(operation, input, regionOf(request));
    return fault?.kind === "drop-answer" ? null : { status: 200, body };
  }

  async function advanceBy(milliseconds: number): Promise<void> {
    const movable = clock as Partial<MovableClock>;
    // The schedule as it stands now says where to stop.
    await driver.settle();
    if (movable.advanceBy === undefined) throw new TypeError("this clock can't be moved");
    if (!(milliseconds >= 0)) throw new RangeError(`\`advanceMs\` must be 0 or more, got: ${milliseconds}`);
    let left = milliseconds;
    do {
      const untilDue = Math.ceil(state.nextDueAt() - clock.now());
      const step = untilDue > 0 ? Math.min(left, untilDue) : left;
      movable.advanceBy(step);
      left -= step;
      await driver.settle();
    } while (left > 0);
  }

  const localRoutes: Readonly<Record<string, (request: IncomingMessage) => unknown>> = {
    "GET /_local/events": () => state.events,
    "GET /_local/calls": () => counter.read(),
    "DELETE /_local/calls": () => counter.reset(),
    "GET /_local/clock": () => ({ now: clock.now() }),
    "POST /_local/clock": async (request) => {
      await advanceBy(((await readBody(request)) as { advanceMs: number }).advanceMs);
      return { now: clock.now() };
    },
    "GET /_local/faults": () => faults.pending(),
    "POST /_local/faults": async (request) => faults.order(parseFault(await readBody(request))),
    "DELETE /_local/faults": () => faults.clear(),
  };

  async function local(request: IncomingMessage): Promise<Reply> {
    const route = localRoutes[`${request.method} ${request.url}`];
    if (route === undefined)
      return { status: 404, body: { error: "no such route", routes: Object.keys(localRoutes) } };
    try {
      return { status: 200, body: (await route(request)) ?? {} };
    } catch (error) {
      return { status: 400, body: { error: error instanceof Error ? error.message : String(error) } };
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isLocal = request.url?.startsWith("/_local/") ?? false;
    const reply = await (isLocal ? local(request) : api(request).catch(errorReply));
    if (reply === null) {
      request.socket.destroy();
      return;
    }
    response.writeHead(reply.status, {
      "content-type": isLocal ? "application/json" : "application/x-amz-json-1.1",
      "x-amzn-requestid": randomUUID(),
      // The SDK signs by the server's clock.
      date: new Date(clock.now()).toUTCString(),
      ...reply.headers,
    });
    response.end(JSON.stringify(reply.body));
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: Error) => response.destroy(error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  driver.start();

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    get calls() {
      return counter.read();
    },
    orderFault: (fault) => faults.order(parseFault(fault)),
    settle: () => driver.settle(),
    advanceBy,
    async close() {
      await driver.close();
      functions.close?.();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
