import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import { isIP } from "node:net";
import { Readable } from "node:stream";
import * as tls from "node:tls";

/** How to reach a Control Plane that not everybody reaches. */
export interface Route {
  /**
   * One or more certificates in PEM. The Control Plane's own certificate has to be signed by one of them: no public
   * authority is trusted beside them.
   * @default - the authorities that Node.js trusts
   */
  readonly caCertificate?: string;
  /**
   * An `http` or `https` proxy that is asked for a tunnel (CONNECT), so that it sees the Control Plane's name and nothing
   * else, and the user and password that the URL may have. A certificate of its own is to be signed by a public authority or
   * by `caCertificate`.
   * @default - no proxy
   */
  readonly proxyUrl?: string;
}

/**
 * `fetch` by another route, as far as the Control Plane's client needs it: https only, no redirect is followed, the body is
 * a text. Each request has a connection of its own, and is written only when the other side has shown its certificate.
 * The platform's `fetch` takes neither a CA nor a proxy without a library of 250 kB.
 */
export function createFetch(route: Route): typeof fetch {
  return async (input, init = {}) => {
    const signal = init.signal ?? AbortSignal.timeout(60_000);
    try {
      const url = new URL(String(input));
      const socket = await connect(url, route, signal);
      return await exchange(url, socket, init, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw new TypeError("fetch failed", { cause: error });
    }
  };
}

/** A connection that has shown its certificate. Throws what Node.js throws, or that the proxy opens no tunnel. */
export async function connect(url: URL, route: Route, signal: AbortSignal): Promise<tls.TLSSocket> {
  if (url.protocol !== "https:") throw new TypeError("a CA certificate or a proxy is for https only");
  const host = hostOf(url);
  const port = Number(url.port || 443);
  const socket = tls.connect({
    ...(route.proxyUrl === undefined
      ? {}
      : { socket: await tunnel(route, `${url.hostname}:${port}`, signal) }),
    ...(route.caCertificate === undefined ? {} : { ca: route.caCertificate }),
    host,
    port,
    // An address is not a name that can be asked for; it is checked against the certificate all the same.
    ...(isIP(host) ? {} : { servername: host }),
    rejectUnauthorized: true,
  });
  try {
    await once(socket, "secureConnect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A connection through the proxy. What the proxy answers instead of opening one is never taken for the Control Plane's. */
async function tunnel({ proxyUrl = "", caCertificate }: Route, target: string, signal: AbortSignal) {
  const proxy = new URL(proxyUrl);
  const isSecure = proxy.protocol === "https:";
  const ca = caCertificate === undefined ? {} : { ca: [...tls.rootCertificates, caCertificate] };
  const request = (isSecure ? https : http).request({
    host: hostOf(proxy),
    port: Number(proxy.port || (isSecure ? 443 : 80)),
    method: "CONNECT",
    path: target,
    headers: { host: target, ...authorizationOf(proxy) },
    agent: false,
    signal,
    ...(isSecure ? { ...ca, rejectUnauthorized: true } : {}),
  });
  request.end();
  const [response, socket] = await once(request, "connect", { signal });
  if (response.statusCode === 200) return socket;
  socket.destroy();
  throw Object.assign(new Error("the proxy opens no tunnel"), {
    code: `PROXY_STATUS_${response.statusCode}`,
  });
}

function authorizationOf({ username, password }: URL): { "proxy-authorization"?: string } {
  if (username === "") return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}

async function exchange(
  url: URL,
  socket: tls.TLSSocket,
  init: RequestInit,
  signal: AbortSignal,
): Promise<Response> {
  const request = https.request(url, {
    method: init.method ?? "GET",
    headers: Object.fromEntries(new Headers(init.headers)),
    createConnection: () => socket,
    signal,
  });
  request.end(init.body ?? undefined);
  const [answer] = (await once(request, "response", { signal })) as [http.IncomingMessage];
  const headers = Object.entries(answer.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  );
  const status = answer.statusCode ?? 0;
  const hasBody = ![204, 205, 304].includes(status);
  if (!hasBody) answer.resume();
  const body = hasBody ? (Readable.toWeb(answer) as ReadableStream<Uint8Array>) : null;
  return new Response(body, { status, headers });
}

/** Without the brackets that an address of IPv6 has in a URL. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}
