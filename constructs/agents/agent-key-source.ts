import { AGENT_KEY_FIELD, AGENT_KEY_VARIABLES } from "../../core/contract";
import { arnParts } from "../../core/rules";
import type { PolicyStatement } from "../access/policy";
import { readAccess } from "../access/read-access";
import { AgentKey } from "../agent-key";
import { AgentKeys } from "../agent-keys";
import { type AwsLocation, agentKeySecretArns, agentKeySecretName } from "../names";

/** An agent key that another stack has made, in this account or another one. Its region has to be the consumer's. */
export interface AgentKeyReference {
  /** The whole ARN, as text, with the six characters that Secrets Manager adds: other accounts can't read by less. */
  readonly secretArn: string;
  /**
   * ARN of the KMS key that the secret is encrypted with. In another account its policy has to admit the reader too.
   * @default - the key `aws/secretsmanager`, for which no permission is needed, and which other accounts can't use
   */
  readonly encryptionKeyArn?: string;
}

/** What a consumer gets: one agent key, several, or all of an environment. */
export type AgentKeySource =
  | AgentKey
  | AgentKeyReference
  | readonly (AgentKey | AgentKeyReference)[]
  | AgentKeys;

/** Agent keys as the wiring of a consumer needs to know them. */
export interface ConsumedAgentKeys {
  /** Environment variable and secret: two variables of one key, one variable for each of several. */
  readonly variables: readonly { readonly name: string; readonly secretArn: string }[];
  /** For `detail.name` of an event pattern. */
  readonly names: readonly (string | { readonly wildcard: string })[];
  /** Where the secrets are. */
  readonly location: AwsLocation;
  /** What reading them takes, these and no others. */
  readonly statements: readonly PolicyStatement[];
}

/**
 * One key is called as Valmi's SDKs look for it, and one of several by the instance's id: `VALMI_AGENT_KEY_SUPPORT`.
 *
 * @throws Error where there is none, or two would get the same variable.
 */
export function consumedAgentKeys(source: AgentKeySource): ConsumedAgentKeys {
  const keys = keysOf(source).map(keyOf);
  const [first] = keys;
  if (first === undefined) {
    throw new Error(
      "`agentKey` must hold one agent key at least; got: none. To fix: name the ones that the agent uses.",
    );
  }
  const isOne = !(source instanceof AgentKeys) && !Array.isArray(source);
  const common = {
    location: first.location,
    variables: isOne
      ? AGENT_KEY_VARIABLES.map((name) => ({ name, secretArn: first.arn }))
      : keys.map(({ name, arn }) => ({ name: variableOf(name), secretArn: arn })),
  };
  refuseRepeated(common.variables.map(({ name }) => name));
  if (source instanceof AgentKeys) {
    const { settings, location, ...encryption } = source.secrets;
    return {
      ...common,
      names: [{ wildcard: agentKeySecretName(settings, "*") }],
      statements: readAccess({
        secretArn: agentKeySecretArns(location, settings),
        region: settings.region,
        ...encryption,
      }),
    };
  }
  const statements = keys.flatMap((key, index) =>
    key.statements.map((statement) =>
      isOne ? statement : { ...statement, Sid: `${statement.Sid}${index}` },
    ),
  );
  return { ...common, names: keys.map(({ name }) => name), statements };
}

function keysOf(source: AgentKeySource): readonly (AgentKey | AgentKeyReference)[] {
  if (source instanceof AgentKeys) return [...source.agentKeys.values()];
  return Array.isArray(source) ? source : [source as AgentKey | AgentKeyReference];
}

function keyOf(key: AgentKey | AgentKeyReference) {
  if (key instanceof AgentKey) {
    const { secret } = key;
    const { arn, secretName, location } = secret;
    return { arn, name: secretName, location, statements: secret.readStatements() };
  }
  const { secretArn, encryptionKeyArn } = key;
  const { name, location } = parseArn(secretArn);
  const encryption = encryptionKeyArn === undefined ? {} : { encryptionKeyArn };
  return {
    arn: secretArn,
    name,
    location,
    statements: readAccess({ secretArn, region: location.region, ...encryption }),
  };
}

function parseArn(arn: string): { readonly name: string; readonly location: AwsLocation } {
  const { partition, region, accountId, name } = arnParts("secret", arn) ?? {};
  if (partition && region && accountId && name) return { name, location: { partition, region, accountId } };
  throw new Error(
    "`secretArn` must be the whole ARN of a secret, as text, with the six characters that Secrets Manager adds to its " +
      `name; got: ${JSON.stringify(arn)}. To fix: copy it from the output "agent-instances" of the stack that made it.`,
  );
}

/** The id is the part before the last of a secret's name, `valmi/production/support/agent-key`. */
function variableOf(secretName: string): string {
  const id = secretName.split("/").at(-2) ?? secretName;
  return `${AGENT_KEY_FIELD}_${id.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;
}

function refuseRepeated(names: readonly string[]): void {
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated === undefined) return;
  throw new Error(
    `\`agentKey\` must give each key a variable of its own; got: ${repeated} twice. To fix: choose instances whose ids ` +
      "differ in more than punctuation.",
  );
}
