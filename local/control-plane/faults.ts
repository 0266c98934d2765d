import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import * as v from "valibot";
import type { Clock } from "../../core/clock";
import { REDIRECT_TARGET } from "./paths";

/** What can be ordered to go wrong with a request. */
export const FAULT_EFFECTS = [
  "drop",
  "delay",
  "status",
  "malformed",
  "redirect",
  "oversized",
  "html",
  "missing-field",
] as const;

const count = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least));

const faultOrder = v.pipe(
  v.strictObject({
    /** As in the list of calls, such as `POST /agent_instance/{agent_instance_id}/refresh`. */
    route: v.string(),
    /**
     * `drop` cuts the connection, `delay` waits, `status` answers with `status`, `malformed` with half an answer,
     * `redirect` with a 307, `oversized` with the answer and a lot of padding, `html` with a page of status `status`, and
     * `missing-field` with the answer without `field`.
     */
    effect: v.picklist(FAULT_EFFECTS),
    /**
     * `after`: the request is carried out first, so that a client loses the answer of something that happened.
     * `before`: it isn't carried out, or by `delay` only later.
     */
    when: v.optional(v.picklist(["before", "after"]), "after"),
    /** How many requests it befalls. @default 1, or `always` if `lastsMs` is given */
    times: v.optional(v.union([v.literal("always"), count(1)])),
    /** How many requests are let through before the first that it befalls. */
    skip: v.optional(count(0), 0),
    /** For how long after the order, in milliseconds on the server's clock. @default - until it has befallen `times` */
    lastsMs: v.optional(v.pipe(v.number(), v.minValue(0))),
    /** Of `status`, from 400 on, and of `html`. */
    status: v.optional(v.pipe(v.number(), v.integer(), v.minValue(200), v.maxValue(599)), 503),
    /** Of `delay`: milliseconds of real time. */
    delayMs: v.optional(v.pipe(v.number(), v.minValue(0)), 1_000),
    /** Of `oversized`: length of the padding. */
    bytes: v.optional(count(1), 8 * 1024 * 1024),
    /** Of `missing-field`, which needs it: the field's name as it is in the answer. */
    field: v.optional(v.pipe(v.string(), v.nonEmpty())),
  }),
  v.forward(
    v.check(({ effect, status }) => effect !== "status" || status >= 400, "must be 400 or more"),
    ["status"],
  ),
  v.forward(
    v.check(({ effect, field }) => effect !== "missing-field" || field !== undefined, "must be given"),
    ["field"],
  ),
);

/** An order as it is given; whatever is left out has the default above. */
export type FaultOrder = v.InferInput<typeof faultOrder>;
export type Fault = v.InferOutput<typeof faultOrder> & {
  /** How many requests it still befalls. */
  times: number | "always";
  /** How many requests are still let through. */
  skip: number;
  /** Until when; absent if nothing but `times` ends it. */
  readonly until?: number;
};

/** The faults ordered and not yet met; first ordered, first met. */
export class Faults {
  private pending: Fault[] = [];

  constructor(
    private readonly routes: readonly string[],
    private readonly clock: Clock,
  ) {}

  /** Throws a `RangeError` that names the field: an order that could never be met would hide a mistake. */
  order(order: unknown): Fault {
    const parsed = v.safeParse(faultOrder, order);
    if (!parsed.success) {
      const problems = parsed.issues.map(
        (issue) => `\`${v.getDotPath(issue) ?? "fault"}\`: ${issue.message}`,
      );
      throw new RangeError(problems.join("; "));
    }
    const { route, lastsMs, times = lastsMs === undefined ? 1 : "always" } = parsed.output;
    if (!this.routes.includes(route))
      throw new RangeError(`\`route\` must be one of: ${this.routes.join(", ")}; got: ${route}`);
    const until = lastsMs === undefined ? {} : { until: this.clock.now() + lastsMs };
    const fault: Fault = { ...parsed.output, times, ...until };
    this.pending.push(fault);
    return fault;
  }

  /** The fault that befalls this request, if any. */
  take(route: string): Fault | undefined {
    const fault = this.list().find((candidate) => candidate.route === route);
    if (fault === undefined) return undefined;
    if (fault.skip > 0) {
      fault.skip -= 1;
      return undefined;
    }
    if (fault.times !== "always") fault.times -= 1;
    return fault;
  }

  list(): readonly Fault[] {
    const now = this.clock.now();
    this.pending = this.pending.filter(
      ({ times, until = Number.POSITIVE_INFINITY }) => times !== 0 && now < until,
    );
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
    case "html":
      c.res = new Response("<!doctype html><title>Ordered fault</title>\n", {
        status: fault.status,
        headers: { "Content-Type": "text/html; charset=utf-8" },
      });
      return;
    case "missing-field": {
      const answer = (fault.when === "after" ? await c.res.json() : {}) as Record<string, unknown>;
      delete answer[fault.field ?? ""];
      c.res = Response.json(answer);
      return;
    }
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
