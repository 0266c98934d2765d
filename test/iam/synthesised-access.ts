import type { TerraformStack } from "cdktf";
import type { PolicyStatement } from "../../constructs";
import { Synthesised } from "../helpers/synth";

/** What stands in for everything that only AWS knows. */
export const ACCOUNT = "123456789012";
export const OTHER_ACCOUNT = "999999999999";
const PARTITION = "aws";
const SUFFIX = "AbCdEf";

export interface Policy {
  readonly Version: string;
  readonly Statement: readonly PolicyStatement[];
}

export interface Role {
  /** Address in Terraform. */
  readonly address: string;
  readonly name: string;
  readonly arn: string;
  readonly path: string;
  readonly boundary: string | undefined;
  readonly trust: Policy;
  readonly policies: readonly { readonly address: string; readonly policy: Policy }[];
  /** The function that runs as this role; undefined where none does. */
  readonly functionName: string | undefined;
}

export interface SecretAccess {
  readonly name: string;
  readonly arn: string;
  readonly policy: Policy;
  readonly keyArn: string | undefined;
}

export interface FunctionAccess {
  readonly name: string;
  readonly arn: string;
  readonly inVpc: boolean;
  /** Undefined where nobody but the account may call it. */
  readonly policy: Policy | undefined;
}

export interface TopicAccess {
  readonly arn: string;
  readonly keyArn: string | undefined;
  readonly policy: Policy | undefined;
  /** Services of AWS that its policy lets publish. */
  readonly publishers: readonly string[];
}

/** Everything in a synthesised stack that says who may do what, with all references resolved. */
export interface StackAccess {
  readonly name: string;
  readonly region: string;
  readonly roles: readonly Role[];
  readonly secrets: readonly SecretAccess[];
  readonly operatorKey: { readonly arn: string; readonly keyArn: string | undefined };
  readonly intentTable: { readonly arn: string; readonly name: string; readonly keyArn: string | undefined };
  readonly functions: readonly FunctionAccess[];
  readonly logGroups: readonly { readonly arn: string; readonly keyArn: string | undefined }[];
  readonly topics: readonly TopicAccess[];
  /** The key that is made here. */
  readonly key: { readonly arn: string; readonly policy: Policy } | undefined;
}

type Block = Readonly<Record<string, unknown>>;

/** Throws where something that gives access is not of a kind that is known here: then it would go unproven. */
export function accessOf(name: string, stack: TerraformStack): StackAccess {
  const { configuration } = new Synthesised(stack);
  const region = String(configuration.provider?.aws?.[0]?.region);
  const resources = new Map<string, Block>();
  for (const [prefix, types] of [
    ["", configuration.resource],
    ["data.", configuration.data],
  ] as const) {
    for (const [type, blocks] of Object.entries(types ?? {})) {
      for (const [id, block] of Object.entries(blocks)) resources.set(`${prefix}${type}.${id}`, block);
    }
  }
  const unproven = [...resources.keys()].filter(
    (address) => GIVES_ACCESS.test(address) && !KNOWN.test(address),
  );
  if (unproven.length > 0) throw new Error(`nothing here knows what these allow: ${unproven.join(", ")}`);

  const resolve = (value: unknown): string =>
    String(value).replace(/\$\{(?:data\.)?([a-z0-9_]+)\.([\w-]+)\.(\w+)\}/g, (reference) => {
      const [, address = "", attribute = ""] = /^\$\{(.+)\.(\w+)\}$/.exec(reference) ?? [];
      const resolved = attributeOf(address, attribute, resources.get(address) ?? {}, region, resolve);
      if (resolved === undefined) throw new Error(`can't tell what ${reference} is`);
      return resolved;
    });
  const all = (type: string) =>
    [...resources].filter(([address]) => address.startsWith(`${type}.`)) as [string, Block][];
  const policyOf = (text: unknown): Policy => JSON.parse(resolve(text));
  const optional = (value: unknown) => (value === undefined ? undefined : resolve(value));

  const functions = all("aws_lambda_function").map(([address, block]) => ({
    address,
    block,
    name: resolve(block.function_name),
    arn: resolve(`\${${address}.arn}`),
  }));
  const policies = all("aws_iam_role_policy").map(([address, block]) => ({
    address,
    role: resolve(block.role),
    policy: policyOf(block.policy),
  }));
  const topicPolicies = all("aws_sns_topic_policy").map(([, block]) => ({
    arn: resolve(block.arn),
    policy: policyOf(block.policy),
  }));
  const permissions = all("aws_lambda_permission").map(([address, block]) => ({
    functionName: resolve(block.function_name),
    statement: permissionStatement(address, block, resolve),
  }));
  return {
    name,
    region,
    roles: all("aws_iam_role").map(([address, block]) => {
      const roleName = resolve(block.name);
      const arn = resolve(`\${${address}.arn}`);
      return {
        address,
        name: roleName,
        arn,
        path: String(block.path ?? "/"),
        boundary: optional(block.permissions_boundary),
        trust: policyOf(block.assume_role_policy),
        policies: policies.filter(({ role }) => role === roleName),
        functionName: functions.find((each) => resolve(each.block.role) === arn)?.name,
      };
    }),
    secrets: all("aws_secretsmanager_secret").map(([address, block]) => ({
      name: resolve(block.name),
      arn: resolve(`\${${address}.arn}`),
      policy: policyOf(block.policy),
      keyArn: optional(block.kms_key_id),
    })),
    operatorKey: {
      arn: resolve(`\${${all("data.aws_secretsmanager_secret")[0]?.[0]}.arn}`),
      keyArn: undefined,
    },
    intentTable: only(
      all("aws_dynamodb_table").map(([address, block]) => ({
        name: resolve(block.name),
        arn: resolve(`\${${address}.arn}`),
        keyArn: optional((block.server_side_encryption as Block | undefined)?.kms_key_arn),
      })),
    ),
    functions: functions.map(({ name: functionName, arn, block }) => {
      const statements = permissions
        .filter((each) => each.functionName === functionName)
        .map(({ statement }) => ({ ...statement, Resource: arn }));
      return {
        name: functionName,
        arn,
        inVpc: block.vpc_config !== undefined,
        policy: statements.length > 0 ? { Version: "2012-10-17", Statement: statements } : undefined,
      };
    }),
    logGroups: all("aws_cloudwatch_log_group").map(([address, block]) => ({
      arn: resolve(`\${${address}.arn}`),
      keyArn: optional(block.kms_key_id),
    })),
    topics: all("aws_sns_topic").map(([address, block]) => {
      const arn = resolve(`\${${address}.arn}`);
      const policy = topicPolicies.find((each) => each.arn === arn)?.policy;
      const services = policy?.Statement.map(({ Principal }) =>
        typeof Principal === "object" ? Principal.Service : undefined,
      );
      return {
        arn,
        keyArn: optional(block.kms_master_key_id),
        policy,
        publishers: (services ?? []).flat().filter((service) => service !== undefined),
      };
    }),
    key: all("aws_kms_key").map(([address, block]) => ({
      arn: resolve(`\${${address}.arn}`),
      policy: policyOf(block.policy),
    }))[0],
  };
}

