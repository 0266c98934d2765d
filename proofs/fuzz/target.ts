import { inspect } from "node:util";
import fc from "fast-check";

/** What became of one case: it was read and the result is right, or it was refused by a typed error. */
export type Outcome = "read" | "refused";

/** One parser of what others send, with what is thrown at it. */
export interface Target {
  readonly name: string;
  /** How many cases `npm run test:fuzz` runs. */
  readonly cases: number;
  readonly values: fc.Arbitrary<unknown>;
  /** Throws where the outcome is neither a right result nor a typed error, or where a message holds a key. */
  readonly judge: (value: unknown) => Outcome | Promise<Outcome>;
}

/** Keeps `values` and `judge` of one type. */
export function target<T>(
  name: string,
  cases: number,
  values: fc.Arbitrary<T>,
  judge: (value: T) => Outcome | Promise<Outcome>,
): Target {
  return { name, cases, values, judge: (value) => judge(value as T) };
}

export interface Replay {
  /** @default - another one each time */
  readonly seed?: number | undefined;
  /** The path of a counterexample, as a failure gives it. */
  readonly path?: string | undefined;
}

export interface Verdict {
  readonly cases: number;
  readonly read: number;
  readonly refused: number;
  readonly seed: number;
  /** The smallest case that failed, and why; absent where none did. */
  readonly failure?: { readonly path: string; readonly report: string };
}

export async function fuzz(
  { values, judge }: Target,
  numRuns: number,
  { seed, path }: Replay = {},
): Promise<Verdict> {
  const count = { read: 0, refused: 0 };
  const property = fc.asyncProperty(values, async (value) => {
    count[await judge(value)] += 1;
  });
  const details = await fc.check(property, {
    numRuns,
    ...(seed === undefined ? {} : { seed }),
    ...(path === undefined ? {} : { path }),
  });
  return {
    cases: details.numRuns,
    ...count,
    seed: details.seed,
    ...(details.failed
      ? {
          failure: {
            path: details.counterexamplePath ?? "",
            report: `${fc.defaultReportMessage(details)}\n${inspect(details.errorInstance)}`,
          },
        }
      : {}),
  };
}

/** Keys that stand in the inputs, wherever a key may: none may come out in a message. */
export const MARKERS = {
  agentKey: "agent_marker0123456789abcdef",
  /** Of no known shape, so that masking by shape is not what saves it. */
  apiKey: "operator-marker-0123456789abcdef",
  /** Of the documented shape, for what only its shape can tell from any other text. */
  shapedApiKey: "token_marker0123456789abcdef",
} as const;

/** Checks that an error is of one of the types that its thrower documents, and that it tells no key. */
export function refusedBy(
  error: unknown,
  ...types: readonly (abstract new (
    ...args: never
  ) => Error)[]
): Outcome {
  if (!types.some((type) => error instanceof type)) {
    throw new Error(`neither a result nor a typed error: ${inspect(error)}`);
  }
  tellsNoKey(error);
  return "refused";
}

/** Looks at all that a log or a terminal may show of a value: its texts, its cause, what hangs on it. */
export function tellsNoKey(shown: unknown): void {
  const text = typeof shown === "string" ? shown : inspect(shown, { depth: 6, maxStringLength: null });
  for (const [what, marker] of Object.entries(MARKERS)) {
    if (text.includes(marker)) throw new Error(`tells the ${what}: ${text}`);
  }
}

/** Deeper than what recursive code bears. */
const DEEP = 20_000;
const DEEPLY_NESTED = "[".repeat(DEEP) + "]".repeat(DEEP);

const NASTY_NUMBERS = ["-0", "1e999", "-1", "0.5", "12345678901234567890", "17"];
const NASTY_NAMES = ["toString", "valueOf", "toJSON", "__proto__", "constructor", "length", "then", ""];
const NASTY_TEXTS = [
  "+275760-09-13T00:00:00.000Z",
  "",
  " ",
  "\u0000",
  "é\u2028",
  "$" + "{path.module}",
  "https://user:password@host/",
  `Bearer ${MARKERS.apiKey}`,
];

