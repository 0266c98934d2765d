import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Construct } from "constructs";
import { policyDocument } from "../access/policy";
import { type AgentKeySource, consumedAgentKeys } from "./agent-key-source";

/** The longest for which AWS's Parameters and Secrets extension keeps a value, and its default. */
const EXTENSION_CACHE_SECONDS = 300;

export interface LambdaAgentProps {
  /** The agent key, several, or all of an environment. */
  readonly agentKey: AgentKeySource;
  /** Name of the function's role. */
  readonly roleName: string;
  /** Names the grant in the role's inline policies, such as the function's name. */
  readonly name: string;
  /**
   * ARN of a version of AWS's Parameters and Secrets Lambda extension, for functions in languages without a library of
   * ours. It is listed by region in AWS's documentation.
   * @default - no extension: the function reads by a library
   */
  readonly extensionLayerArn?: string;
}

/**
 * A Lambda function that reads its agent key at run time: the grant to its role, and the secret's ARN for its environment.
 * The environment never holds the key: it would be in Terraform's state, and old after the next rotation.
 *
 * @example
 * const agent = new LambdaAgent(stack, "support-agent", {
 *   agentKey: agentKeys.agentKey("support"), roleName: role.name, name: "support",
 * });
 * new LambdaFunction(stack, "function", { …, environment: { variables: agent.environment }, layers: agent.layers });
 */
export class LambdaAgent extends Construct {
  /**
   * For the function's environment: `VALMI_AGENT_KEY_SECRET_ARN` of one key, `VALMI_AGENT_KEY_<ID>_SECRET_ARN` of each of
   * several.
   */
  readonly environment: Record<string, string>;
  /** For the function's layers; empty without the extension. */
  readonly layers: string[];
  /** Let the function depend on it, so that it never runs without. */
  readonly readPolicy: IamRolePolicy;

  constructor(
    scope: Construct,
    id: string,
    { agentKey, roleName, name, extensionLayerArn }: LambdaAgentProps,
  ) {
    super(scope, id);
    const { variables, statements } = consumedAgentKeys(agentKey);
    this.environment = {
      ...Object.fromEntries(
        variables
          .filter((variable) => variable.name.startsWith("VALMI_"))
          .map((variable) => [`${variable.name}_SECRET_ARN`, variable.secretArn]),
      ),
      ...(extensionLayerArn === undefined ? {} : { SECRETS_MANAGER_TTL: String(EXTENSION_CACHE_SECONDS) }),
    };
    this.layers = extensionLayerArn === undefined ? [] : [extensionLayerArn];
    this.readPolicy = new IamRolePolicy(this, "read", {
      name: `read-agent-key-${name}`,
      role: roleName,
      policy: policyDocument(statements),
    });
  }
}
