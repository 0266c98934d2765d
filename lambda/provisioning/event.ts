import * as v from "valibot";
import {
  KEY_SHAPE,
  type ProvisioningInput,
  type ProvisioningResult,
  type TerraformCall,
} from "../../core/contract";
import type { RemovalInput } from "../../core/provisioning/removal";
import { schemaOf } from "../../core/schema";

const text = v.pipe(v.string(), v.nonEmpty());
const arn = v.pipe(v.string(), v.startsWith("arn:"));
const removal = v.picklist(["protect", "deactivate", "delete"]);
const typeById = v.strictObject({ id: text });
const typeByName = v.strictObject({ name: text });

const provisioningInput = schemaOf<ProvisioningInput>()(
  v.strictObject({
    id: text,
    environment: text,
    secretArn: arn,
    name: v.exactOptional(text),
    description: v.exactOptional(v.string()),
    agentType: v.exactOptional(v.lazy((given) => ("id" in Object(given) ? typeById : typeByName))),
    accountId: v.exactOptional(text),
    contactId: v.exactOptional(text),
    adopt: v.exactOptional(
      v.strictObject({ agentInstanceId: text, existingKey: v.picklist(["refresh", "provided"]) }),
    ),
    removal,
    revision: v.number(),
    digest: text,
  }),
);

/** Terraform sends what an older or a newer release wrote: only what a removal needs has to be there, and to be readable. */
const removalInput = schemaOf<RemovalInput>()(
  v.object({
    id: text,
    environment: text,
    secretArn: arn,
    name: v.exactOptional(text),
    removal,
    digest: text,
  }),
);

/** `prev_input` is never read: an older release may have written it. */
const terraformCall = schemaOf<Pick<TerraformCall, "action">>()(
  v.object({ action: v.picklist(["create", "update", "delete"]) }),
);

export type ProvisioningCall =
  | { readonly action: "create" | "update"; readonly input: ProvisioningInput }
  | { readonly action: "delete"; readonly input: RemovalInput };

/** Throws a `TypeError` that names the field at fault. */
export function parseProvisioningEvent(event: unknown): ProvisioningCall {
  const { tf, ...input } = read(v.looseObject({ tf: terraformCall }), event);
  return tf.action === "delete"
    ? { action: tf.action, input: read(removalInput, input) }
    : { action: tf.action, input: read(provisioningInput, input) };
}

function read<Schema extends v.GenericSchema>(schema: Schema, given: unknown): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, given);
  if (parsed.success) return parsed.output;
  // A strict object's word for a field that it has not.
  const unknown = parsed.issues.find(({ expected }) => expected === "never");
  const field = (v.getDotPath(unknown ?? parsed.issues[0]) ?? "(whole event)").replace(KEY_SHAPE, "[masked]");
  throw new TypeError(
    unknown
      ? `${field}: this provisioning function does not know the field, so it is older than the configuration that ` +
          `Terraform applies; deploy the whole environment with one release, which deploys the function too`
      : `not a provisioning call of Terraform: ${field} is missing or unreadable`,
  );
}

const updateCall = v.object({
  ...v.pick(removalInput, ["digest", "secretArn"]).entries,
  tf: v.object({ action: v.literal("update") }),
});

/**
 * The answer to an update that failed. Terraform records an update that ends with an error as done, and never repeats it
 * (https://github.com/hashicorp/terraform-provider-aws/issues/43447): this answer has a status, upon which a postcondition
 * fails every later plan until the input changes. `undefined` for a create or a delete: those fail by an error, since Terraform
 * repeats them until they succeed.
 */
export function failedUpdate(event: unknown, reason: string): ProvisioningResult | undefined {
  const call = v.safeParse(updateCall, event);
  if (!call.success) return undefined;
  const { digest, secretArn } = call.output;
  return { status: "failed", digest, secretArn, agentInstanceId: "", reason };
}
