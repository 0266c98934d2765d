import { AUDIT_INTERVAL_MS, HOURLY_MS, KEY_CHECK_MS } from "../../core/audit/intervals";
import { FUNCTION_TIMEOUT_SECONDS } from "../../core/contract";
import { ACTIVATION_MS, LATE_APPLICATION_MS, READ_LAG_MS } from "../../core/protocol/timing";
import { HOUR, MINUTE, SECOND } from "../../local/clock";
import type { Fault } from "./faults";
import type { Configuration } from "./world";

/**
 * The table of `docs/rotation-protocol.md`: for each behaviour of the Control Plane and each fault, for how long the key
 * under AWSCURRENT may be one that is not accepted. The explorer checks these numbers, and a test that the page says them.
 */

/** The intervals of the auditor. */
export { AUDIT_INTERVAL_MS as AUDIT_INTERVAL, HOURLY_MS as HOURLY, KEY_CHECK_MS as KEY_CHECK };
/** How long the pauses of operators last here; they choose. */
export const OPERATORS_PAUSE = 30 * MINUTE;
export const ATTEMPT_LIFE = FUNCTION_TIMEOUT_SECONDS * SECOND;
/** How long a caller waits before it gives an answer up for lost. */
export const CALL_TIMEOUT = 10 * SECOND;

/** From an attempt's start until nothing of it can be applied or unseen any more. */
const SETTLED = ATTEMPT_LIFE + LATE_APPLICATION_MS + READ_LAG_MS;
/** Lost reads and retries inside an attempt, and one new key that is not live yet. */
const INSIDE = 30 * SECOND;
/** A fault that ends an attempt costs at most this until the next one has promoted a key: the model's retries included. */
/** From the look that finds a key refused until that is believed, if no other key can be asked about. */
const REFUSAL_PROVEN = 15 * MINUTE;
const NEXT_ATTEMPT = AUDIT_INTERVAL_MS + SETTLED + INSIDE;

export const FAULT_CLASSES = {
  refused: "a call is refused or throttled, or a read lags",
  crash: "the function dies",
  lost: "an answer is lost",
  late: "a call is applied late",
  paused: "an attempt is paused while another runs",
  deploy: "a deploy meanwhile",
  stored: "somebody stores the old value again",
  clicked: "somebody clicks Rotate in the Control Plane",
  standstill: "nothing runs for the whole grace period",
  again: "somebody asks for another rotation",
  pausing: "an operator pauses the rotation for half an hour",
} as const;
export type FaultClass = keyof typeof FAULT_CLASSES;

const CLASS_OF: Record<Exclude<Fault, "wake">, FaultClass> = {
  refused: "refused",
  stale: "refused",
  "crash-before": "crash",
  "crash-after": "crash",
  failed: "lost",
  lost: "lost",
  repeated: "lost",
  "late-5": "late",
  "late-59": "late",
  pause: "paused",
  deploy: "deploy",
  "outside-put": "stored",
  click: "clicked",
  "grace-ends": "standstill",
  "rotate-again": "again",
  "operator-pauses": "pausing",
};

export const classesOf = (faults: readonly Fault[]): FaultClass[] =>
  faults.flatMap((fault) => (fault === "wake" ? [] : [CLASS_OF[fault]]));

/** What a fault costs where the current key is dead already, or dies meanwhile. */
function costOf(fault: FaultClass): number {
  switch (fault) {
    case "refused":
      return INSIDE;
    case "deploy":
    case "again":
      return 0;
    case "pausing":
      return OPERATORS_PAUSE + NEXT_ATTEMPT;
    default:
      return NEXT_ATTEMPT;
  }
}

