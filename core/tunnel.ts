import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import type { Duplex } from "node:stream";
import * as tls from "node:tls";

export interface Proxy {
  /** `http` or `https`; user and password, if there are any, are sent to it as Basic authentication. */
  readonly proxyUrl: string;
  /** In PEM, trusted beside the public authorities for the proxy's own certificate. */
  readonly caCertificate?: string;
}

/**
 * A connection through the proxy, which is asked for it by CONNECT. What the proxy answers instead of opening one is never taken
 * for the target's answer.
 *
 * @param target `host:port`
 */
export async function openTunnel(
  { proxyUrl, caCertificate }: Proxy,
  target: string,
  signal: AbortSignal,
): Promise<Duplex> {
  const proxy = new URL(proxyUrl);
  const isSecure = proxy.protocol === "https:";
  const ca = caCertificate === undefined ? {} : { ca: [...tls.rootCertificates, caCertificate] };
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  const request = (isSecure ? https : http).request({
    host: hostOf(proxy),
    port: Number(proxy.port || (isSecure ? 443 : 80)),
    method: "CONNECT",
    path: target,
    headers: {
      host: target,
      ...(user === ":" ? {} : { "proxy-authorization": `Basic ${Buffer.from(user).toString("base64")}` }),
    },
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

/** Without the brackets that an address of IPv6 has in a URL. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, "");
}
