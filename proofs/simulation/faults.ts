import { FAULTS_OF, type Fault, OUTSIDE } from "../explorer/faults";
import type { CallKind } from "../explorer/ports";
import type { Random } from "../harness/random";

/** What may strike a call: the explorer's faults. A paused attempt wakes by itself here, and operators pause nothing. */
export type Strike = Exclude<Fault, "wake" | "operator-pauses">;

/** How probable each fault is at one call, at a fault rate of 1. The last five are done by others at that moment. */
export const RATES: Readonly<Record<Strike, number>> = {
  refused: 3e-3,
  stale: 5e-3,
  failed: 5e-4,
  lost: 5e-4,
  repeated: 5e-4,
  "late-5": 2e-4,
  "late-59": 1e-4,
  "crash-before": 2e-4,
  "crash-after": 2e-4,
  pause: 2e-4,
  deploy: 5e-5,
  "rotate-again": 5e-5,
  click: 2e-5,
  "outside-put": 2e-5,
  "grace-ends": 5e-6,
};

/** In the words of the table and the picture. */
export const FAULT_NAMES: Readonly<Record<Strike, string>> = {
  refused: "call refused or throttled",
  stale: "read lags behind a write",
  failed: "call not applied, answer lost",
  lost: "call applied, answer lost",
  repeated: "write sent twice",
  "late-5": "call applied late, up to 10 s",
  "late-59": "call applied late, up to 59 s",
  "crash-before": "crash before a call",
  "crash-after": "crash after a call",
  pause: "attempt paused while others run",
  deploy: "deploy meanwhile",
  "rotate-again": "another rotation asked for",
  click: "Rotate clicked by hand",
  "outside-put": "value stored by hand",
  "grace-ends": "nothing runs for the whole grace period",
};

type Odds = readonly { readonly below: number; readonly strike: Strike }[];

const oddsOf = (strikes: readonly Strike[], faultRate: number): Odds => {
  let below = 0;
  return strikes.map((strike) => {
    below += RATES[strike] * faultRate;
    return { below, strike };
  });
};

/** Draws what strikes a call, if anything does. */
export class Faults {
  private readonly odds: Readonly<Record<CallKind, Odds>>;

  constructor(
    private readonly random: Random,
    faultRate: number,
  ) {
    const odds = (kind: CallKind) =>
      oddsOf([...(FAULTS_OF[kind] as readonly Strike[]), ...(OUTSIDE as readonly Strike[])], faultRate);
    this.odds = {
      "secret-read": odds("secret-read"),
      "secret-write": odds("secret-write"),
      "intent-read": odds("intent-read"),
      "intent-write": odds("intent-write"),
      "control-read": odds("control-read"),
      "control-write": odds("control-write"),
      time: [],
    };
  }

  strike(kind: CallKind): Strike | undefined {
    const drawn = this.random.next();
    return this.odds[kind].find(({ below }) => drawn < below)?.strike;
  }
}
