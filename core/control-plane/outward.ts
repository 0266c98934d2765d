import { readFileSync } from "node:fs";
import * as https from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect, createFetch } from "./route";

type Environment = Readonly<Record<string, string | undefined>>;

/*
 * How a program on somebody's machine gets out: by the proxy and the CA that its environment names, as the programs of AWS
 * do. The functions don't take this way: theirs is in their settings. What `NODE_EXTRA_CA_CERTS` names Node.js trusts itself.
 */

/**
 * The proxy to a server, by `HTTPS_PROXY` or `ALL_PROXY`, but for what `NO_PROXY` names: `*`, or names that the server's ends
 * with, with a port or without. Lower case goes first; an empty variable is none. The same as Python's.
 *
 * @param host name or address, without brackets
 */
export function proxyFor(host: string, port: number, env: Environment): string | undefined {
  const read = (name: string) => env[name] || env[name.toUpperCase()] || undefined;
  const isExempt = (read("no_proxy") ?? "").split(/[\s,]+/).some((entry) => {
    const [, name = "", itsPort] = isIP(entry)
      ? ["", entry]
      : (/^(?:\*?\.)?([^:]*)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []);
    if (entry === "*") return true;
    if (name === "" || (itsPort !== undefined && Number(itsPort) !== port)) return false;
    return `.${host.toLowerCase()}`.endsWith(`.${name}`);
  });
  const proxy = isExempt ? undefined : (read("https_proxy") ?? read("all_proxy"));
  return proxy === undefined || proxy.includes("://") ? proxy : `http://${proxy}`;
}

/** What AWS's clients need to get out; nothing if they get there by themselves. Reads the file of `AWS_CA_BUNDLE`. */
export function awsRequestHandler(env: Environment): { requestHandler?: { httpsAgent: https.Agent } } {
  const { AWS_CA_BUNDLE: bundle } = env;
  const isPlain = proxyFor("amazonaws.com", 443, { ...env, NO_PROXY: "", no_proxy: "" }) === undefined;
  if (isPlain && !bundle) return {};
  const caCertificate = bundle ? readFileSync(bundle, "utf8") : undefined;
  return { requestHandler: { httpsAgent: new OutwardAgent(env, caCertificate) } };
}

/** Opens each connection by way of the proxy for its server. */
class OutwardAgent extends https.Agent {
  constructor(
    private readonly env: Environment,
    private readonly caCertificate: string | undefined,
  ) {
    super({ keepAlive: true, maxSockets: 50 });
  }

  override createConnection(
    { host, port }: https.RequestOptions,
    done?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const [name, number] = [String(host), Number(port ?? 443)];
    const proxyUrl = proxyFor(name, number, this.env);
    const url = new URL(`https://${name.includes(":") ? `[${name}]` : name}:${number}`);
    connect(
      url,
      {
        ...(proxyUrl !== undefined && { proxyUrl }),
        ...(this.caCertificate !== undefined && { caCertificate: this.caCertificate }),
      },
      AbortSignal.timeout(CONNECT_LIMIT_MS),
    ).then(
      (socket) => done?.(null, socket),
      (error) => done?.(error, undefined as unknown as Duplex),
    );
    return undefined;
  }
}

const CONNECT_LIMIT_MS = 30_000;

/** `fetch` to the Control Plane at a URL; `undefined` if the platform's own gets there. */
export function outwardFetch(
  controlPlaneUrl: string,
  caCertificate: string | undefined,
  env: Environment,
): typeof fetch | undefined {
  const { protocol, hostname, port } = new URL(controlPlaneUrl);
  if (protocol !== "https:") return undefined;
  const proxyUrl = proxyFor(hostname.replace(/^\[|\]$/g, ""), Number(port || 443), env);
  if (proxyUrl === undefined && caCertificate === undefined) return undefined;
  return createFetch({
    ...(proxyUrl !== undefined && { proxyUrl }),
    ...(caCertificate !== undefined && { caCertificate }),
  });
}
