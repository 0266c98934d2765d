import { type ControlPlaneAuth, FUNCTION_ENV, KEY_SHAPE } from "./contract";

export interface Settings {
  readonly controlPlaneUrl: string;
  readonly controlPlaneAuth: ControlPlaneAuth;
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
  return {
    controlPlaneUrl: readControlPlaneUrl(
      FUNCTION_ENV.controlPlaneUrl,
      required(FUNCTION_ENV.controlPlaneUrl),
    ),
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

function readAuth(name: string, value: string): ControlPlaneAuth {
  if (value === "api-key" || value === "bearer") return value;
  throw new SettingsError(`${name}: must be 'api-key' or 'bearer', got ${value}`);
}

function readHours(name: string, value: string): number {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value);
  throw new SettingsError(`${name}: must be a number of hours, 0 or more, got ${value}`);
}
