import type { Budget, Sleep } from "../budget";
import type { Clock } from "../clock";
import { KEY_SHAPE } from "../contract";
import { ControlPlaneError, type ControlPlaneErrorKind } from "./errors";

export interface HttpOptions {
  /** Without a trailing slash. Every request goes below it; redirects are refused. */
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly budget: Budget;
  readonly sleep: Sleep;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  /** @default the platform's `fetch` */
  readonly fetch?: typeof fetch;
  /** For one attempt, body included. @default 10000 */
  readonly timeoutMs?: number;
  /** Larger answers are refused. @default 1 MiB */
  readonly maxBytes?: number;
  /** Attempts of a call that is safe to repeat. @default 4 */
  readonly attempts?: number;
}

export interface HttpRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below the base URL, beginning with `/`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Whether repeating it changes nothing more. Only such calls are retried here. */
  readonly safeToRepeat: boolean;
  /**
   * Whether the answer holds a key that is shown this once. It may take all that is left of the invocation, but for the time
   * to store the key; and a success that cannot be read is `unreadable-key`.
   * @default false
   */
  readonly mintsKey?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  /** Parsed JSON; `undefined` where the body is empty. */
  readonly body: unknown;
  /** The `Date` header, in milliseconds since the epoch; `undefined` where there was none. */
  readonly date: number | undefined;
}

/**
 * Answers with the status codes named in `accept`, beside 2xx, if the Control Plane itself gave them; throws a
 * `ControlPlaneError` for any other.
 */
export type Http = (request: HttpRequest, accept?: readonly number[]) => Promise<HttpAnswer>;

const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 8_000;
/** Time kept back from waiting, so that the caller can still say what went wrong. */
const RESERVE_MS = 3_000;
/** Time kept back from the answer to a mint, to store a key that comes late. */
const STORE_RESERVE_MS = 30_000;

export function createHttp(options: HttpOptions): Http {
  const {
    clock,
    budget,
    sleep,
    random,
    fetch: send = fetch,
    timeoutMs = 10_000,
    maxBytes = 1_048_576,
  } = options;

  async function once(request: HttpRequest, accept: readonly number[]): Promise<HttpAnswer> {
    const what = `${request.method} ${request.path}`;
    const url = urlBelow(options.baseUrl, request.path, what);
    const remaining = budget.remainingMs();
    const timeout = Math.max(
      1,
      request.mintsKey ? remaining - STORE_RESERVE_MS : Math.min(timeoutMs, remaining),
    );
    const kind = request.mintsKey ? "unreadable-key" : "unreadable";
    const unreadable = (why: string) => new ControlPlaneError(kind, `${what}: the answer ${why}`, "unknown");
    let response: Response;
    let text: string;
    try {
      response = await send(url, {
        method: request.method,
        headers: {
          accept: "application/json",
          ...(request.body === undefined ? {} : { "content-type": "application/json" }),
          ...request.headers,
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        redirect: "manual",
        signal: AbortSignal.timeout(timeout),
      });
      text = await readBody(response, maxBytes, unreadable);
    } catch (error) {
      if (error instanceof ControlPlaneError) throw error;
      throw new ControlPlaneError("unreachable", `${what}: no answer (${reasonOf(error)})`, "unknown");
    }
    const date = parseDate(response.headers.get("date"));
    const body = parseJson(text, response.ok, unreadable);
    const isItsOwn = response.ok || explains(body);
    if (response.ok || (isItsOwn && accept.includes(response.status))) {
      return { status: response.status, body, date };
    }
    throw errorFor(response, text, request, clock, isItsOwn);
  }

  return async (request, accept = []) => {
    const attempts = request.safeToRepeat ? (options.attempts ?? 4) : 1;
    for (let attempt = 1; ; attempt++) {
      try {
        return await once(request, accept);
      } catch (error) {
        if (!(error instanceof ControlPlaneError) || !isPassing(error.kind) || attempt >= attempts)
          throw error;
        const delay = error.retryAfterMs ?? backOff(attempt, random);
        if (delay + RESERVE_MS > budget.remainingMs()) throw error;
        await sleep(delay);
      }
    }
  };
}

/** Throws, with nothing sent, where the path would be read as another one: an id of `..` is, however it is escaped. */
function urlBelow(baseUrl: string, path: string, what: string): string {
  const url = new URL(baseUrl + path);
  const { origin, pathname } = new URL(baseUrl);
  const [asGiven] = path.split("?");
  if (url.origin === origin && url.pathname === pathname.replace(/\/$/, "") + asGiven) return url.href;
  throw new ControlPlaneError("invalid", `${what}: not a path below the Control Plane's base URL`, "no");
}

export function isPassing(kind: ControlPlaneErrorKind): boolean {
  return kind === "rate-limited" || kind === "unavailable" || kind === "unreachable";
}

/** Exponential, with half of it random, so that many functions do not come back at once. */
function backOff(attempt: number, random: () => number): number {
  const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  return delay / 2 + (delay / 2) * random();
}

type Unreadable = (why: string) => ControlPlaneError;

async function readBody(response: Response, maxBytes: number, unreadable: Unreadable): Promise<string> {
  if (!response.body) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > maxBytes) throw unreadable(`is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string, required: boolean, unreadable: Unreadable): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    if (!required) return undefined;
    throw unreadable("is not JSON");
  }
}

/** The last year that HTTP's dates can name. */
const LAST_DATE = Date.UTC(9999, 11, 31);

/** A date that no clock shows is none: what is reckoned from it could not be written down. */
function parseDate(header: string | null): number | undefined {
  const date = header === null ? Number.NaN : Date.parse(header);
  return date >= 0 && date <= LAST_DATE ? date : undefined;
}

/** The code of a network error (`ECONNRESET`), or its name: never its message, which may repeat what was sent. */
function reasonOf(error: unknown): string {
  const { cause, code, name } = Object(error) as Record<string, unknown>;
  const reasons = [Object(cause).code, code, name];
  return reasons.find((reason): reason is string => typeof reason === "string") ?? "unknown reason";
}

/**
 * Whether an error's body is one that the Control Plane writes: `detail`, or the earlier dialect's `error.message`. A proxy, a
 * firewall or a route that is gone answers otherwise, and what it says is not the Control Plane's word.
 */
function explains(body: unknown): boolean {
  const { detail, error } = Object(body) as { detail?: unknown; error?: unknown };
  const isText = (value: unknown) => typeof value === "string" && value !== "";
  return isText(detail) || (Array.isArray(detail) && detail.length > 0) || isText(Object(error).message);
}

function errorFor(
  response: Response,
  text: string,
  request: HttpRequest,
  clock: Clock,
  isItsOwn: boolean,
): ControlPlaneError {
  const { status } = response;
  const what = `${request.method} ${request.path}`;
  const message = `${what}: ${status}${explain(status, text, request)}`;
  if (status >= 500) return new ControlPlaneError("unavailable", message, "unknown");
  if (status >= 300 && status < 400) {
    return new ControlPlaneError("unreadable", `${what}: ${status}, and redirects are refused`, "unknown");
  }
  // Whoever limits requests turns them away unread.
  if (status === 429) {
    return new ControlPlaneError("rate-limited", message, "no", retryAfter(response.headers, clock));
  }
  if (isItsOwn) return new ControlPlaneError(kindOf(status), message, "no");
  return new ControlPlaneError(
    "unreadable",
    `${message}, not an answer of the Control Plane's own`,
    "unknown",
  );
}

