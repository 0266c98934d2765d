import type { Call } from "../../proofs/harness/front";
import { type DeployerRequest, requestsOfCall, withoutChance } from "./deployer-calls";
import { LEADING_KEYS, partitionOf, ROTATION_FUNCTION, versionKeys } from "./record";

/** What IAM sees of a function's call in a local run. */
export interface FunctionRequest extends DeployerRequest {
  /** Name of the function. */
  readonly functionName: string;
}

/**
 * What the functions asked for, each request once, sorted. The calls are in the order in which they were answered:
 * Terraform's are needed too, for a secret has a rotation function from when Terraform names it.
 */
export function requestsOfFunctions(calls: readonly Call[]): FunctionRequest[] {
  const rotationFunctions = new Map<string, string>();
  const requests = new Set<string>();
  for (const call of calls) {
    // Powertools adds its own name to the function's.
    const functionName = /\bapp\/([\w-]+-agent-key-[a-z]+)/.exec(call.userAgent)?.[1];
    if (functionName === undefined) {
      if (call.operation !== "RotateSecret" || call.status !== 200) continue;
      const [{ resource } = { resource: "" }] = requestsOfCall(call);
      const { RotationLambdaARN } = JSON.parse(call.request);
      if (RotationLambdaARN) rotationFunctions.set(resource, withoutChance(RotationLambdaARN));
      continue;
    }
    for (const { action, resource } of requestsOfCall(call)) {
      const rotationFunction = rotationFunctions.get(resource);
      const context = {
        ...conditionKeysOf(call),
        ...(rotationFunction === undefined ? {} : { [ROTATION_FUNCTION]: rotationFunction }),
      };
      requests.add(JSON.stringify({ functionName, action, resource, context }));
    }
  }
  return [...requests].sort().map((request) => JSON.parse(request));
}

function conditionKeysOf({ service, request }: Call): Record<string, string> {
  if (service === "secretsmanager") return versionKeys(JSON.parse(request));
  const partition = service === "dynamodb" ? partitionOf(JSON.parse(request)) : undefined;
  return partition === undefined ? {} : { [LEADING_KEYS]: withoutChance(partition) };
}
