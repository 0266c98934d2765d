import { Hono } from "hono";
import { AgentKey } from "../../core/key/credential";
import { type AdjustableClock, checkMove } from "../clock";
import type { Faults } from "./faults";
import { LOCAL_PATH, REDIRECT_TARGET } from "./paths";
import type { ControlPlaneState } from "./state";

export interface LocalRoutesOptions {
  readonly state: ControlPlaneState;
  readonly clock: AdjustableClock;
  readonly faults: Faults;
  readonly calls: Record<string, number>;
}

/** Routes for whoever runs the server. Not part of Valmi's API; they show fingerprints, never keys. */
export function localRoutes({ state, clock, faults, calls }: LocalRoutesOptions) {
  const local = new Hono();
  const problem = (error: unknown) => (error instanceof Error ? error.message : String(error));

  local.get("/calls", (c) => c.json(calls));
  local.get("/clock", (c) => c.json({ now: new Date(clock.now()).toISOString() }));
  local.post("/clock", async (c) => {
    try {
      const { advanceMs } = await c.req.json();
      checkMove(clock, advanceMs);
      clock.advanceBy(advanceMs);
    } catch (error) {
      return c.json({ detail: problem(error) }, 422);
    }
    return c.json({ now: new Date(clock.now()).toISOString() });
  });
  local.get("/behaviour", (c) => c.json(state.behaviour));
  local.post("/behaviour", async (c) => {
    try {
      return c.json(state.behave(await c.req.json()));
    } catch (error) {
      return c.json({ detail: problem(error) }, 422);
    }
  });
  local.get("/faults", (c) => c.json(faults.list()));
  local.post("/faults", async (c) => {
    try {
      return c.json(faults.order(await c.req.json()));
    } catch (error) {
      return c.json({ detail: problem(error) }, 422);
    }
  });
  local.delete("/faults", (c) => {
    faults.clear();
    return c.body(null, 204);
  });
  // A client that follows redirects would carry its API key here: counted, so that a test can see it.
  local.all(REDIRECT_TARGET.slice(LOCAL_PATH.length), (c) => {
    calls[REDIRECT_TARGET] = (calls[REDIRECT_TARGET] ?? 0) + 1;
    return c.json({ detail: "A redirect was followed" });
  });
  local.get("/instances", (c) =>
    c.json(
      state.allInstances().map(({ keys, ...instance }) => ({
        ...instance,
        keys: keys.map((key) => ({
          fingerprint: new AgentKey(key.value).fingerprint,
          mintedAt: new Date(key.mintedAt).toISOString(),
          liveFrom: new Date(key.liveFrom).toISOString(),
          diesAt: key.diesAt === null ? null : new Date(key.diesAt).toISOString(),
          isAccepted: state.isAccepted(key.value),
        })),
      })),
    ),
  );
  return local;
}