/** Resources whose very point is that somebody may do something. */
const GIVES_ACCESS = /policy|permission|_iam_|grant|_acl/;
const KNOWN = /^(aws_iam_role|aws_iam_role_policy|aws_lambda_permission|aws_sns_topic_policy)\./;

function only<T>(found: readonly T[]): T {
  const [first, ...others] = found;
  if (first === undefined || others.length > 0) throw new Error(`expected one, got ${found.length}`);
  return first;
}

/** Lambda writes this statement into the function's policy. */
function permissionStatement(
  address: string,
  block: Block,
  resolve: (value: unknown) => string,
): PolicyStatement {
  const condition = {
    ...(block.source_account ? { StringEquals: { "aws:SourceAccount": resolve(block.source_account) } } : {}),
    ...(block.source_arn ? { ArnLike: { "aws:SourceArn": resolve(block.source_arn) } } : {}),
  };
  return {
    Sid: address,
    Effect: "Allow",
    Principal: { Service: resolve(block.principal) },
    Action: resolve(block.action),
    Resource: "",
    ...(Object.keys(condition).length > 0 ? { Condition: condition } : {}),
  };
}

function attributeOf(
  address: string,
  attribute: string,
  block: Block,
  region: string,
  resolve: (value: unknown) => string,
): string | undefined {
  const [type = ""] = address.replace(/^data\./, "").split(".");
  const regional = (service: string) => `arn:${PARTITION}:${service}:${region}:${ACCOUNT}`;
  const name = () => resolve(block.name ?? block.function_name);
  switch (`${type}.${attribute}`) {
    case "aws_caller_identity.account_id":
      return ACCOUNT;
    case "aws_partition.partition":
      return PARTITION;
    case "aws_secretsmanager_secret.arn":
      return `${regional("secretsmanager")}:secret:${name()}-${SUFFIX}`;
    case "aws_dynamodb_table.arn":
      return `${regional("dynamodb")}:table/${name()}`;
    case "aws_kms_key.arn":
      return `${regional("kms")}:key/11111111-2222-3333-4444-555555555555`;
    case "aws_lambda_function.arn":
      return `${regional("lambda")}:function:${name()}`;
    case "aws_cloudwatch_log_group.arn":
      return `${regional("logs")}:log-group:${name()}`;
    case "aws_sns_topic.arn":
      return `${regional("sns")}:${name()}`;
    case "aws_sfn_state_machine.arn":
      return `${regional("states")}:stateMachine:${name()}`;
    case "aws_cloudwatch_event_rule.arn":
      return `${regional("events")}:rule/${name()}`;
    case "aws_iam_role.arn":
      return `arn:${PARTITION}:iam::${ACCOUNT}:role${block.path ?? "/"}${name()}`;
    case "aws_iam_role.name":
    case "aws_dynamodb_table.name":
    case "aws_lambda_function.function_name":
    case "aws_secretsmanager_secret.name":
      return name();
    default:
      return undefined;
  }
}

/** The policy of a key that isn't made here: as AWS makes it, with everything left to its account's IAM. */
export const keyLeftToIam = (account: string): Policy => ({
  Version: "2012-10-17",
  Statement: [
    {
      Sid: "ByIam",
      Effect: "Allow",
      Principal: { AWS: `arn:aws:iam::${account}:root` },
      Action: "kms:*",
      Resource: "*",
    },
  ],
});
