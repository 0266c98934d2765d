import { realSleep, type Sleep } from "../core/budget";
import { type Clock, systemClock } from "../core/clock";
import type { ControlPlaneAuth } from "../core/contract";
import { type ControlPlane, createControlPlane } from "../core/control-plane/client";
import type { ControlPlaneApiKey } from "../core/key/credential";
import { readControlPlaneUrl, refuseUncheckedTls } from "../core/settings/function-settings";

/** A person waits: a call is given up after a minute. */
const CALL_MS = 60_000;

const MACHINE = { clock: systemClock, sleep: realSleep };

/** Throws a `SettingsError` where a key would be sent in clear text: the URL must be https, or a loopback address. */
export function controlPlaneFor(
  options: {
    readonly url: string;
    /** Where the URL came from, for that error. */
    readonly urlFrom: string;
    readonly auth: ControlPlaneAuth;
    readonly apiKey: ControlPlaneApiKey;
  },
  platform: { readonly clock: Clock; readonly sleep: Sleep; readonly fetch?: typeof fetch } = MACHINE,
): ControlPlane {
  refuseUncheckedTls(process.env);
  const { clock, sleep } = platform;
  return createControlPlane({
    baseUrl: readControlPlaneUrl(options.urlFrom, options.url),
    auth: options.auth,
    apiKey: options.apiKey,
    clock,
    budget: { remainingMs: () => CALL_MS },
    sleep,
    random: Math.random,
    ...(platform.fetch && { fetch: platform.fetch }),
  });
}
