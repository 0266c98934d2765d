import { command } from "../command-line";

/** Every way in which an attempt may end without going on: a name, and what a person reads. docs/rotation-protocol.md lists them. */
export const STOPS = {
  "rotation-disabled": "Rotation is off for this secret. Switch it on by a deploy, or resume it.",
  "unknown-version": "The secret has no version of this token. Ask for the rotation again.",
  "not-pending": "The version of this token does not carry AWSPENDING. Ask for the rotation again.",
  "current-missing":
    "No version with a value carries AWSCURRENT. Deploy the environment: provisioning stores the first key.",
  "current-unreadable":
    "The value under AWSCURRENT is not one that this project wrote. Restore the version before it.",
  "pending-empty": "The version under AWSPENDING has no value. Ask for the rotation again.",
  "pending-refused": "The Control Plane refuses the key under AWSPENDING, which is old enough to be live.",
  "pending-unreadable":
    "The value under AWSPENDING is not one that this project wrote. Take AWSPENDING off it and rotate.",
  "operator-key-missing": `The secret of the operator's API key has no usable value. Store one: ${command("operator-key set")}.`,
  "operator-key-refused": `The Control Plane refuses the operator's API key. Store a valid one: ${command("operator-key set")}.`,
  "control-plane-unavailable":
    "The Control Plane does not answer as documented. Nothing was changed; the next attempt goes on.",
  "key-check-unreadable":
    "The Control Plane's answer about a key is none that it documents, so nobody knows whether it accepts keys. Nothing was minted.",
  "clock-differs":
    "The Control Plane's clock and AWS's differ by more than 10 minutes, so no deadline can be trusted. Nothing was minted.",
  "other-workspace":
    "The current key works, and the operator's API key sees no instance of its id: it is for another workspace. Store the right one: valmi-agent-keys operator-key set.",
  "instance-gone": "The Control Plane has no instance of the id in the secret's value.",
  "instance-inactive":
    "The instance is inactive at the Control Plane. Activate it there, or remove it from the environment.",
  "wrong-instance":
    "The key or the ownership marker belongs to another instance than the secret's value names.",
  "grace-running":
    "The key before the current one is in its grace period: a refresh now could end it early. Wait for its end.",
  "out-of-time": "Too little of this invocation is left for refresh, store and test. Nothing was changed.",
  "mint-in-flight":
    "Another attempt may still be minting a key. Its time runs out by itself; the next attempt then goes on.",
  "mint-refused":
    "The Control Plane refused to issue a key, so none was minted. Correct what it names; the next attempt asks again.",
  "mint-unanswered":
    "The Control Plane's answer to the mint was lost. The next attempt finds out and goes on.",
  "key-not-live-yet":
    "The key is stored, and the Control Plane did not accept it before the invocation's end. The next attempt tests it again.",
  "pending-key-dead":
    "The stored new key is refused for good: somebody refreshed since. AWSPENDING was taken off; rotate again.",
  "pending-leftover":
    "The version of this token holds a value that must not become current. AWSPENDING was taken off; rotate again.",
  "version-taken":
    "The version of this token held another value already. AWSPENDING was taken off; rotate again.",
  "store-denied":
    "Secrets Manager does not let this function store a value, so nothing was minted. Correct what it names; the next attempt goes on.",
  "write-proven":
    "Storing works again: a copy of the current value was stored and dropped. Rotate again, and a key is minted.",
  "mint-bound":
    "Keys were minted again and again and none could be promoted. No other is minted before the time that is named, or without an order: rotate with --emergency.",
  "mint-unreadable":
    "The Control Plane minted a key that could not be read in its answer. No other is minted until another instance's rotation has succeeded, or by an order: rotate with --emergency.",
  "minting-halted":
    "The keys of two instances were minted in vain, so nothing is minted in this environment until one of these has a key again.",
  "refusal-unproven":
    "The Control Plane refuses the current key, and nothing has shown yet that its refusals can be believed. The auditor finds that out.",
  "refusals-not-believed":
    "The Control Plane refuses the current key and the new one alike. Neither refusal is believed, and nothing more is minted.",
  "store-failed":
    "The new key could not be stored before the invocation's end. A later attempt mints another.",
  "promoted-meanwhile":
    "Another attempt has moved AWSCURRENT since this one began. AWSPENDING was taken off; nothing is left to do.",
  paused: `An operator has paused the rotation of this key. It goes on by itself after the pause, or by: ${command("resume")}.`,
  "promotion-failed":
    "The new key is stored and tested, and AWSCURRENT could not be moved. The next attempt moves it.",
} as const satisfies Record<string, string>;

export type StopName = keyof typeof STOPS;

/** A named end of an attempt that could not go on. The text holds ids and fingerprints only. */
export class Stop extends Error {
  override readonly name = "Stop";

  constructor(
    readonly state: StopName,
    detail = "",
  ) {
    super(`${state}: ${STOPS[state]}${detail === "" ? "" : ` (${detail})`}`);
  }
}