function kindOf(status: number): ControlPlaneErrorKind {
  switch (status) {
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
      return "not-found";
    case 409:
      return "conflict";
    case 429:
      return "rate-limited";
    default:
      return "invalid";
  }
}

/** `Retry-After` in seconds or as a date; else `X-RateLimit-Reset`, read as epoch seconds or as seconds to wait. */
function retryAfter(headers: Headers, clock: Clock): number | undefined {
  const now = parseDate(headers.get("date")) ?? clock.now();
  const value = headers.get("retry-after") ?? headers.get("x-ratelimit-reset");
  if (value === null) return undefined;
  const seconds = Number(value);
  const at = Number.isFinite(seconds)
    ? seconds > 1e9
      ? seconds * 1_000
      : now + seconds * 1_000
    : Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/**
 * The part of a 4xx's body that explains it: FastAPI's `detail` (a text, or a list of `{loc, msg}`), or the earlier
 * dialect's `error.message`. Keys are masked, whoever put them there.
 */
function explain(status: number, text: string, request: HttpRequest): string {
  if (status >= 500) return "";
  let body: { detail?: unknown; error?: { message?: unknown } } | null;
  try {
    body = JSON.parse(text);
  } catch {
    return "";
  }
  const detail = body?.detail ?? body?.error?.message;
  const words = Array.isArray(detail)
    ? detail.map((item) => `${[item?.loc].flat().map(plain).join(".")}: ${plain(item?.msg)}`).join("; ")
    : typeof detail === "string"
      ? detail
      : "";
  return words === "" ? "" : `, ${maskKeys(words, request).slice(0, 300)}`;
}

/** Only what is a text or a number: anything else may not bear to be made a text. */
function plain(part: unknown): string {
  return typeof part === "string" || typeof part === "number" ? String(part) : "";
}

/** Masks whatever the request's headers sent, and anything else that has the shape of a key. */
function maskKeys(text: string, { headers = {} }: HttpRequest): string {
  const sent = Object.values(headers).map((value) => value.replace(/^Bearer /, ""));
  return sent.reduce((words, key) => words.replaceAll(key, "[masked]"), text).replace(KEY_SHAPE, "[masked]");
}
