import * as v from "valibot";
import { SECOND_REFRESH } from "./model";

/*
 * What this Control Plane does where public documents leave it open, or contradict each other. It is chosen at the start,
 * and can be changed while it runs. README.md has the table.
 */

const rule = <T extends v.GenericSchema>(
  schema: T,
  holds: (value: v.InferOutput<T>) => boolean,
  says: string,
) => v.pipe(schema, v.check(holds, says));
const number = (says: string, holds: (value: number) => boolean) =>
  rule(v.number(says), (value) => Number.isFinite(value) && holds(value), says);
const oneOf = <const T extends string>(values: readonly T[]) =>
  v.picklist(values, `must be one of ${values.join(", ")}`);

const FIELDS = {
  /** How long a replaced key is still accepted; 0 ends it at once. */
  graceHours: v.optional(
    number("must be a number, 0 or more", (hours) => hours >= 0),
    24,
  ),
  secondRefresh: v.optional(oneOf(SECOND_REFRESH), "A"),
  /** How long a new key is not accepted yet. */
  activationSeconds: v.optional(
    number("must be from 0 to 60", (seconds) => seconds >= 0 && seconds <= 60),
    0,
  ),
  /** A create or refresh that repeats an earlier one's `Idempotency-Key` gets the earlier key. */
  honoursIdempotencyKey: v.optional(v.boolean("must be true or false"), false),
  /**
   * The keys of an instance that is made inactive: `paused` until it is active again, `ended` for ever, or `accepted` all the
   * while.
   */
  inactiveKeys: v.optional(oneOf(["paused", "ended", "accepted"]), "paused"),
  /** What every agent key starts with, so that a search for leaked keys has something to look for. */
  keyPrefix: v.optional(
    rule(
      v.string("must be a text"),
      (text) => /^[\x21-\x7e]+$/.test(text),
      "must be visible ASCII without spaces",
    ),
    "agent_",
  ),
  /** How an operator's API key may arrive: the header `api-key`, or `Authorization: Bearer`. */
  auth: v.optional(oneOf(["both", "api-key", "bearer"]), "both"),
  /** `current`: `{"detail": …}`. `earlier`: `{"error": {"code", "message"}}`. */
  errorDialect: v.optional(oneOf(["current", "earlier"]), "current"),
  /** `current`: `id`, `secret`. `tool`: `agent_instance_id`, `agent_type_id`, `secret_token`. Or new names by current ones. */
  fieldNames: v.optional(
    v.union(
      [v.picklist(["current", "tool"]), v.record(v.string(), v.string())],
      "must be current, tool, or new names by the current ones",
    ),
    "current",
  ),
  /** For each API key. */
  requestsPerMinute: v.optional(
    number("must be a whole number, 0 or more", (count) => Number.isInteger(count) && count >= 0),
    1_000,
  ),
  /** How far the `Date` of every answer is from the clock. */
  dateOffsetSeconds: v.optional(
    number("must be a number", () => true),
    0,
  ),
  /** For how long an edge goes on answering `GET /agent_instance/info` as it did when the key was accepted. */
  edgeCacheSeconds: v.optional(
    number("must be a number, 0 or more", (seconds) => seconds >= 0),
    0,
  ),
};

const schema = v.object(FIELDS, "it must be an object");
export type Behaviour = Readonly<v.InferOutput<typeof schema>>;

/** The first of what is documented; nothing is slow, cached or off. */
export const DOCUMENTED_BEHAVIOUR: Behaviour = v.parse(schema, {});

/** Throws a `RangeError` that names each faulty field, its rule and what was got. Whatever isn't a behaviour is left out. */
export function readBehaviour(given: object): Behaviour {
  const parsed = v.safeParse(schema, given);
  if (parsed.success) return parsed.output;
  const problems = parsed.issues.map((issue) => {
    const [item] = issue.path ?? [];
    const field = item === undefined ? "" : `\`${String(item.key)}\` `;
    return `${field}${issue.message}, got: ${JSON.stringify(item?.value ?? issue.input)}`;
  });
  throw new RangeError(problems.join("; "));
}

/** As `readBehaviour`, upon what holds already. Throws too if anything is given that is no behaviour. */
export function changeBehaviour(present: Behaviour, change: unknown): Behaviour {
  if (typeof change !== "object" || change === null || Array.isArray(change)) {
    throw new RangeError(`it must be an object, got: ${JSON.stringify(change)}`);
  }
  for (const name of Object.keys(change)) {
    if (name in FIELDS) continue;
    throw new RangeError(`\`${name}\` is no behaviour; there are: ${Object.keys(FIELDS).join(", ")}`);
  }
  return readBehaviour({ ...present, ...change });
}
