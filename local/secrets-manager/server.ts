import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../../core/clock";
import { type AdjustableClock, checkMove } from "../clock";
import { CallCounter, type CallCounts } from "./calls";
import { accessDenied, invalidParameter, SecretsManagerError } from "./errors";
import type { EventBus } from "./event-delivery";
import { type Fault, Faults, parseFault } from "./faults";
import type { Input } from "./input";
import { lambdaFunctions } from "./lambda-functions";
import { LOCAL_PREFIX, localRoutes } from "./local-routes";
import type { ServiceEvent, StateOptions } from "./model";
import { RotationDriver, type RotationDriverOptions, type RotationFunctions } from "./rotation-driver";
import { SecretsManagerState } from "./state";
import { errorReply, messageOf, operationOf, type Reply, readInput, regionOf } from "./wire";

export interface SecretsManagerOptions
  extends Omit<StateOptions, "onEvent">,
    Pick<RotationDriverOptions, "intervalMs" | "parallel" | "report"> {
  /** Port on 127.0.0.1. @default 0, any free one */
  readonly port?: number;
  /** @default - the Lambda API that the environment names */
  readonly functions?: RotationFunctions;
  /** Where events are delivered. @default - they are only listed */
  readonly eventBus?: EventBus;
}

export interface SecretsManager {
  readonly url: string;
  readonly state: SecretsManagerState;
  readonly calls: CallCounts;
  /** As `POST /_local/faults`. Throws a `TypeError` that names the field. */
  orderFault(fault: Fault): void;
  /** Waits until no rotation step is due or running, and no event is on its way. */
  settle(): Promise<void>;
  /**
   * Moves the clock, stopping wherever a rotation falls due until it has run, so that no rotation window is jumped
   * over. Throws a `TypeError` if the clock can't be moved at all, and a `RangeError` if it can't be moved so.
   */
  advanceBy(milliseconds: number): Promise<void>;
  /** Ends rotations and connections, and frees the port. */
  close(): Promise<void>;
}

/** Serves a fresh Secrets Manager on 127.0.0.1 and runs its rotations. */
export async function startSecretsManager(options: SecretsManagerOptions): Promise<SecretsManager> {
  const { clock, eventBus, report = () => {} } = options;
  const deliveries = new Set<Promise<void>>();
  const onEvent = (event: ServiceEvent) => {
    const delivery = Promise.resolve(eventBus?.deliver(event))
      .catch((error: unknown) => report(`event ${event["detail-type"]} not delivered: ${messageOf(error)}`))
      .finally(() => deliveries.delete(delivery));
    deliveries.add(delivery);
  };
  const state = new SecretsManagerState({ ...options, onEvent });
  const functions = options.functions ?? lambdaFunctions(options.accountId ?? "000000000000");
  const driver = new RotationDriver({ ...options, state, functions });
  const calls = new CallCounter();
  const faults = new Faults();
  const closing = new AbortController();
  const settle = async () => {
    await driver.settle();
    await Promise.all(deliveries);
  };
  const advanceBy = (milliseconds: number) => advance(clock, state, { settle }, milliseconds);
  const local = localRoutes({ state, clock, calls, faults, advanceBy });

  /** `null`: the answer is lost. */
  async function api(request: IncomingMessage): Promise<Reply | null> {
    const operation = operationOf(request);
    calls.count(operation, request.headers["user-agent"] ?? "");
    const input = await readInput(request);
    const fault = faults.take(operation);
    if (fault?.kind === "delay") {
      await sleep(fault.delayMs ?? 1_000, undefined, { signal: closing.signal }).catch(() => {});
      // Nobody waits for the answer any more, and nothing is to happen after the end.
      if (closing.signal.aborted) return null;
    }
    if (fault?.kind === "refuse") throw refusalOf(fault);
    if (operation === "RotateSecret") await checkFunction(state, functions, input);
    const body = state.call(operation, input, regionOf(request));
    return fault?.kind === "drop-answer" ? null : { status: 200, body };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isLocal = request.url?.startsWith(LOCAL_PREFIX) ?? false;
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
      return calls.read();
    },
    orderFault: (fault) => faults.order(parseFault(fault)),
    settle,
    advanceBy,
    async close() {
      closing.abort();
      await driver.close();
      functions.close?.();
      await Promise.all(deliveries);
      eventBus?.close?.();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** RotateSecret checks its function before it changes anything. */
async function checkFunction(
  state: SecretsManagerState,
  functions: RotationFunctions,
  input: Input,
): Promise<void> {
  const functionArn = state.functionToRotateWith(input);
  if (functionArn === null) return;
  const admitted = await functions.mayInvoke(functionArn).catch((error: unknown) => {
    // Not an InternalServiceError, which SDKs repeat: this takes a person.
    throw invalidParameter(`The Lambda API can't be asked about ${functionArn}: ${messageOf(error)}`);
  });
  if (admitted) return;
  throw accessDenied(
    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access " +
      "to the principal secretsmanager.amazonaws.com.",
  );
}

function refusalOf({ error }: Fault): SecretsManagerError {
  if (error === undefined) return new SecretsManagerError("InternalServiceError", "Ordered fault.", 500);
  return new SecretsManagerError(error.code, error.message ?? "Ordered fault.", error.statusCode);
}

async function advance(
  clock: Clock & Partial<AdjustableClock>,
  state: SecretsManagerState,
  driver: Pick<RotationDriver, "settle">,
  milliseconds: number,
): Promise<void> {
  if (clock.advanceBy === undefined) throw new TypeError("this clock can't be moved");
  checkMove(clock, milliseconds);
  // What is due already comes first; the schedule as it stands then says where to stop.
  await driver.settle();
  let left = milliseconds;
  do {
    const untilDue = Math.ceil(state.nextDueAt() - clock.now());
    const step = untilDue > 0 ? Math.min(left, untilDue) : left;
    clock.advanceBy(step);
    left -= step;
    await driver.settle();
  } while (left > 0);
}
