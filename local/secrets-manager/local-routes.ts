import type { IncomingMessage } from "node:http";
import type { Clock } from "../../core/clock";
import type { CallCounter } from "./calls";
import { type Faults, parseFault } from "./faults";
import type { SecretsManagerState } from "./state";
import { messageOf, type Reply, readInput } from "./wire";

export const LOCAL_PREFIX = "/_local/";

interface LocalRouteDeps {
  readonly state: Pick<SecretsManagerState, "events">;
  readonly clock: Clock;
  readonly calls: CallCounter;
  readonly faults: Faults;
  advanceBy(milliseconds: number): Promise<void>;
}

/** The routes under `/_local/`, by which stories and tests look inside and steer. AWS has nothing like them. */
export function localRoutes({ state, clock, calls, faults, advanceBy }: LocalRouteDeps) {
  const routes: Readonly<Record<string, (request: IncomingMessage) => unknown>> = {
    "GET /_local/events": () => state.events,
    "GET /_local/calls": () => calls.read(),
    "DELETE /_local/calls": () => calls.reset(),
    "GET /_local/clock": () => ({ now: clock.now() }),
    "POST /_local/clock": async (request) => {
      const { advanceMs } = await readInput(request);
      await advanceBy(advanceMs as number);
      return { now: clock.now() };
    },
    "GET /_local/faults": () => faults.pending(),
    "POST /_local/faults": async (request) => faults.order(parseFault(await readInput(request))),
    "DELETE /_local/faults": () => faults.clear(),
  };

  return async (request: IncomingMessage): Promise<Reply> => {
    const route = routes[`${request.method} ${request.url}`];
    if (route === undefined) {
      return { status: 404, body: { error: "no such route", routes: Object.keys(routes) } };
    }
    try {
      return { status: 200, body: (await route(request)) ?? {} };
    } catch (error) {
      return { status: 400, body: { error: messageOf(error) } };
    }
  };
}
