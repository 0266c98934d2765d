import type { Context } from "aws-lambda";
import * as v from "valibot";
import type { RotationRequest, RotationStep } from "../../core/rotation/rotation";
import { selfTest } from "../../core/rotation/self-test";
import { runStep } from "../../core/rotation/steps";
import { createRuntime, invocationPorts, presentable, type Runtime } from "../runtime";

/** Secrets Manager spells the steps in camel case; one page of its documentation in snake case. */
const STEP_NAMES: Readonly<Record<string, RotationStep>> = {
  createSecret: "createSecret",
  create_secret: "createSecret",
  setSecret: "setSecret",
  set_secret: "setSecret",
  testSecret: "testSecret",
  test_secret: "testSecret",
  finishSecret: "finishSecret",
  finish_secret: "finishSecret",
};

// https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda.html; unknown fields are ignored.
const rotationEvent = v.object({
  Step: v.pipe(
    v.string(),
    v.check((step) => Object.hasOwn(STEP_NAMES, step)),
  ),
  SecretId: v.pipe(v.string(), v.startsWith("arn:")),
  ClientRequestToken: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{32,64}$/)),
  RotationToken: v.optional(v.string()),
});

/** Throws a `TypeError` that names the field at fault; never its value, since an event may hold a rotation token. */
export function parseRotationEvent(event: unknown): RotationRequest {
  const parsed = v.safeParse(rotationEvent, event);
  if (!parsed.success) {
    const field = v.getDotPath(parsed.issues[0]) ?? "(whole event)";
    throw new TypeError(`not a rotation event of Secrets Manager: ${field} is missing or unreadable`);
  }
  const { Step, SecretId, ClientRequestToken, RotationToken } = parsed.output;
  return {
    step: STEP_NAMES[Step] as RotationStep,
    secretArn: SecretId,
    token: ClientRequestToken,
    ...(RotationToken === undefined ? {} : { rotationToken: RotationToken }),
  };
}

/** The auditor's call: no step, but the question whether one could run. */
const selfTestEvent = v.object({ selfTest: v.pipe(v.string(), v.startsWith("arn:")) });

let runtime: Runtime | undefined;

/** Answers a self-test with the names of what failed, and a rotation step with nothing. */
export async function handler(
  event: unknown,
  context: Context,
): Promise<{ readonly failures: readonly string[] } | undefined> {
  runtime ??= createRuntime();
  const { logger } = runtime;
  logger.resetKeys();
  logger.appendKeys({ correlationId: context.awsRequestId });
  try {
    const asked = v.safeParse(selfTestEvent, event);
    if (asked.success) {
      logger.appendKeys({ secret: asked.output.selfTest });
      return { failures: await selfTest(invocationPorts(runtime, context), asked.output.selfTest) };
    }
    const request = parseRotationEvent(event);
    logger.appendKeys({ secret: request.secretArn, version: request.token, step: request.step });
    await runStep(invocationPorts(runtime, context), request);
    return undefined;
  } catch (error) {
    const failure = presentable(error);
    logger.error("rotation step failed", { errorName: failure.name, reason: failure.message });
    throw failure;
  }
}