/**
 * JSON as text, so that it also holds what no parsed value can: numbers past every range, names twice, nesting that no
 * stack bears. Objects have the given names now and then.
 */
export function jsonText(...names: readonly string[]): fc.Arbitrary<string> {
  const text = fc
    .oneof(
      { weight: 3, arbitrary: fc.constantFrom(...Object.values(MARKERS)) },
      { weight: 2, arbitrary: fc.constantFrom(...NASTY_TEXTS) },
      { weight: 3, arbitrary: fc.string() },
      { weight: 2, arbitrary: fc.string({ unit: "binary" }) },
    )
    .map((value) => JSON.stringify(value));
  const name = fc.oneof(
    ...(names.length > 0 ? [{ weight: 6, arbitrary: fc.constantFrom(...names) }] : []),
    { weight: 1, arbitrary: fc.constantFrom(...NASTY_NAMES) },
    { weight: 1, arbitrary: fc.string() },
  );
  return fc.letrec<{ value: string; leaf: string; list: string; object: string }>((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, tie("leaf"), tie("object"), tie("list")),
    leaf: fc.oneof(
      { weight: 12, arbitrary: text },
      { weight: 3, arbitrary: fc.constantFrom(...NASTY_NUMBERS) },
      { weight: 3, arbitrary: fc.constantFrom("null", "true", "false") },
      { weight: 1, arbitrary: fc.constantFrom("[]", "{}", DEEPLY_NESTED) },
    ),
    list: fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    object: fc
      .array(fc.tuple(name, tie("value")), { maxLength: 8 })
      .map((fields) => `{${fields.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`),
  })).value;
}

/** A text with a few characters of it cut out, doubled or replaced. */
export function garbled(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(text, fc.nat(), fc.nat({ max: 12 }), fc.string({ maxLength: 4 }))
    .map(([whole, at, length, inserted]) => {
      const start = whole.length === 0 ? 0 : at % whole.length;
      return whole.slice(0, start) + inserted + whole.slice(start + length);
    });
}

/** JSON as text in which up to three places, however deep, are replaced, left out, or have something beside them. */
export function altered(whole: object, ...names: readonly string[]): fc.Arbitrary<string> {
  const places = placesOf(whole);
  const known = [...new Set([...places.map((place) => place.at(-1) ?? ""), ...names])].filter(
    (name) => name !== "",
  );
  const change = fc.record({
    place: fc.constantFrom(...places),
    how: fc.constantFrom("replace", "replace", "remove", "add"),
    name: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...known) },
      { weight: 1, arbitrary: fc.string() },
    ),
    value: jsonText(...known),
  });
  return fc.array(change, { maxLength: 3 }).map((changes) => {
    const changed = structuredClone({ whole }) as Record<string, unknown>;
    changes.forEach(({ place, how, name, value: _ }, index) => {
      const path = ["whole", ...place];
      const last = path.pop() as string;
      let parent: unknown = changed;
      for (const step of path) parent = isObject(parent) ? parent[step] : undefined;
      if (!isObject(parent)) return;
      const beside = isObject(parent[last]) ? (parent[last] as Record<string, unknown>) : parent;
      if (how === "remove" && place.length > 0) delete parent[last];
      else if (how === "add") Object.defineProperty(beside, name, { ...PLAIN, value: standIn(index) });
      else parent[last] = standIn(index);
    });
    // As text, since no stack bears to write the deepest values down.
    return changes.reduce(
      (text, { value }, index) => text.replaceAll(JSON.stringify(standIn(index)), () => value),
      JSON.stringify(changed.whole) ?? "",
    );
  });
}

const PLAIN = { enumerable: true, configurable: true, writable: true };
const standIn = (index: number) => `@@ stands for ${index} @@`;
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

function placesOf(value: unknown): string[][] {
  if (!isObject(value)) return [[]];
  const below = Object.entries(value).flatMap(([name, part]) =>
    placesOf(part).map((place) => [name, ...place]),
  );
  return [[], ...below];
}
