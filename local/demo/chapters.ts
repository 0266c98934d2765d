import type { Environment } from "../../constructs";
import { resolveSettings } from "../../constructs/environment/environment";

/** What the story tells beside deploying, each under the name by which it is told that it was skipped. */
export const CHAPTERS = {
  provisioningCalls: "calls of provisioning",
  rotationCalls: "calls of a rotation",
  onDemand: "rotation on demand, under load",
  grace: "the grace period to its end",
  healing: "the auditor finishes a rotation",
  interval: "rotation by itself",
  noLoss: "consumers lose no call",
  destroy: "destroy",
} as const;
export type Chapter = keyof typeof CHAPTERS;

export type StoriedEnvironment = Pick<
  Environment,
  "name" | "region" | "controlPlane" | "rotation" | "removal" | "alerts" | "agentInstances"
>;

/** Why a chapter says nothing of an environment; without those that apply. */
export function skippedChapters(environment: StoriedEnvironment): Partial<Record<Chapter, string>> {
  const { rotation, removal, alerts, controlPlane } = resolveSettings(environment);
  const { agentInstances } = environment;
  const reasons: [Chapter, string | undefined][] = [];
  const skip = (reason: string, ...chapters: Chapter[]) => {
    for (const chapter of chapters) reasons.push([chapter, reason]);
  };

  if (removal === "protect") skip("the environment's `removal` is `protect`", "destroy");
  if (alerts.healing === "dry-run") skip("`alerts.healing` is `dry-run`", "healing");
  if (controlPlane.gracePeriodHours === 0) {
    skip("the grace period is 0: an old key ends at once", "grace");
    skip("the grace period is 0: whoever keeps a key for 5 minutes loses calls", "noLoss");
  }
  if (agentInstances.some(({ adopt }) => adopt?.existingKey === "provided")) {
    skip("two deploys share them, where a key is provided", "provisioningCalls");
  }
  if (rotation === "off") {
    skip("`rotation` is `off`", "rotationCalls", "onDemand", "grace", "healing", "interval");
  }
  if (agentInstances.length === 0) {
    skip(
      "the environment has no agent instance",
      ...(Object.keys(CHAPTERS) as Chapter[]).filter((chapter) => chapter !== "destroy"),
    );
  }
  return Object.fromEntries(reasons);
}
