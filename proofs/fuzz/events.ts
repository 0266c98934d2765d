import { strict as assert } from "node:assert";
import fc from "fast-check";
import { SECRET_TAGS } from "../../core/contract";
import { locateSecret, markDescription, ownershipOf } from "../../core/key/ownership";
import { parseProvisioningEvent } from "../../lambda/provisioning/event";
import { parseRotationEvent } from "../../lambda/rotation/handler";
import { altered, garbled, jsonText, MARKERS, type Outcome, refusedBy, target } from "./target";

/** What Secrets Manager and Terraform call the functions with. Lambda parses the JSON, so that it is sound as such. */

const ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:valmi/dev/support/agent-key-AbCdEf";

function parsed(text: string): unknown {
  return JSON.parse(text);
}

const ROTATION = {
  Step: "createSecret",
  SecretId: ARN,
  ClientRequestToken: "0123456789abcdef0123456789abcdef",
  RotationToken: MARKERS.agentKey,
};
const STEPS = [
  "createSecret",
  "setSecret",
  "testSecret",
  "finishSecret",
  "create_secret",
  "toString",
  "__proto__",
];

export const rotationEvents = target(
  "rotation events",
  16_000,
  fc.oneof(
    altered(ROTATION),
    fc
      .record({
        Step: fc.constantFrom(...STEPS),
        SecretId: fc.string(),
        ClientRequestToken: fc.string({ maxLength: 70 }),
      })
      .map((event) => JSON.stringify({ ...ROTATION, ...event })),
    jsonText(...Object.keys(ROTATION)),
  ),
  (text): Outcome => {
    const event = parsed(text);
    try {
      const request = parseRotationEvent(event);
      const given = event as typeof ROTATION;
      assert.equal(request.secretArn, given.SecretId);
      assert.equal(request.token, given.ClientRequestToken);
      assert.equal(request.rotationToken, given.RotationToken);
      assert.match(request.step, /^(create|set|test|finish)Secret$/);
      assert.match(request.token, /^[\x21-\x7e]{32,64}$/);
    } catch (error) {
      return refusedBy(error, TypeError);
    }
    return "read";
  },
);

const PROVISIONING = {
  id: "support",
  environment: "dev",
  secretArn: ARN,
  name: "dev-support",
  description: MARKERS.agentKey,
  agentType: { name: "Customer Support Bot" },
  accountId: "acc_1",
  contactId: "con_1",
  adopt: { agentInstanceId: "ai_1", existingKey: "refresh" },
  removal: "protect",
  revision: 0,
  digest: "0123456789abcdef",
  tf: { action: "create", prev_input: { id: "support", digest: MARKERS.apiKey } },
};

export const provisioningEvents = target(
  "Terraform's calls",
  12_000,
  fc.oneof(
    { weight: 9, arbitrary: altered(PROVISIONING) },
    { weight: 1, arbitrary: jsonText(...Object.keys(PROVISIONING)) },
  ),
  (text): Outcome => {
    const event = parsed(text);
    try {
      const { action, input } = parseProvisioningEvent(event);
      const { tf, ...given } = event as typeof PROVISIONING;
      assert.equal(action, tf.action);
      assert.ok(["create", "update", "delete"].includes(action));
      assert.ok(!("tf" in input));
      // Nothing is made up: what was read stands in the event.
      for (const [name, value] of Object.entries(input)) {
        if (typeof value !== "object") assert.equal(value, given[name as keyof typeof given], name);
      }
      for (const name of ["id", "environment", "secretArn", "digest"] as const)
        assert.notEqual(input[name], "");
    } catch (error) {
      return refusedBy(error, TypeError);
    }
    return "read";
  },
);

const MARKED = "[valmi-agent-keys 123456789012/eu-central-1/valmi/dev/support/agent-key]";

export const descriptions = target(
  "descriptions and ARNs",
  6_000,
  fc.record({
    arn: fc.oneof(
      fc.constant(ARN),
      garbled(fc.constant(ARN)),
      fc.constantFrom(MARKERS.agentKey, `arn:aws:${MARKERS.shapedApiKey}`),
    ),
    description: fc.oneof(garbled(fc.constant(`a\n${MARKED}`)), fc.constant(MARKED.repeat(500)), fc.string()),
  }),
  ({ arn, description }): Outcome => {
    try {
      const secret = locateSecret(arn);
      const whose = ownershipOf(description, secret);
      assert.ok(["ours", "theirs", "unmarked"].includes(whose));
      if (whose === "unmarked" && /^[^\]\s]+$/.test(secret.secretName)) {
        assert.equal(ownershipOf(markDescription(description, secret), secret), "ours");
      }
    } catch (error) {
      return refusedBy(error, TypeError);
    }
    return "read";
  },
);

/** For the values below. */
export const TAG_NAMES = Object.values(SECRET_TAGS);
