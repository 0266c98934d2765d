import * as v from "valibot";
import { EXISTING_KEYS, type ExistingKey, NEW_INSTANCE_FIELDS, OWNERSHIP_MARK } from "../../core/contract";
import {
  type Fault,
  isRecord,
  message,
  object,
  oneOf,
  optional,
  type Schema,
  text,
  wholeNumber,
} from "./schema";
import { tagged } from "./tags";
import { isSlug, SLUG_RULE } from "./texts";

/** One deployment of an agent: made at the Control Plane, or adopted if it is there already. */
export type AgentInstanceSettings = NewAgentInstance | AdoptedAgentInstance;

interface AgentInstanceCommon {
  /**
   * Gives the construct path and the secret's name: lower-case letters, digits and hyphens, at most 64. Can't be
   * changed later: another id is another instance.
   */
  readonly id: string;

  /**
   * Reference of the subscription that the instance is billed by. Recorded with the key; the Control Plane has no
   * field for it.
   * @default - none
   */
  readonly subscription?: string;

  /**
   * Reference of the pricing that applies. Recorded with the key; the Control Plane has no field for it.
   * @default - none
   */
  readonly pricing?: string;

  /**
   * To be raised by one to have a failed update tried again: Terraform doesn't repeat one by itself.
   * @default 0
   */
  readonly revision?: number;
}

/** An instance that is made at the Control Plane. */
export interface NewAgentInstance extends AgentInstanceCommon {
  /** The type of agent, by its id at the Control Plane or by its exact name. */
  readonly agentType: { readonly id: string } | { readonly name: string };

  /**
   * Display name at the Control Plane, where names are unique in a workspace.
   * @default "<environment>-<id>"
   */
  readonly name?: string;

  /**
   * The customer that the instance bills to.
   * @default - none
   */
  readonly accountId?: string;

  /** @default - none */
  readonly contactId?: string;

  /** @default - only the marker that says which secret holds the key */
  readonly description?: string;

  readonly adopt?: never;
}

/** An instance that exists at the Control Plane already. It keeps its name, type, account, contact and description. */
export interface AdoptedAgentInstance
  extends AgentInstanceCommon,
    Readonly<Partial<Record<(typeof NEW_INSTANCE_FIELDS)[number], never>>> {
  readonly adopt: {
    readonly agentInstanceId: string;

    /**
     * `refresh`: a new key is minted, and the one in use ends when the grace period does. `provided`: nothing is
     * minted; the deploy stops with the command that stores the present key, and the next one goes on.
     */
    readonly existingKey: ExistingKey;
  };
}

/** Display name at the Control Plane; an adopted instance keeps the one that it has. */
export function displayName(environment: string, instance: AgentInstanceSettings): string | undefined {
  return instance.adopt ? undefined : (instance.name ?? `${environment}-${instance.id}`);
}

const MAX_ID_LENGTH = 64;

const id = text(
  `must be 1–${MAX_ID_LENGTH} ${SLUG_RULE}`,
  (value) => isSlug(value) && value.length <= MAX_ID_LENGTH,
  "choose a short id and put what people shall read into `name`",
);

const agentType: Schema = v.lazy((value) => {
  if (!isRecord(value) || Object.keys(value).length !== 1)
    return v.never(message("must be either { id } or { name }", "give one of the two"));
  return "id" in value ? object<{ id: string }>({ id: tagged }) : object<{ name: string }>({ name: tagged });
});

const description = text(
  `must be some text without \${ and %{, which Terraform reads as expressions, and without our marker [${OWNERSHIP_MARK}`,
  (value) => value.trim() !== "" && !/[$%]\{/.test(value) && !value.includes(`[${OWNERSHIP_MARK}`),
  "leave it out if there is none, or write it without them",
);

type EveryField = Partial<Omit<NewAgentInstance, "id" | "adopt"> & Pick<AdoptedAgentInstance, "adopt">> & {
  readonly id: string;
};

/** Each field by itself. Which of them go together is a rule of its own, `createOrAdopt`. */
export const agentInstance = object<EveryField>({
  id,
  subscription: optional(tagged),
  pricing: optional(tagged),
  revision: optional(
    wholeNumber("must be a whole number from 0 on", (value) => value >= 0, "raise it by one"),
  ),
  agentType: optional(agentType),
  name: optional(tagged),
  accountId: optional(tagged),
  contactId: optional(tagged),
  description: optional(description),
  adopt: optional(
    object<AdoptedAgentInstance["adopt"]>({ agentInstanceId: tagged, existingKey: oneOf(EXISTING_KEYS) }),
  ),
});

export function createOrAdopt(instance: AgentInstanceSettings): Fault[] {
  if (instance.adopt !== undefined) {
    return NEW_INSTANCE_FIELDS.filter((field) => instance[field] !== undefined).map((field) => ({
      field,
      rule: "can't be given together with `adopt`: an adopted instance keeps what it has at the Control Plane",
      got: instance[field],
      fix: `remove \`${field}\`, or \`adopt\` to have a new instance made`,
    }));
  }
  if (instance.agentType !== undefined) return [];
  return [
    {
      field: "agentType",
      rule: "is required for a new instance",
      got: undefined,
      fix: "give { id } or { name }",
    },
  ];
}
