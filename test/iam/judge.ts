import type { PolicyStatement } from "../../constructs";
import { isAllowed, type Request } from "./evaluate";
import { endpoint, type HostileCase } from "./hostile";
import { recordedCalls } from "./record";
import {
  furtherRequestsOf,
  kmsRequestsOf,
  lambdaRequestsOf,
  type NeededRequest,
  requestsOf,
  resourcePolicyOf,
} from "./requests";
import type { Policy, Role, StackAccess } from "./synthesised-access";

/** Whether a stack allows a request: by the policies of its role, or those given for a principal of elsewhere. */
export async function isAllowedIn(
  stack: StackAccess,
  request: Request,
  { identity = [], addedByHand = [] }: Pick<HostileCase, "identity" | "addedByHand"> = {},
): Promise<boolean> {
  const role = stack.roles.find(({ arn }) => arn === request.principal);
  const resource = resourcePolicyOf(stack, request.resource);
  return isAllowed(request, {
    identity: role ? role.policies.map(({ policy }) => policy) : identity,
    ...(resource ? { resource: { ...resource, Statement: [...resource.Statement, ...addedByHand] } } : {}),
  });
}

/** Everything that has to be allowed to a role: what code was seen to call, and what AWS calls in its name. */
export function neededBy(stack: StackAccess, role: Role): NeededRequest[] {
  const caller = callerOf(role);
  const recorded = recordedCalls()
    .filter(({ call }) => call.caller === caller && !BEFORE_ANY_STACK.includes(call.action))
    .flatMap(({ call }) => requestsOf(stack, role.arn, call))
    .filter((request) => isGranted(role, request))
    .map(
      (request): NeededRequest => ({
        ...request,
        context: {
          ...request.context,
          // People and consumers come through the endpoints, where there are such.
          ...(request.action === "secretsmanager:GetSecretValue" && role.functionName === undefined
            ? endpoint(stack)
            : {}),
        },
        because: "recorded",
      }),
    );
  return [
    ...recorded,
    ...recorded.flatMap((request) => kmsRequestsOf(stack, request)),
    ...recorded.flatMap((request) => furtherRequestsOf(stack, request)),
    ...lambdaRequestsOf(stack, role),
  ];
}

/** `operator-key set`, where there is no such secret yet: the first deploy needs it, so whoever prepares that one makes it. */
const BEFORE_ANY_STACK = ["secretsmanager:CreateSecret"];

/** A function is known by its purpose, at the end of its name. The stacks' other roles are the operator's, and readers'. */
export function callerOf({ functionName, name }: Role): string {
  if (functionName !== undefined) return String(functionName.split("-agent-key-")[1]);
  return name === "operator" ? "operator" : "reader";
}

/** Readers are granted the key of one instance. */
function isGranted(role: Role, { resource }: Request): boolean {
  return callerOf(role) !== "reader" || /\/support\/agent-key-/.test(resource);
}

/** A change to one statement of a stack's policies, by which it says less or more than before. */
export interface Change {
  readonly title: string;
  readonly stack: StackAccess;
  /** Whether a request can be judged otherwise by it. */
  concerns(request: Request): boolean;
  /** Whether it takes something away, so that something needed is denied, rather than something hostile allowed. */
  readonly forbids: boolean;
}

