import { CONTROL_PLANE_AUTHS, type ControlPlaneAuth, FUNCTION_ENV, KEY_SHAPE } from "../contract";
import type { Route } from "../control-plane/route";
import {
  brokenRule,
  CA_CERTIFICATE_RULES,
  CONTROL_PLANE_URL_RULES,
  isHttps,
  PROXY_URL_RULES,
  type Rule,
  shownText,
} from "../rules";
import { HOUR_MS } from "../time";

export interface Settings {
  readonly controlPlaneUrl: string;
  readonly controlPlaneAuth: ControlPlaneAuth;
  /** Absent if the Control Plane is reached as any other server is. */
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
      readHours(FUNCTION_ENV.gracePeriodHours, required(FUNCTION_ENV.gracePeriodHours)) * HOUR_MS,
    intentTable: required(FUNCTION_ENV.intentTable),
  };
}

/** Gives the URL without a trailing slash. Throws a `SettingsError` in which `name` says where it came from. */
export function readControlPlaneUrl(name: string, value: string): string {
  return checked(name, value, CONTROL_PLANE_URL_RULES).replace(/\/+$/, "");
}

/** The value itself. Throws a `SettingsError` that names the first rule that it breaks. */
function checked(name: string, value: string, rules: readonly Rule[]): string {
  const broken = brokenRule(rules, value);
  if (!broken) return value;
  throw new SettingsError(`${name}: ${broken.says}, got ${shownText(value, broken)}`);
}

/** Throws a `SettingsError` if Node.js is told to take any certificate, from anybody. */
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
  const caCertificate = env[FUNCTION_ENV.controlPlaneCa] || undefined;
  const proxyUrl = env[FUNCTION_ENV.controlPlaneProxy] || undefined;
  if (caCertificate === undefined && proxyUrl === undefined) return {};
  if (!isHttps(controlPlaneUrl)) {
    const names = `${FUNCTION_ENV.controlPlaneCa}, ${FUNCTION_ENV.controlPlaneProxy}`;
    throw new SettingsError(`${names}: only for an https URL of the Control Plane, got ${controlPlaneUrl}`);
  }
  return {
    controlPlaneRoute: {
      ...(caCertificate && {
        caCertificate: checked(FUNCTION_ENV.controlPlaneCa, caCertificate, CA_CERTIFICATE_RULES),
      }),
      ...(proxyUrl && { proxyUrl: checked(FUNCTION_ENV.controlPlaneProxy, proxyUrl, PROXY_URL_RULES) }),
    },
  };
}

function readAuth(name: string, value: string): ControlPlaneAuth {
  const auth = CONTROL_PLANE_AUTHS.find((each) => each === value);
  if (auth) return auth;
  throw new SettingsError(`${name}: must be '${CONTROL_PLANE_AUTHS.join("' or '")}', got ${value}`);
}

function readHours(name: string, value: string): number {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value);
  throw new SettingsError(`${name}: must be a number of hours, 0 or more, got ${value}`);
}
