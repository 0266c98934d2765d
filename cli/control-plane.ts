import { realSleep } from "../lambda/budget";
import { systemClock } from "../lambda/clock";
import type { ControlPlaneAuth } from "../lambda/contract";
import { type ControlPlane, createControlPlane } from "../lambda/control-plane/client";
import type { ControlPlaneApiKey } from "../lambda/domain/credential";

/** A person waits: a command gives up after a minute. */
const COMMAND_MS = 60_000;

export function controlPlaneFor(options: {
  readonly url: string;
  readonly auth: ControlPlaneAuth;
  readonly apiKey: ControlPlaneApiKey;
}): ControlPlane {
  const endsAt = systemClock.now() + COMMAND_MS;
  return createControlPlane({
    baseUrl: options.url.replace(/\/+$/, ""),
    auth: options.auth,
    apiKey: options.apiKey,
    clock: systemClock,
    budget: { remainingMs: () => endsAt - systemClock.now() },
    sleep: realSleep,
    random: Math.random,
  });
}
