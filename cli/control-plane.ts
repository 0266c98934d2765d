import { realSleep } from "../lambda/budget";
import { systemClock } from "../lambda/clock";
import type { ControlPlaneAuth } from "../lambda/contract";
import { type ControlPlane, createControlPlane } from "../lambda/control-plane/client";
import type { ControlPlaneApiKey } from "../lambda/domain/credential";
import { readControlPlaneUrl } from "../lambda/settings";

/** A person waits: a command gives up after a minute. */
const COMMAND_MS = 60_000;

/** Throws a `SettingsError` where a key would be sent in clear text: the URL must be https, or a loopback address. */
export function controlPlaneFor(options: {
  readonly url: string;
  /** Where the URL came from, for that error. */
  readonly urlFrom: string;
  readonly auth: ControlPlaneAuth;
  readonly apiKey: ControlPlaneApiKey;
}): ControlPlane {
  const endsAt = systemClock.now() + COMMAND_MS;
  return createControlPlane({
    baseUrl: readControlPlaneUrl(options.urlFrom, options.url),
    auth: options.auth,
    apiKey: options.apiKey,
    clock: systemClock,
    budget: { remainingMs: () => endsAt - systemClock.now() },
    sleep: realSleep,
    random: Math.random,
  });
}
