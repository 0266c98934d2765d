import { isControlPlaneError } from "../control-plane/errors";
import { Stop } from "../protocol/stops";
import type { ControlPlaneTrouble } from "./environment-findings";
import { type Finding, finding } from "./findings";
import { nameOf, type Run, TEXT_LENGTH } from "./run";

/** A look that failed. */
export interface Failure {
  readonly error: unknown;
  /** Whose value could not be read; absent if the failure is not about one instance. */
  readonly instance?: string;
}

/** What is the matter with the way to the Control Plane: the first failure that says so. */
export function controlPlaneTrouble(
  failures: readonly Failure[],
  { before, now }: Pick<Run, "before" | "now">,
): ControlPlaneTrouble | undefined {
  const error = failures.map((failure) => failure.error).find(isOfControlPlane);
  if (error === undefined) return undefined;
  const trouble = troubleOf(error);
  const since = before.found.find(({ name }) => name === trouble)?.since ?? now;
  return { trouble, since, detail: error.message.slice(0, TEXT_LENGTH) };
}

/** Every other failure is about a secret's value that could not be read. Each instance is told once. */
export function unreadableSecrets(failures: readonly Failure[], environment: string): Finding[] {
  const found: Finding[] = [];
  for (const { error, instance = environment } of failures) {
    if (isOfControlPlane(error) || found.some((each) => each.instance === instance)) continue;
    found.push(finding("secrets-unreadable", instance, nameOf(error)));
  }
  return found;
}

function troubleOf(error: Error): ControlPlaneTrouble["trouble"] {
  if (isControlPlaneError(error, "unauthorized", "forbidden")) return "operator-key-refused";
  if (error instanceof Stop && error.state === "clock-differs") return "clock-differs";
  if (isAboutKeys(error)) return "key-check-unreadable";
  const isMissing = error instanceof Stop && error.state === "operator-key-missing";
  return isMissing ? "operator-key-missing" : "control-plane-unavailable";
}

/** An answer to the question whether a key is accepted that says neither yes nor no. */
export function isAboutKeys(error: unknown): boolean {
  return isControlPlaneError(error, "unreadable") && error.message.includes("/agent_instance/info");
}

function isOfControlPlane(error: unknown): error is Error {
  return isControlPlaneError(error) || error instanceof Stop;
}
