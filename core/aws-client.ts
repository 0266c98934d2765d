import { readFileSync } from "node:fs";
import * as https from "node:https";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect } from "node:tls";
import { loadConfig, NODE_REGION_CONFIG_OPTIONS } from "@smithy/core/config";
import { openTunnel } from "./tunnel";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What every client of AWS is made with, so that it behaves as boto3 and AWS's command line do: the region, the proxy and the
 * CA come from the variables that those read. An empty variable is none.
 *
 * @param given.region what the user has said; it goes before everything else
 * @param given.arn of what the client is for, or its name
 */
export function awsClientOptions(
  given: { readonly region?: string; readonly arn?: string },
  env: Environment = process.env,
): { readonly region: () => Promise<string>; readonly requestHandler: { readonly httpsAgent: https.Agent } } {
  return {
    region: async () => regionOf(given, env) ?? (await regionOfProfile()),
    requestHandler: { httpsAgent: awsAgent(env) },
  };
}

function regionOf(
  { region, arn }: { readonly region?: string; readonly arn?: string },
  env: Environment,
): string | undefined {
  const [, ofArn] = /^arn:[a-z-]+:[a-z-]+:([a-z0-9-]+):/.exec(arn ?? "") ?? [];
  return region || ofArn || env.AWS_REGION || env.AWS_DEFAULT_REGION || undefined;
}

const NO_REGION =
  "no AWS region is known: name the secret by its ARN, give --region, or set AWS_REGION, AWS_DEFAULT_REGION or the " +
  "region of the AWS profile";

function regionOfProfile(): Promise<string> {
  const { configFileSelector } = NODE_REGION_CONFIG_OPTIONS;
  return loadConfig<string>(
    {
      environmentVariableSelector: () => undefined,
      configFileSelector: (profile, file) => configFileSelector(profile, file) || undefined,
      default: () => {
        throw new NoRegionError(NO_REGION);
      },
    },
    { preferredFile: "credentials" },
  )();
}

export class NoRegionError extends Error {
  override readonly name = "NoRegionError";
}

/**
 * The proxy by which a URL is reached, as curl and Python find it: `https_proxy`, `HTTPS_PROXY`, `no_proxy`, `NO_PROXY`. The names in the
 * latter stand for themselves and for all that is below them.
 */
export function proxyFor(url: URL, env: Environment = process.env): string | undefined {
  const proxy = env.https_proxy || env.HTTPS_PROXY;
  if (!proxy || url.protocol !== "https:") return undefined;
  const exceptions = (env.no_proxy || env.NO_PROXY || "").split(",").map((each) => each.trim().toLowerCase());
  const isException = exceptions.some((exception) => {
    const [, name = "", port] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(exception) ?? [];
    if (exception === "*") return true;
    if (name === "" || (port !== undefined && port !== (url.port || "443"))) return false;
    return url.hostname === name || url.hostname.endsWith(`.${name}`);
  });
  if (isException) return undefined;
  return /^https?:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/** From the first byte to the proxy until the tunnel is open. */
const TUNNEL_LIMIT_MS = 5_000;

type Connected = (error: Error | null, socket?: Duplex) => void;

/** Connects by the proxy, if there is one for the host. */
class ProxyingAgent extends https.Agent {
  constructor(
    private readonly env: Environment,
    options: https.AgentOptions,
  ) {
    super(options);
  }

  override createConnection(options: ConnectionOptions, connected: Connected): Duplex | null | undefined {
    const { host = "", port = 443, servername } = options;
    const name = host.includes(":") ? `[${host}]` : host;
    const proxyUrl = proxyFor(new URL(`https://${name}:${port}`), this.env);
    if (proxyUrl === undefined) return super.createConnection(options, connected);
    openTunnel({ proxyUrl }, `${name}:${port}`, AbortSignal.timeout(TUNNEL_LIMIT_MS)).then(
      (socket) => connected(null, connect({ ...options, socket, servername: servername ?? host })),
      (error: Error) => connected(error),
    );
    return undefined;
  }
}

function awsAgent(env: Environment): https.Agent {
  const file = env.AWS_CA_BUNDLE;
  const options: https.AgentOptions = { keepAlive: true, maxSockets: 50 };
  return new ProxyingAgent(env, file ? { ...options, ca: readBundle(file) } : options);
}

function readBundle(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`AWS_CA_BUNDLE: must be a file of certificates in PEM; it can't be read: ${code}`);
  }
}