/** Every way to leave one thing out: an action, a resource or a condition; of a denial, the whole statement too. */
export function changesOf(stack: StackAccess): Change[] {
  const roles = stack.roles.flatMap((role) =>
    role.policies.flatMap(({ address, policy }) =>
      leaner(policy).map(({ title, forbids, policy: changed, statement }) => ({
        forbids,
        title: `${role.name}: ${title}`,
        // By itself, whatever the key's own policy says.
        stack: { ...replaced(stack, role, address, changed), key: undefined },
        concerns: (request: Request) => request.principal === role.arn && matchesAction(statement, request),
      })),
    ),
  );
  const secret = stack.secrets.find(({ name }) => name.includes("/support/"));
  const others = stack.secrets.filter((each) => each !== secret);
  const secrets = secret
    ? leaner(secret.policy).map(({ title, forbids, policy, statement }) => ({
        forbids,
        title: `policy of a secret: ${title}`,
        stack: { ...stack, secrets: [{ ...secret, policy: byItself(policy, statement) }, ...others] },
        concerns: (request: Request) => request.resource === secret.arn && matchesAction(statement, request),
      }))
    : [];
  const { key } = stack;
  const keys = key
    ? leaner(key.policy)
        .filter(({ statement }) => statement.Sid !== "AdministrationByIam")
        .map(({ title, forbids, policy, statement }) => ({
          forbids,
          title: `policy of the key: ${title}`,
          stack: { ...stack, key: { ...key, policy } },
          concerns: (request: Request) => request.resource === key.arn && matchesAction(statement, request),
        }))
    : [];
  const functions = stack.functions.flatMap((each) =>
    each.policy
      ? leaner(each.policy).map(({ title, forbids, policy, statement }) => ({
          forbids,
          title: `policy of a function: ${title}`,
          stack: {
            ...stack,
            functions: stack.functions.map((other) => (other === each ? { ...each, policy } : other)),
          },
          concerns: (request: Request) => request.resource === each.arn && matchesAction(statement, request),
        }))
      : [],
  );
  const topics = stack.topics.flatMap((each) =>
    each.policy
      ? leaner(each.policy).map(({ title, forbids, policy, statement }) => ({
          forbids,
          title: `policy of a topic: ${title}`,
          stack: {
            ...stack,
            topics: stack.topics.map((other) => (other === each ? { ...each, policy } : other)),
          },
          concerns: (request: Request) => request.resource === each.arn && matchesAction(statement, request),
        }))
      : [],
  );
  return [...roles, ...secrets, ...keys, ...functions, ...topics];
}

/** An allowance is judged whatever the denial of everybody else says. */
function byItself(policy: Policy, { Effect }: PolicyStatement): Policy {
  if (Effect === "Deny") return policy;
  return { ...policy, Statement: policy.Statement.filter(({ Sid }) => !Sid.startsWith("DenyOther")) };
}

function replaced(stack: StackAccess, role: Role, address: string, policy: Policy): StackAccess {
  const policies = role.policies.map((each) => (each.address === address ? { ...each, policy } : each));
  return { ...stack, roles: stack.roles.map((each) => (each === role ? { ...role, policies } : each)) };
}

function leaner(policy: Policy) {
  return policy.Statement.flatMap((statement, index) => {
    const without = (title: string, changed: PolicyStatement | undefined, narrows: boolean) => ({
      title: `${statement.Sid} without ${title}`,
      forbids: narrows === (statement.Effect === "Allow"),
      statement,
      policy: {
        ...policy,
        Statement: policy.Statement.flatMap((each, n) => (n === index ? (changed ? [changed] : []) : [each])),
      },
    });
    const lists = (["Action", "NotAction", "Resource"] as const).flatMap((field) => {
      const entries = [statement[field] ?? []].flat() as string[];
      return entries.map((entry) => {
        const left = entries.filter((other) => other !== entry);
        const changed = left.length > 0 ? ({ ...statement, [field]: left } as PolicyStatement) : undefined;
        return without(entry, changed, true);
      });
    });
    const conditions = Object.entries(statement.Condition ?? {}).flatMap(([operator, keys]) =>
      Object.keys(keys).map((key) => {
        const left = Object.fromEntries(Object.entries(keys).filter(([other]) => other !== key));
        const condition = { ...statement.Condition, [operator]: left };
        if (Object.keys(left).length === 0) delete condition[operator];
        const { Condition: _, ...rest } = statement;
        const changed = Object.keys(condition).length > 0 ? { ...rest, Condition: condition } : rest;
        return without(`${operator} ${key}`, changed as PolicyStatement, false);
      }),
    );
    return [...lists, ...conditions];
  });
}

/** Whether a statement is about the action of a request. */
export function matchesAction({ Action, NotAction }: PolicyStatement, { action }: Request): boolean {
  const matches = (patterns: string | readonly string[]) =>
    [patterns].flat().some((pattern) => toRegExp(pattern).test(action));
  return Action === undefined ? NotAction !== undefined : matches(Action);
}

/** A pattern of IAM: `*` for anything, `?` for one character. */
export function toRegExp(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\*/g, ".*").replace(/\?/g, ".")}$`, "i");
}
