import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import * as v from "valibot";
import { REDIRECT_TARGET } from "./paths";

/** What can be ordered to go wrong with a request. */
export const FAULT_EFFECTS = ["drop", "delay", "status", "malformed", "redirect", "oversized"] as const;

const faultOrder = v.strictObject({
  /** As in the list of calls, such as `POST /agent_instance/{agent_instance_id}/refresh`. */
  route: v.string(),
  /**
   * `drop` cuts the connection, `delay` waits, `status` answers with `status`, `malformed` with half an answer,
   * `redirect` with a 307, `oversized` with the answer and a lot of padding.
   */
  effect: v.picklist(FAULT_EFFECTS),
  /**
   * `after`: the request is carried out first, so that a client loses the answer of something that happened.
   * `before`: it isn't carried out, or by `delay` only later.
   */
  when: v.optional(v.picklist(["before", "after"]), "after"),
  /** How many requests it befalls. */
  times: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1),
  /** Of `status`. */
  status: v.optional(v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599)), 503),
  /** Of `delay`: milliseconds of real time. */
  delayMs: v.optional(v.pipe(v.number(), v.minValue(0)), 1_000),
  /** Of `oversized`: length of the padding. */
  bytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 8 * 1024 * 1024),
});

/** An order as it is given; whatever is left out has the default above. */
export type FaultOrder = v.InferInput<typeof faultOrder>;
export type Fault = v.InferOutput<typeof faultOrder>;

/** The faults ordered and not yet met; first ordered, first met. */
export class Faults {
  private pending: Fault[] = [];

  constructor(private readonly routes: readonly string[]) {}

  /** Throws a `RangeError` that names the field: an order that could never be met would hide a mistake. */
  order(order: unknown): Fault {
    const parsed = v.safeParse(faultOrder, order);
    if (!parsed.success) {
      const problems = parsed.issues.map(
        (issue) => `\`${v.getDotPath(issue) ?? "fault"}\`: ${issue.message}`,
      );
      throw new RangeError(problems.join("; "));
    }
    const fault = parsed.output;
    if (!this.routes.includes(fault.route))
      throw new RangeError(`\`route\` must be one of: ${this.routes.join(", ")}; got: ${fault.route}`);
    this.pending.push(fault);
    return fault;
  }

  /** The fault that befalls this request, if any. */
  take(route: string): Fault | undefined {
    const fault = this.pending.find((candidate) => candidate.route === route);
    if (fault) {
      fault.times -= 1;
      this.pending = this.pending.filter(({ times }) => times > 0);
    }
    return fault;
  }

  list(): readonly Fault[] {
    return this.pending;
  }

  clear(): void {
    this.pending = [];
  }
}

/**
 * Carries a request out, or not, and spoils its answer. `sleep` resolves early when the server closes: what is delayed
 * then is carried out at once, and nobody gets its answer.
 */
export async function befall(
  fault: Fault,
  c: Context<{ Bindings: HttpBindings }>,
  next: () => Promise<void>,
  sleep: (milliseconds: number) => Promise<void>,
): Promise<void> {
  if (fault.effect === "delay" && fault.when === "before") await sleep(fault.delayMs);
  if (fault.effect === "delay" || fault.when === "after") await next();
  switch (fault.effect) {
    case "delay":
      if (fault.when === "after") await sleep(fault.delayMs);
      return;
    case "drop":
      c.env.incoming.socket.destroy();
      c.res = RESPONSE_ALREADY_SENT;
      return;
    case "status":
      c.res = Response.json({ detail: "Ordered fault" }, { status: fault.status });
      if (fault.status === 429) c.res.headers.set("Retry-After", "1");
      return;
    case "redirect":
      c.res = new Response(null, { status: 307, headers: { Location: REDIRECT_TARGET } });
      return;
    case "malformed":
    case "oversized": {
      const answer = fault.when === "after" ? await c.res.text() : '{"detail": "Ordered fault"}';
      const spoiled =
        fault.effect === "malformed"
          ? answer.slice(0, Math.ceil(answer.length / 2))
          : `{"padding": "${"x".repeat(fault.bytes)}", ${answer.slice(1)}`;
      c.res = new Response(spoiled, { headers: { "Content-Type": "application/json" } });
    }
  }
}
