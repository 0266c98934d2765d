import { HOUR_MS, iso } from "../time";
import { type Finding, type FindingName, finding } from "./findings";

/** What is known of the environment itself. Times in milliseconds since the epoch. */
export interface EnvironmentFacts {
  readonly environment: string;
  /** What is the matter with the way to the Control Plane, and since when. */
  readonly controlPlane?: ControlPlaneTrouble;
  /** Why the table of intents, or the auditor's memory in it, can't be read. */
  readonly intentsUnreadable?: string;
  /** Names of what the rotation function could not do. Empty: it can rotate. */
  readonly selfTest?: { readonly at: number; readonly failures: readonly string[] };
  /** Why the rotation function could not be asked to test itself. */
  readonly rotationFunctionUnusable?: string;
  /** Whether the function's policy lets Secrets Manager invoke it; absent if nobody could look. */
  readonly mayBeInvoked?: boolean;
  readonly alertRouteBroken?: string;
  readonly orphans: readonly Orphan[];
  /** ARNs of the secrets whose keys were minted in vain, if that has halted all minting. */
  readonly halted?: readonly string[];
  /** How much later than it should a key is looked at. */
  readonly behindMs: number;
}

export const TROUBLES = [
  "operator-key-missing",
  "operator-key-refused",
  "control-plane-unavailable",
  "key-check-unreadable",
  "clock-differs",
] as const satisfies readonly FindingName[];

export interface ControlPlaneTrouble {
  readonly trouble: (typeof TROUBLES)[number];
  readonly since: number;
  readonly detail: string;
}

/** An instance that carries this environment's marker, and whose secret is gone. */
export interface Orphan {
  readonly agentInstanceId: string;
  readonly secretName: string;
}

/** How long a Control Plane may be away before a person is told. */
const UNAVAILABLE_PAGED_AFTER_MS = HOUR_MS;
const BEHIND_PAGED_AFTER_MS = 2 * HOUR_MS;

export function environmentFindings(facts: EnvironmentFacts, now: number): Finding[] {
  const { environment, controlPlane, selfTest } = facts;
  const found: Finding[] = [];
  if (controlPlane) {
    const { trouble, since, detail } = controlPlane;
    const mayPass = trouble === "control-plane-unavailable" || trouble === "key-check-unreadable";
    const isPassing = mayPass && now - since < UNAVAILABLE_PAGED_AFTER_MS;
    const text = `since ${iso(since)}: ${detail}`;
    found.push(finding(trouble, environment, text, { severity: isPassing ? "note" : "page" }));
  }
  if (facts.halted) {
    const names = facts.halted.map((arn) => arn.split(":").at(-1)).join(", ");
    found.push(finding("minting-halted", environment, `the keys of ${names} were minted in vain`));
  }
  if (facts.rotationFunctionUnusable !== undefined) {
    found.push(finding("rotation-function-unusable", environment, facts.rotationFunctionUnusable));
  }
  if (facts.mayBeInvoked === false) {
    const text = "the function's policy names no secretsmanager.amazonaws.com";
    found.push(finding("invoke-permission-missing", environment, text));
  }
  if (selfTest && selfTest.failures.length > 0) {
    const text = `at ${iso(selfTest.at)}: ${selfTest.failures.join(", ")}`;
    found.push(finding("self-test-failed", environment, text));
  }
  if (facts.intentsUnreadable !== undefined) {
    found.push(finding("intents-unreadable", environment, facts.intentsUnreadable));
  }
  if (facts.alertRouteBroken !== undefined) {
    found.push(finding("alert-route-broken", environment, facts.alertRouteBroken));
  }
  for (const { agentInstanceId, secretName } of facts.orphans) {
    found.push(finding("orphan-instance", agentInstanceId, `its secret would be ${secretName}`));
  }
  if (facts.behindMs > BEHIND_PAGED_AFTER_MS) {
    found.push(finding("audit-behind", environment, `by ${Math.round(facts.behindMs / HOUR_MS)} hours`));
  }
  return found;
}
