import { runSimulation } from "@cloud-copilot/iam-simulate";
import type { Policy } from "./synthesised-access";

/** One request, as IAM sees it. */
export interface Request {
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  /** The account that the resource belongs to. */
  readonly account: string;
  readonly context: Readonly<Record<string, string>>;
}

export interface Policies {
  /** Of the principal. */
  readonly identity: readonly Policy[];
  /** Of the resource: the secret's, the key's, the function's. */
  readonly resource?: Policy | undefined;
}

/** The evaluator was asked something that it would not have judged in full. */
export class VacuousError extends Error {
  override readonly name = "VacuousError";
}

/**
 * Whether IAM allows a request. Throws a `VacuousError` where the evaluator left a condition key out of account: a denial
 * would then be worth nothing.
 */
export async function isAllowed(request: Request, { identity, resource }: Policies): Promise<boolean> {
  const outcome = await runSimulation(
    {
      request: {
        principal: request.principal,
        action: request.action,
        resource: { resource: request.resource, accountId: request.account },
        contextVariables: contextOf(request),
      },
      identityPolicies: identity.map((policy, n) => ({ name: String(n), policy: renamed(policy) })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(resource ? { resourcePolicy: renamed(resource) } : {}),
    },
    {},
  );
  if (outcome.resultType !== "single") {
    throw new VacuousError(`${request.action} on ${request.resource}: ${JSON.stringify(outcome)}`);
  }
  const { ignoredContextKeys = [] } = outcome.result;
  if (ignoredContextKeys.length > 0) {
    throw new VacuousError(
      `${request.action} on ${request.resource}: not judged by ${ignoredContextKeys.join(", ")}`,
    );
  }
  return outcome.overallResult === "Allowed";
}

/** Keys that hold a list, however many there are in it. */
const LISTS = ["dynamodb:LeadingKeys"];

function contextOf({ principal, context }: Request): Record<string, string | string[]> {
  const values = Object.entries({ ...principalKeys(principal), ...context }).map(([key, value]) => [
    key,
    LISTS.includes(key) ? [value] : value,
  ]);
  return renamedKeys<string | string[]>(Object.fromEntries(values));
}

/** What IAM adds to every request. */
function principalKeys(principal: string): Record<string, string> {
  const isService = /^[\w.-]+\.amazonaws\.com$/.test(principal);
  if (isService) return { "aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": principal };
  const account = /^arn:[^:]*:[^:]*:[^:]*:(\d{12}):/.exec(principal)?.[1] ?? "";
  return {
    "aws:PrincipalIsAWSService": "false",
    "aws:PrincipalAccount": account,
    "aws:PrincipalArn": principal,
  };
}

/**
 * Condition keys that the evaluator doesn't know, or leaves out, take the name of a tag of the principal, in policies and
 * requests alike: they are then judged by the same operators.
 */
const UNKNOWN_TO_EVALUATOR = /^(kms:EncryptionContext:|lambda:SourceFunctionArn$)/;

function renamedKey(key: string): string {
  return UNKNOWN_TO_EVALUATOR.test(key) ? `aws:PrincipalTag/${key.replace(/[^A-Za-z]/g, "-")}` : key;
}

function renamedKeys<Value>(byKey: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(byKey).map(([key, value]) => [renamedKey(key), value]));
}

function renamed(policy: Policy): Policy {
  return {
    ...policy,
    Statement: policy.Statement.map((statement) =>
      statement.Condition
        ? {
            ...statement,
            Condition: Object.fromEntries(
              Object.entries(statement.Condition).map(([operator, keys]) => [operator, renamedKeys(keys)]),
            ),
          }
        : statement,
    ),
  };
}
