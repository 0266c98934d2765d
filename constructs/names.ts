import { FUNCTION_PURPOSES, functionName, SECRET_NAME_END } from "../core/contract";

/**
 * Every name that is made, from the prefix, the environment and the id alone. They are pinned by tests: a changed
 * function name makes Terraform delete and create every agent instance, a changed secret name loses a live key.
 */

/** The name of a function is its role's, too. */
export { functionName };

/** What the names of an environment are made of. */
export interface EnvironmentName {
  readonly namePrefix: string;
  readonly name: string;
}

/** Lambda's limit for the name of a function, and IAM's for that of a role. */
export const MAX_FUNCTION_NAME_LENGTH = 64;

/** The names of all functions of an environment. */
export function functionNames(environment: EnvironmentName): string[] {
  return FUNCTION_PURPOSES.map((purpose) => functionName(environment, purpose));
}

export function intentTableName({ namePrefix, name }: EnvironmentName): string {
  return `${namePrefix}-${name}-agent-key-intents`;
}

/** Of the topic, an alarm, a rule or the dashboard. */
export function alertName({ namePrefix, name }: EnvironmentName, what: string): string {
  return `${namePrefix}-${name}-agent-key-${what}`;
}

export function keyAlias({ namePrefix, name }: EnvironmentName): string {
  return `alias/${namePrefix}-${name}-agent-keys`;
}

/** What the names of an environment's agent key secrets begin and end with, around the id. */
export function agentKeySecretNameParts({ namePrefix, name }: EnvironmentName): {
  start: string;
  end: string;
} {
  return { start: `${namePrefix}/${name}/`, end: SECRET_NAME_END };
}

export function agentKeySecretName(environment: EnvironmentName, id: string): string {
  const { start, end } = agentKeySecretNameParts(environment);
  return `${start}${id}${end}`;
}

/** Account, region and partition of an environment, for ARNs of things that are named here. */
export interface AwsLocation {
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
}

/** Matches the secrets of the environment's agent keys, and nothing else: Secrets Manager adds six characters. */
export function agentKeySecretArns(
  { partition, region, accountId }: AwsLocation,
  environment: EnvironmentName,
): string {
  return agentKeySecretArn({ partition, region, accountId }, environment, "*");
}

/** Matches the secret of one agent key. */
export function agentKeySecretArn(
  { partition, region, accountId }: AwsLocation,
  environment: EnvironmentName,
  id: string,
): string {
  const name = agentKeySecretName(environment, id);
  return `arn:${partition}:secretsmanager:${region}:${accountId}:secret:${name}-??????`;
}

export function functionArn({ partition, region, accountId }: AwsLocation, name: string): string {
  return `arn:${partition}:lambda:${region}:${accountId}:function:${name}`;
}

export function logGroupArn({ partition, region, accountId }: AwsLocation, name: string): string {
  return `arn:${partition}:logs:${region}:${accountId}:log-group:${name}`;
}

/** @param path IAM path, such as `/agents/` */
export function roleArn({ partition, accountId }: AwsLocation, path: string, name: string): string {
  return `arn:${partition}:iam::${accountId}:role${path}${name}`;
}

export function partitionOf(region: string): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}