/** Longest time in milliseconds that AWSCURRENT may not be accepted in a story with these faults. */
export function promisedOutage(configuration: Configuration, faults: readonly Fault[]): number {
  const classes = classesOf(faults);
  const { graceHours, secondRefresh, activationSeconds } = configuration;
  const costs = classes.reduce((sum, fault) => sum + costOf(fault), 0);
  const isDead = (fault: FaultClass) => classes.includes(fault);
  const mayHaveMinted = classes.filter((fault) => fault === "lost" || fault === "late" || fault === "crash");
  // Of the mint of an attempt that is overtaken nobody knows, unless that attempt ends well.
  const isOvertaken = (isDead("stored") || isDead("paused")) && classes.length > 1;
  const activation = activationSeconds > 0 ? ACTIVATION_MS : 0;

  // From the refresh to the promotion, and whatever goes wrong between them.
  if (graceHours === 0) return costs + activation + (isDead("clicked") ? KEY_CHECK_MS + REFUSAL_PROVEN : 0);
  // The clicked key is nobody's: the stored one dies at the end of its grace, and only a check after that shows it.
  const clicked = isDead("clicked") ? KEY_CHECK_MS + REFUSAL_PROVEN + NEXT_ATTEMPT : 0;
  const standstill = isDead("standstill") ? graceHours * HOUR + MINUTE + NEXT_ATTEMPT : 0;
  const unseen = clicked + standstill > 0 ? clicked + standstill + costs : 0;
  switch (secondRefresh) {
    // Every key keeps its own clock, or the one that nobody uses dies: a second mint costs the current key nothing.
    case "A":
    case "E":
      return unseen;
    // A second mint ends the current key at once.
    case "B":
      return mayHaveMinted.length + Number(isDead("clicked")) > 0 && classes.length > 1
        ? unseen + costs
        : unseen;
    // No second mint before the end of the grace; two lost ones wait for two.
    case "D":
      return (
        unseen +
        (mayHaveMinted.length > 0 || isDead("clicked") || isOvertaken ? costs : 0) +
        (mayHaveMinted.length > 1 ? graceHours * HOUR : 0)
      );
  }
}

/** How long at the least a key that has left AWSCURRENT goes on being accepted, in milliseconds. */
export function promisedPrevious(configuration: Configuration, faults: readonly Fault[]): number {
  const classes = classesOf(faults);
  const grace = configuration.graceHours * HOUR;
  // A refused mint is asked for again by the hour.
  const refusals = classes.filter((fault) => fault === "refused").length * HOURLY_MS;
  const costs = refusals + classes.reduce((sum, fault) => sum + costOf(fault), 0);
  // A mint that nobody answered for, or that somebody else made, is followed by another one within the grace.
  const mayMintTwice = classes.some((fault) => costOf(fault) > INSIDE);
  const endsEarly =
    mayMintTwice && (configuration.secondRefresh === "B" || configuration.secondRefresh === "E");
  return endsEarly ? 0 : Math.max(0, grace - costs - INSIDE);
}

const UPSTREAMS = [
  { name: "A", secondRefresh: "A", graceHours: 24 },
  { name: "B", secondRefresh: "B", graceHours: 24 },
  { name: "D", secondRefresh: "D", graceHours: 24 },
  { name: "E", secondRefresh: "E", graceHours: 24 },
  { name: "grace 0", secondRefresh: "A", graceHours: 0 },
] as const;

/** The promise for one fault, and for the worst second one, as the page's table in Markdown. */
export function promiseTable(): string {
  const faultOf = (wanted: FaultClass) =>
    (Object.keys(CLASS_OF) as (keyof typeof CLASS_OF)[]).find((fault) => CLASS_OF[fault] === wanted) as Fault;
  const technical = (["refused", "crash", "lost", "late", "paused"] as const).map(faultOf);
  const rows = (Object.keys(FAULT_CLASSES) as FaultClass[]).map((faultClass) => {
    const fault = faultOf(faultClass);
    const cells = UPSTREAMS.map(({ name: _, ...upstream }) => {
      const configuration = { ...upstream, activationSeconds: 0 } as Configuration;
      const alone = promisedOutage(configuration, [fault]);
      const worst = Math.max(...technical.map((second) => promisedOutage(configuration, [fault, second])));
      return worst === alone ? inWords(alone) : `${inWords(alone)}; with a second fault ${inWords(worst)}`;
    });
    return `| ${FAULT_CLASSES[faultClass]} | ${cells.join(" | ")} |`;
  });
  const names = UPSTREAMS.map(({ name }) => name);
  return [
    `| fault | ${names.join(" | ")} |`,
    `|---|${names.map(() => "---").join("|")}|`,
    `| none | ${names.map(() => "no gap").join(" | ")} |`,
    ...rows,
  ].join("\n");
}

function inWords(milliseconds: number): string {
  if (milliseconds === 0) return "no gap";
  const minutes = milliseconds / MINUTE;
  if (minutes >= 120) return `≤ ${(minutes / 60).toFixed(1)} h`;
  return minutes >= 1 ? `≤ ${Math.ceil(minutes)} min` : `≤ ${Math.ceil(milliseconds / SECOND)} s`;
}
