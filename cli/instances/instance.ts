import { ResourceNotFoundException } from "@aws-sdk/client-secrets-manager";
import { command } from "../../core/command-line";
import { functionName, SECRET_TAGS } from "../../core/contract";
import { type ListedSecret, secretsManagerFleet } from "../../core/secrets/fleet";
import { CommandError } from "../command-error";
import type { OperatorPorts } from "../ports";

/** An agent instance as its secret tells it, without a value. Times are in milliseconds since the epoch. */
export interface ListedInstance extends ListedSecret {
  readonly environment: string;
  /** The instance's `id` in `environments.ts`. */
  readonly id: string;
  /** Name of the environment's own, whatever is configured on the secret. */
  readonly rotationFunction: string;
  /** Name of the environment's auditor. */
  readonly auditor: string;
}

type ByAws = { readonly aws: Pick<OperatorPorts["aws"], "secretsManager"> };

/** As people name an instance: `dev/support`. */
export function nameOf({ environment, id }: Pick<ListedInstance, "environment" | "id">): string {
  return `${environment}/${id}`;
}

/** Every instance of this account and region, or of one environment, by environment and id. */
export async function listInstances({ aws }: ByAws, environment?: string): Promise<ListedInstance[]> {
  const fleet = secretsManagerFleet(aws.secretsManager);
  const found: ListedInstance[] = [];
  for await (const secrets of environment === undefined
    ? fleet.tagged(SECRET_TAGS.id)
    : fleet.tagged(SECRET_TAGS.environment, environment)) {
    found.push(...secrets.map(toInstance).filter((instance) => instance !== undefined));
  }
  return found.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** Those of an environment, or all. Throws the `CommandError` `usage` if there are none. */
export async function listSome(ports: ByAws, environment?: string): Promise<ListedInstance[]> {
  const all = await listInstances(ports, environment);
  if (all.length > 0) return all;
  throw new CommandError(
    "usage",
    environment === undefined
      ? "there is no secret of an agent key in this account and region"
      : `there is no secret of an agent key of the environment '${environment}' in this account and region`,
    "check credentials, --region and the environment's name; a deploy makes the secrets",
  );
}

/** The instance of a name, or those of an environment if no name was given. Throws the `CommandError` `usage`. */
export async function chosenInstances(
  ports: ByAws,
  name: string | undefined,
  environment: string | undefined,
): Promise<ListedInstance[]> {
  return name === undefined ? listSome(ports, environment) : [await findInstance(ports, name)];
}

/**
 * The instance of a name: `environment/id`, or its secret's name or ARN. It is seen as it is now; the list may lag by minutes.
 *
 * Throws the `CommandError` `usage` if there is none of that name.
 */
export async function findInstance(ports: ByAws, name: string): Promise<ListedInstance> {
  const byName = /^[^/]+\/[^/]+$/.test(name)
    ? (await listInstances(ports, name.split("/")[0])).find((each) => nameOf(each) === name)?.secretArn
    : undefined;
  const described = await describe(ports, byName ?? name);
  if (described) return described;
  const known = (await listInstances(ports)).map(nameOf);
  throw new CommandError(
    "usage",
    `there is no agent instance '${name}' in this account and region`,
    known.length > 0
      ? `name one as environment/id or by its secret: ${listed(known)}`
      : "there is none at all: check credentials and --region, or deploy",
  );
}

/** The secret's labels and dates as they are now. */
export async function lookAgain<T extends ListedInstance>(ports: ByAws, instance: T): Promise<T> {
  return { ...instance, ...(await findInstance(ports, instance.secretArn)) };
}

async function describe({ aws }: ByAws, secretId: string): Promise<ListedInstance | undefined> {
  try {
    return toInstance(await secretsManagerFleet(aws.secretsManager).describe(secretId));
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
}

/** `undefined` if the secret is no agent key's. */
function toInstance(secret: ListedSecret): ListedInstance | undefined {
  const { [SECRET_TAGS.environment]: name, [SECRET_TAGS.id]: id } = secret.tags;
  if (!name || !id) return undefined;
  const namePrefix = secret.secretName.slice(0, Math.max(0, secret.secretName.indexOf(`/${name}/`)));
  return {
    ...secret,
    environment: name,
    id,
    rotationFunction: functionName({ namePrefix, name }, "rotation"),
    auditor: functionName({ namePrefix, name }, "audit"),
  };
}

const MOST_NAMES = 12;

function listed(names: readonly string[]): string {
  const more = names.length - MOST_NAMES;
  return names.slice(0, MOST_NAMES).join(", ") + (more > 0 ? ` and ${more} more (${command("status")})` : "");
}
