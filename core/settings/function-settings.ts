import { type ControlPlaneAuth, FUNCTION_ENV, KEY_SHAPE } from "../contract";
import type { Route } from "../control-plane/route";

export interface Settings {
  readonly controlPlaneUrl: string;
  readonly controlPlaneAuth: ControlPlaneAuth;
  /** Absent where the Control Plane is reached as any other server is. */
  readonly controlPlaneRoute?: Route;
  readonly apiKeySecretArn: string;
  readonly gracePeriodMs: number;
  readonly intentTable: string;
}

/** A function's environment is not what the constructs write. The text names the variable, the rule and the value. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";

  constructor(message: string) {
    super(message.replace(KEY_SHAPE, "[masked]"));
  }
}

/** Reads and checks a function's environment. Throws a `SettingsError`. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const required = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === "") throw new SettingsError(`${name}: required, and it is not set`);
    return value;
  };
  refuseUncheckedTls(env);
  const controlPlaneUrl = readControlPlaneUrl(
    FUNCTION_ENV.controlPlaneUrl,
    required(FUNCTION_ENV.controlPlaneUrl),
  );
  return {
    controlPlaneUrl,
    ...readRoute(env, controlPlaneUrl),
    controlPlaneAuth: readAuth(FUNCTION_ENV.controlPlaneAuth, required(FUNCTION_ENV.controlPlaneAuth)),
    apiKeySecretArn: required(FUNCTION_ENV.apiKeySecretArn),
    gracePeriodMs:
      readHours(FUNCTION_ENV.gracePeriodHours, required(FUNCTION_ENV.gracePeriodHours)) * 3_600_000,
    intentTable: required(FUNCTION_ENV.intentTable),
  };
}

/** Gives the URL without a trailing slash. Throws a `SettingsError` in which `name` says where it came from. */
export function readControlPlaneUrl(name: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isLoopback = url !== undefined && ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url?.protocol !== "https:" && !(url?.protocol === "http:" && isLoopback)) {
    const rule = "must be an https URL (http only to a loopback address)";
    throw new SettingsError(`${name}: ${rule}, got ${value}`);
  }
  // Not repeated: it may hold a password.
  if (url.username || url.password || /[?#]/.test(value))
    throw new SettingsError(`${name}: must be a URL without user, password, query and fragment`);
  return value.replace(/\/+$/, "");
}

/** Throws a `SettingsError` where Node.js is told to take any certificate, from anybody. */
export function refuseUncheckedTls(env: Readonly<Record<string, string | undefined>>): void {
  if (env.NODE_TLS_REJECT_UNAUTHORIZED !== "0") return;
  throw new SettingsError(
    "NODE_TLS_REJECT_UNAUTHORIZED: must not be 0, since keys would go to whoever answers; unset it, and give the " +
      "Control Plane's CA certificate instead",
  );
}

function readRoute(
  env: Readonly<Record<string, string | undefined>>,
  controlPlaneUrl: string,
): { controlPlaneRoute?: Route } {
  const {
    [FUNCTION_ENV.controlPlaneCa]: caCertificate = "",
    [FUNCTION_ENV.controlPlaneProxy]: proxyUrl = "",
  } = env;
  if (caCertificate === "" && proxyUrl === "") return {};
  if (!controlPlaneUrl.startsWith("https:")) {
    const names = `${FUNCTION_ENV.controlPlaneCa}, ${FUNCTION_ENV.controlPlaneProxy}`;
    throw new SettingsError(`${names}: only for an https URL of the Control Plane, got ${controlPlaneUrl}`);
  }
  return {
    controlPlaneRoute: {
      ...(caCertificate === ""
        ? {}
        : { caCertificate: readCertificates(FUNCTION_ENV.controlPlaneCa, caCertificate) }),
      ...(proxyUrl === "" ? {} : { proxyUrl: readProxyUrl(FUNCTION_ENV.controlPlaneProxy, proxyUrl) }),
    },
  };
}

/** Throws a `SettingsError` in which `name` says where the text came from. */
export function readCertificates(name: string, value: string): string {
  // Node.js would trust nobody, and say so with every request only.
  if (/-----BEGIN CERTIFICATE-----/.test(value) && !/PRIVATE KEY-----/.test(value)) return value;
  throw new SettingsError(
    `${name}: must be certificates in PEM, and no private key, got ${value.length} characters`,
  );
}

/** Throws a `SettingsError` in which `name` says where the URL came from. */
export function readProxyUrl(name: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isProxy = url?.protocol === "http:" || url?.protocol === "https:";
  if (isProxy && !url.username && !url.password && !/[?#]/.test(value)) return value;
  throw new SettingsError(`${name}: must be an http or https URL without user, password, query and fragment`);
}

function readAuth(name: string, value: string): ControlPlaneAuth {
  if (value === "api-key" || value === "bearer") return value;
  throw new SettingsError(`${name}: must be 'api-key' or 'bearer', got ${value}`);
}

function readHours(name: string, value: string): number {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value);
  throw new SettingsError(`${name}: must be a number of hours, 0 or more, got ${value}`);
}
