import type { Context } from "aws-lambda";
import type { ProvisioningResult } from "../../core/contract";
import { ensureInstance } from "../../core/provisioning/convergence";
import type { ProvisioningDeps } from "../../core/provisioning/provisioning";
import { retireInstance } from "../../core/provisioning/removal";
import { createRuntime, invocationPorts, presentable, type Runtime, untilAllowed } from "../runtime";
import { failedUpdate, parseProvisioningEvent } from "./event";

/** Answers one call of Terraform. An update that fails is an answer too: see `failedUpdate`. */
export async function answer(
  event: unknown,
  logger: Pick<Runtime["logger"], "appendKeys" | "error">,
  ports: () => ProvisioningDeps,
): Promise<ProvisioningResult> {
  try {
    const call = parseProvisioningEvent(event);
    logger.appendKeys({ instance: `${call.input.environment}/${call.input.id}`, action: call.action });
    return call.action === "delete"
      ? await retireInstance(ports(), call.input)
      : await ensureInstance(ports(), call.input);
  } catch (error) {
    const failure = presentable(error);
    logger.error("provisioning failed", { errorName: failure.name, reason: failure.message });
    const failed = failedUpdate(event, failure.message);
    if (failed) return failed;
    throw failure;
  }
}

let runtime: Runtime | undefined;

export async function handler(event: unknown, context: Context): Promise<ProvisioningResult> {
  runtime ??= createRuntime();
  const { logger } = runtime;
  logger.resetKeys();
  logger.appendKeys({ correlationId: context.awsRequestId });
  const allowed = untilAllowed(runtime);
  return answer(event, logger, () => invocationPorts(allowed, context));
}
