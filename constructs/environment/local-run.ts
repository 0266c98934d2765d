import { KEY_SHAPE } from "../../core/contract";
import { isLoopback } from "../../core/rules";
import type { AlertSettings } from "./alerts";
import type { ControlPlaneSettings } from "./control-plane";
import type { Environment } from "./environment";

/**
 * The environment variable that turns a synth into one for local services: base URL of a Control Plane on a loopback
 * address. Where AWS is, is left to the variables of the AWS SDK (`AWS_ENDPOINT_URL`).
 */
export const LOCAL_RUN_VARIABLE = "VALMI_AGENT_KEYS_LOCAL";

/**
 * The environments as configured. If `VALMI_AGENT_KEYS_LOCAL` is set, they come without what ties them to real accounts and to
 * real state, or leaves the machine: account guard, assumed role, remote backend, Control Plane URL and heartbeat.
 *
 * Throws if the variable names anything but a loopback address.
 */
export function environmentsToDeploy(
  environments: readonly Environment[],
  variables: Readonly<Record<string, string | undefined>>,
): readonly Environment[] {
  const url = variables[LOCAL_RUN_VARIABLE];
  if (!url) return environments;
  if (!isLoopback(url)) {
    throw new Error(
      `${LOCAL_RUN_VARIABLE} must be the URL of a Control Plane on this machine, such as http://127.0.0.1:8200/api/v1, ` +
        `since it switches the account guard off; got: ${url.replace(KEY_SHAPE, "[masked]")}. Unset it to deploy what is configured.`,
    );
  }
  return environments.map(
    ({ accountId: _account, assumeRole: _role, backend: _backend, alerts, ...environment }) => ({
      ...environment,
      ...(alerts && { alerts: withoutHeartbeat(alerts) }),
      controlPlane: locally(environment.controlPlane, url),
    }),
  );
}

function withoutHeartbeat({ heartbeatUrl: _heartbeat, ...alerts }: AlertSettings): AlertSettings {
  return alerts;
}

/** A Control Plane on this machine is reached without TLS and without a proxy. */
function locally(
  { caCertificate: _ca, proxyUrl: _proxy, ...controlPlane }: ControlPlaneSettings,
  url: string,
): ControlPlaneSettings {
  return { ...controlPlane, url };
}
