import type { Context } from "aws-lambda";
import * as v from "valibot";
import type { ProvisioningEvent, ProvisioningInput, ProvisioningResult } from "../../core/contract";
import { ensureInstance } from "../../core/provisioning/convergence";
import type { ProvisioningDeps } from "../../core/provisioning/provisioning";
import { retireInstance } from "../../core/provisioning/removal";
import { createRuntime, invocationPorts, presentable, type Runtime, untilAllowed } from "../runtime";

const text = v.pipe(v.string(), v.nonEmpty());
const provisioningInput = v.object({
  id: text,
  environment: text,
  secretArn: v.pipe(v.string(), v.startsWith("arn:")),
  name: v.optional(text),
  description: v.optional(v.string()),
  agentType: v.optional(v.union([v.object({ id: text }), v.object({ name: text })])),
  accountId: v.optional(text),
  contactId: v.optional(text),
  adopt: v.optional(v.object({ agentInstanceId: text, existingKey: v.picklist(["refresh", "provided"]) })),
  removal: v.picklist(["protect", "deactivate", "delete"]),
  revision: v.number(),
  digest: text,
});
const provisioningEvent = v.object({
  ...provisioningInput.entries,
  tf: v.object({ action: v.picklist(["create", "update", "delete"]) }),
});

/** Throws a `TypeError` that names the field at fault. */
export function parseProvisioningEvent(event: unknown): {
  readonly action: ProvisioningEvent["tf"]["action"];
  readonly input: ProvisioningInput;
} {
  const parsed = v.safeParse(provisioningEvent, event);
  if (!parsed.success) {
    const field = v.getDotPath(parsed.issues[0]) ?? "(whole event)";
    throw new TypeError(`not a provisioning call of Terraform: ${field} is missing or unreadable`);
  }
  const { tf, ...input } = parsed.output;
  return { action: tf.action, input: input as ProvisioningInput };
}

/**
 * Create and delete fail by an error, since Terraform repeats them until they succeed. A failed update Terraform would
 * record as done and never repeat (https://github.com/hashicorp/terraform-provider-aws/issues/43447): it answers with a
 * status, upon which a postcondition fails every later plan until the input changes.
 */
export async function provision(
  deps: ProvisioningDeps,
  { action, input }: ReturnType<typeof parseProvisioningEvent>,
): Promise<ProvisioningResult> {
  switch (action) {
    case "create":
      return ensureInstance(deps, input);
    case "delete":
      return retireInstance(deps, input);
    case "update":
      try {
        return await ensureInstance(deps, input);
      } catch (error) {
        const reason = presentable(error).message;
        deps.log.error("update failed", { id: input.id, reason });
        return {
          status: "failed",
          digest: input.digest,
          secretArn: input.secretArn,
          agentInstanceId: "",
          reason,
        };
      }
  }
}

let runtime: Runtime | undefined;

export async function handler(event: unknown, context: Context): Promise<ProvisioningResult> {
  runtime ??= createRuntime();
  const { logger } = runtime;
  logger.resetKeys();
  logger.appendKeys({ correlationId: context.awsRequestId });
  try {
    const call = parseProvisioningEvent(event);
    logger.appendKeys({ instance: `${call.input.environment}/${call.input.id}`, action: call.action });
    return await provision(invocationPorts(untilAllowed(runtime), context), call);
  } catch (error) {
    const failure = presentable(error);
    logger.error("provisioning failed", { errorName: failure.name, reason: failure.message });
    throw failure;
  }
}
