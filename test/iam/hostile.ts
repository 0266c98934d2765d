import type { PolicyStatement } from "../../constructs";
import { AUDITOR_PARTITION } from "../../core/contract";
import type { Request } from "./evaluate";
import { OUTSIDE_ROLE, OUTSIDE_STRICT_ROLE, VPC_ENDPOINT } from "./fleet";
import { LEADING_KEYS, ROTATION_FUNCTION } from "./record";
import { rotationFunctionOf, streamOf } from "./requests";
import { ACCOUNT, OTHER_ACCOUNT, type Policy, type Role, type StackAccess } from "./synthesised-access";

/** What must be denied, and the same request but for one fact, which must be allowed. */
export interface HostileCase {
  readonly title: string;
  readonly denied: Request;
  readonly allowed: Request;
  /** Policies of a principal that isn't a role of the stack. */
  readonly identity?: readonly Policy[];
  /** Statements that somebody has added to the resource's policy by hand. */
  readonly addedByHand?: readonly PolicyStatement[];
}

const STRANGER = `arn:aws:iam::${ACCOUNT}:role/stranger`;
const OUTSIDER = `arn:aws:iam::${OTHER_ACCOUNT}:role/somebody`;
const STAGE = "secretsmanager:VersionStage";

const allowing = (Action: string | string[], more: Partial<PolicyStatement> = {}): PolicyStatement =>
  ({ Sid: "All", Effect: "Allow", Action, Resource: "*", ...more }) as PolicyStatement;
const policy = (...Statement: PolicyStatement[]): Policy => ({ Version: "2012-10-17", Statement });
/** A principal that its own account denies nothing. */
const EVERYTHING = [policy(allowing("*"))];

export function hostileCases(stack: StackAccess): HostileCase[] {
  const cases: HostileCase[] = [];
  /** One request that must be allowed, and what makes it one that must not be. */
  const twins = (
    allowed: Request,
    variants: Readonly<Record<string, Partial<Request>>>,
    more: Partial<HostileCase> = {},
  ) => {
    for (const [title, change] of Object.entries(variants)) {
      cases.push({ title, allowed, denied: { ...allowed, ...change }, ...more });
    }
  };
  const request = (
    principal: string,
    action: string,
    resource: string,
    context: Readonly<Record<string, string>> = {},
  ): Request => ({ principal, action, resource, account: ACCOUNT, context });
  const without = (context: Readonly<Record<string, string>>, key: string) =>
    Object.fromEntries(Object.entries(context).filter(([name]) => name !== key));

  const { region, intentTable, operatorKey } = stack;
  const support = stack.secrets.find(({ name }) => name.includes("/support/"));
  const other = stack.secrets.find(({ name }) => !name.includes("/support/"));
  if (!support || !other) throw new Error(`${stack.name}: expected more than one secret`);
  const functionRole = (purpose: string): Role =>
    stack.roles.find(({ functionName }) => functionName?.endsWith(`-${purpose}`)) ??
    missing(`role of ${purpose}`);
  const rotation = functionRole("rotation");
  const provisioning = functionRole("provisioning");
  const reader = stack.roles.find(({ name }) => name === "reader") ?? missing("reader");
  const strict = stack.roles.find(({ name }) => name === "strict-reader") ?? missing("strict reader");
  const rotationFunction = rotationFunctionOf(stack);
  const own = { [ROTATION_FUNCTION]: rotationFunction };
  const reading = (stage: string) => ({ [STAGE]: stage, ...endpoint(stack) });
  const [prefix = "", environment = ""] = support.name.split("/");
  const secretNamed = (name: string) => support.arn.replace(support.name, name);
  const elsewhere = {
    "another environment's secret": { resource: secretNamed(`${prefix}/elsewhere/support/agent-key`) },
    "another prefix": { resource: secretNamed(`other/${environment}/support/agent-key`) },
    "a secret beside the agent key": { resource: secretNamed(`${prefix}/${environment}/support/other`) },
    "a secret of a longer name": { resource: `${support.arn}x` },
    "another region's secret": { resource: support.arn.replace(region, "us-east-1") },
  };

  // The rotation function reaches the secrets whose function it is.
  for (const action of ["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"]) {
    twins(request(rotation.arn, `secretsmanager:${action}`, support.arn, own), {
      ...prefixed(`rotation, ${action}: `, elsewhere),
      [`rotation, ${action}: a secret without rotation`]: { context: {} },
      [`rotation, ${action}: a secret that another function rotates`]: {
        context: { [ROTATION_FUNCTION]: `${rotationFunction}-of-another` },
      },
      [`rotation, ${action}: by its own alias`]: {
        context: { [ROTATION_FUNCTION]: `${rotationFunction}:live` },
      },
      [`${action} by a stranger`]: { principal: STRANGER },
    });
  }
  twins(
    request(rotation.arn, "secretsmanager:PutSecretValue", support.arn, own),
    Object.fromEntries(
      ["DeleteSecret", "CancelRotateSecret", "RotateSecret", "PutResourcePolicy", "UpdateSecret"].map(
        (name) => [`rotation: ${name}`, { action: `secretsmanager:${name}` }],
      ),
    ),
  );

  // Provisioning writes first keys, and neither moves a label nor touches rotation.
  for (const action of ["DescribeSecret", "GetSecretValue", "PutSecretValue"]) {
    twins(
      request(provisioning.arn, `secretsmanager:${action}`, support.arn),
      prefixed(`provisioning, ${action}: `, elsewhere),
    );
  }
  twins(request(provisioning.arn, "secretsmanager:PutSecretValue", support.arn), {
    "provisioning, PutSecretValue: a secret that is rotated": { context: own },
    ...Object.fromEntries(
      ["UpdateSecretVersionStage", "CancelRotateSecret", "RotateSecret", "DeleteSecret", "UpdateSecret"].map(
        (name) => [`provisioning: ${name}`, { action: `secretsmanager:${name}` }],
      ),
    ),
  });

  // The functions that call the Control Plane read the operator's API key, and nobody else does.
  for (const role of [rotation, provisioning]) {
    twins(request(role.arn, "secretsmanager:GetSecretValue", operatorKey.arn), {
      "the operator's API key, read by a reader": { principal: reader.arn },
      "the operator's API key, read by a stranger": { principal: STRANGER },
      "the operator's API key, written by a function": { action: "secretsmanager:PutSecretValue" },
      "another secret beside the operator's API key": { resource: `${operatorKey.arn}x` },
    });
    twins(request(role.arn, "dynamodb:PutItem", intentTable.arn), {
      "intents, written by a reader": { principal: reader.arn },
      "intents, deleted": { action: "dynamodb:DeleteItem" },
      "intents, all at once": { action: "dynamodb:Scan" },
      "another table": { resource: `${intentTable.arn}-2` },
    });
    const log = `arn:aws:logs:${region}:${ACCOUNT}:log-group:/aws/lambda/${role.functionName}`;
    twins(request(role.arn, "logs:PutLogEvents", streamOf(log)), {
      "another function's log": { resource: streamOf(`${log}-2`) },
      "its own log, deleted": { action: "logs:DeleteLogStream" },
    });
  }

  // The auditor looks, and asks for rotations. It writes no value, moves no label, and no intent.
  const audit = functionRole("audit");
  for (const action of ["DescribeSecret", "GetSecretValue", "ListSecretVersionIds", "RotateSecret"]) {
    twins(request(audit.arn, `secretsmanager:${action}`, support.arn, own), {
      ...prefixed(`audit, ${action}: `, elsewhere),
      ...Object.fromEntries(
        ["PutSecretValue", "UpdateSecretVersionStage", "CancelRotateSecret", "DeleteSecret"].map((name) => [
          `audit: ${name}`,
          { action: `secretsmanager:${name}` },
        ]),
      ),
    });
  }
  twins(request(audit.arn, "secretsmanager:GetSecretValue", support.arn, { [STAGE]: "AWSCURRENT" }), {
    "audit: reads what is pending": { context: { [STAGE]: "AWSPENDING" } },
  });
  for (const action of ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]) {
    twins(request(audit.arn, action, intentTable.arn, { [LEADING_KEYS]: AUDITOR_PARTITION }), {
      [`audit, ${action}: a secret's intent`]: { context: { [LEADING_KEYS]: support.arn } },
      [`audit, ${action}: another table`]: { resource: `${intentTable.arn}-2` },
      [`audit, ${action} by a stranger`]: { principal: STRANGER },
    });
  }
  twins(request(audit.arn, "dynamodb:Scan", intentTable.arn), {
    "intents, all at once, by a stranger": { principal: STRANGER },
    "audit: another table, all at once": { resource: `${intentTable.arn}-2` },
  });
  twins(request(audit.arn, "lambda:InvokeFunction", rotationFunction), {
    "audit: calls provisioning": { resource: rotationFunction.replace(/rotation$/, "provisioning") },
    "audit: changes the rotation function": { action: "lambda:UpdateFunctionCode" },
    "a stranger calls the rotation function": { principal: STRANGER },
  });
  for (const topic of stack.topics) {
    twins(request(audit.arn, "sns:Publish", topic.arn), {
      "another topic": { resource: `${topic.arn}-2` },
      "a stranger pages": { principal: STRANGER },
      "audit: deletes the topic": { action: "sns:DeleteTopic" },
    });
    const here = { "aws:SourceAccount": ACCOUNT };
    for (const service of topic.publishers) {
      twins(
        request(service, "sns:Publish", topic.arn, here),
        {
          "alarms of another account": { context: { "aws:SourceAccount": OTHER_ACCOUNT } },
          "alarms of nobody": { context: {} },
          "another service publishes": { principal: "s3.amazonaws.com" },
        },
        { identity: [] },
      );
    }
  }

  // Operators.
  const operator = stack.roles.find(({ name }) => name === "operator") ?? missing("operator");
  for (const action of ["DescribeSecret", "GetSecretValue", "RotateSecret", "UpdateSecretVersionStage"]) {
    twins(request(operator.arn, `secretsmanager:${action}`, support.arn, { ...own, ...endpoint(stack) }), {
      ...prefixed(`an operator, ${action}: `, elsewhere),
      ...Object.fromEntries(
        ["PutSecretValue", "CancelRotateSecret", "DeleteSecret", "PutResourcePolicy"].map((name) => [
          `an operator: ${name}`,
          { action: `secretsmanager:${name}` },
        ]),
      ),
    });
  }
  twins(request(operator.arn, "secretsmanager:PutSecretValue", support.arn), {
    "an operator stores a key into a secret that is rotated": { context: own },
    ...prefixed("an operator, PutSecretValue: ", elsewhere),
  });
  for (const action of ["GetItem", "PutItem", "Query"]) {
    twins(request(operator.arn, `dynamodb:${action}`, intentTable.arn), {
      "an operator, another table": { resource: `${intentTable.arn}-2` },
      "an operator deletes history": { action: "dynamodb:DeleteItem" },
    });
  }

  // Readers.
  twins(request(reader.arn, "secretsmanager:GetSecretValue", support.arn, reading("AWSCURRENT")), {
    "a reader of one instance reads another's key": { resource: other.arn },
    "a reader reads what is pending": { context: reading("AWSPENDING") },
    "a reader moves a label": { action: "secretsmanager:UpdateSecretVersionStage" },
    "a stranger reads a key": { principal: STRANGER },
  });
  twins(request(reader.arn, "secretsmanager:GetSecretValue", support.arn, endpoint(stack)), {
    "a reader writes a value": { action: "secretsmanager:PutSecretValue" },
    "a reader deletes the secret": { action: "secretsmanager:DeleteSecret" },
  });
  for (const stage of ["AWSCURRENT", "AWSPREVIOUS"]) {
    twins(request(strict.arn, "secretsmanager:GetSecretValue", support.arn, reading(stage)), {
      "a strict reader names no label": { context: endpoint(stack) },
      "a strict reader reads what is pending": { context: reading("AWSPENDING") },
      "a strict reader reads another label": { context: reading("mine") },
    });
  }

  // Other accounts, also where somebody has added a statement that lets them.
  const publicly = { addedByHand: [allowing("secretsmanager:*", { Principal: "*" })] };
  for (const action of ["GetSecretValue", "PutSecretValue", "DeleteSecret"]) {
    twins(
      request(STRANGER, `secretsmanager:${action}`, support.arn, endpoint(stack)),
      { [`another account, let by hand: ${action}`]: { principal: OUTSIDER } },
      { identity: EVERYTHING, ...publicly },
    );
  }
  twins(
    request("logs.amazonaws.com", "secretsmanager:DescribeSecret", support.arn),
    { "another account, beside a service of AWS that is let by hand": { principal: OUTSIDER } },
    { identity: [], ...publicly },
  );
  twins(
    request("logs.amazonaws.com", "secretsmanager:GetSecretValue", support.arn),
    { "another account, beside a service of AWS that is let read by hand": { principal: OUTSIDER } },
    { identity: [], ...publicly },
  );
  const letsOutside = JSON.stringify(support.policy).includes(OUTSIDE_ROLE);
  if (letsOutside) {
    twins(
      request(OUTSIDE_ROLE, "secretsmanager:GetSecretValue", support.arn, reading("AWSCURRENT")),
      {
        "another role of the reader's account": { principal: OUTSIDER },
        "an outside reader reads what is pending": { context: reading("AWSPENDING") },
        "an outside reader reads another instance's key": { resource: other.arn },
      },
      { identity: EVERYTHING },
    );
    twins(
      request(OUTSIDE_ROLE, "secretsmanager:GetSecretValue", support.arn, endpoint(stack)),
      { "an outside reader writes": { action: "secretsmanager:PutSecretValue" } },
      { identity: EVERYTHING },
    );
    twins(
      request(OUTSIDE_STRICT_ROLE, "secretsmanager:GetSecretValue", support.arn, reading("AWSPREVIOUS")),
      {
        "an outside strict reader names no label": { context: endpoint(stack) },
        "an outside strict reader reads what is pending": { context: reading("AWSPENDING") },
      },
      { identity: EVERYTHING },
    );
    twins(
      request(STRANGER, "secretsmanager:PutSecretValue", support.arn),
      { "an outside reader, let write by hand": { principal: OUTSIDE_ROLE } },
      { identity: EVERYTHING, ...publicly },
    );
    twins(
      request(STRANGER, "secretsmanager:GetSecretValue", support.arn, reading("AWSPENDING")),
      {
        "an outside reader, let read everything by hand, reads what is pending": { principal: OUTSIDE_ROLE },
      },
      { identity: EVERYTHING, ...publicly },
    );
  }

  // Where reads are tied to VPC endpoints.
  if (endpoint(stack)["aws:SourceVpce"]) {
    const read = request(reader.arn, "secretsmanager:GetSecretValue", support.arn, reading("AWSCURRENT"));
    twins(read, {
      "a read from the internet": { context: without(read.context, "aws:SourceVpce") },
      "a read through another endpoint": { context: { ...read.context, "aws:SourceVpce": "vpce-2" } },
    });
    for (const { arn } of [rotation, provisioning]) {
      twins(request(arn, "secretsmanager:GetSecretValue", support.arn, own), {
        "a read from the internet by a role that is no function's": { principal: STRANGER },
      });
    }
    twins(
      request(rotation.arn, "secretsmanager:GetSecretValue", support.arn, own),
      { "a role of a function's name under another path": { principal: `arn:aws:iam::${ACCOUNT}:role/x/y` } },
      { identity: [policy(allowing("secretsmanager:*"))] },
    );
  }

  // The key: through one service, for one thing.
  const keyArn = support.keyArn;
  if (keyArn) {
    const via = (service: string) => ({ "kms:ViaService": `${service}.${region}.amazonaws.com` });
    const forSecret = (arn: string) => ({ "kms:EncryptionContext:SecretARN": arn });
    const forTable = (name: string) => ({ "kms:EncryptionContext:aws:dynamodb:tableName": name });
    const foreign = forSecret(secretNamed(`${prefix}/elsewhere/support/agent-key`));
    for (const role of [rotation, provisioning]) {
      for (const action of ["kms:Decrypt", "kms:GenerateDataKey"]) {
        const context = { ...via("secretsmanager"), ...forSecret(support.arn) };
        twins(request(role.arn, action, keyArn, context), {
          [`${action} by code itself`]: { context: forSecret(support.arn) },
          [`${action} through another service`]: { context: { ...context, ...via("s3") } },
          [`${action} for another environment's secret`]: { context: { ...context, ...foreign } },
          [`${action} for nothing that is named`]: { context: via("secretsmanager") },
          [`${action} with another key`]: { resource: keyArn.replace(/.$/, "0") },
          [`${action} by a stranger`]: { principal: STRANGER },
          "another use of the key": { action: "kms:ReEncryptFrom" },
        });
      }
      const context = { ...via("dynamodb"), ...forTable(intentTable.name) };
      twins(request(role.arn, "kms:Decrypt", keyArn, context), {
        "the intent table's key, by code itself": { context: forTable(intentTable.name) },
        "the intent table's key, for another table": { context: { ...context, ...forTable("other") } },
        "the intent table's key, through another service": { context: { ...context, ...via("s3") } },
      });
    }
    const read = { ...via("secretsmanager"), ...forSecret(support.arn) };
    for (const action of ["kms:Decrypt", "kms:GenerateDataKey"]) {
      twins(request(operator.arn, action, keyArn, read), {
        [`an operator, ${action} by hand`]: { context: forSecret(support.arn) },
        [`an operator, ${action} for another environment`]: { context: { ...read, ...foreign } },
        [`an operator, ${action} through another service`]: { context: { ...read, ...via("s3") } },
      });
    }
    twins(request(audit.arn, "kms:Decrypt", keyArn, read), {
      "audit: decrypts by itself": { context: forSecret(support.arn) },
      "audit: decrypts for another environment": { context: { ...read, ...foreign } },
    });
    for (const { arn } of [audit, operator]) {
      const context = { ...via("dynamodb"), ...forTable(intentTable.name) };
      twins(request(arn, "kms:Decrypt", keyArn, context), {
        "the intent table's key, by hand": { context: forTable(intentTable.name) },
        "the intent table's key, for another table": { context: { ...context, ...forTable("other") } },
      });
    }
    if (stack.logGroups[0]?.keyArn) {
      twins(request(operator.arn, "kms:Decrypt", stack.logGroups[0].keyArn, via("lambda")), {
        "an operator decrypts a function's environment by hand": { context: {} },
        "an operator decrypts it through another service": { context: via("s3") },
      });
    }
    for (const topic of stack.topics.filter((each) => each.keyArn !== undefined)) {
      const named = (arn: string) => ({ "kms:EncryptionContext:aws:sns:topicArn": arn });
      const context = { ...via("sns"), ...named(topic.arn) };
      for (const action of ["kms:Decrypt", "kms:GenerateDataKey"]) {
        for (const who of [audit.arn, STRANGER]) {
          twins(
            request(who, action, String(topic.keyArn), context),
            {
              [`${action} for a page, by hand`]: { context: named(topic.arn) },
              [`${action} for another topic`]: { context: { ...context, ...named(`${topic.arn}-2`) } },
              [`${action} for a page, through another service`]: { context: { ...context, ...via("s3") } },
            },
            { identity: EVERYTHING },
          );
        }
        for (const service of topic.publishers) {
          twins(
            request(service, action, String(topic.keyArn), { "aws:SourceAccount": ACCOUNT }),
            {
              [`${action} for another account's alarm`]: { context: { "aws:SourceAccount": OTHER_ACCOUNT } },
              [`${action} for another service's page`]: { principal: "s3.amazonaws.com" },
            },
            { identity: [] },
          );
        }
      }
    }
    for (const { arn } of [reader, strict]) {
      twins(request(arn, "kms:Decrypt", keyArn, read), {
        "a reader decrypts another instance's key": { context: { ...read, ...forSecret(other.arn) } },
        "a reader decrypts by itself": { context: forSecret(support.arn) },
        "a reader encrypts": { action: "kms:GenerateDataKey" },
      });
    }
    if (stack.key) {
      twins(
        request(STRANGER, "kms:Decrypt", keyArn, read),
        {
          "an administrator decrypts a key by hand": { context: forSecret(support.arn) },
          "an administrator decrypts for another environment": { context: { ...read, ...foreign } },
        },
        { identity: EVERYTHING },
      );
      const table = { ...via("dynamodb"), ...forTable(intentTable.name) };
      twins(
        request(STRANGER, "kms:Decrypt", keyArn, table),
        {
          "an administrator decrypts the intent table by hand": { context: forTable(intentTable.name) },
          "an administrator decrypts another table": { context: { ...table, ...forTable("other") } },
        },
        { identity: EVERYTHING },
      );
      const grant = { ...via("dynamodb"), "kms:GrantIsForAWSResource": "true" };
      twins(
        request(STRANGER, "kms:CreateGrant", keyArn, grant),
        {
          "a grant to somebody": { context: { ...grant, "kms:GrantIsForAWSResource": "false" } },
          "a grant through another service": { context: { ...grant, ...via("s3") } },
        },
        { identity: EVERYTHING },
      );
      twins(
        request(STRANGER, "kms:Encrypt", keyArn, via("lambda")),
        { "an administrator encrypts by hand": { context: {} } },
        { identity: EVERYTHING },
      );
      const log = (name: string) => ({
        "kms:EncryptionContext:aws:logs:arn": `arn:aws:logs:${region}:${ACCOUNT}:log-group:/aws/lambda/${name}`,
      });
      for (const { name } of stack.functions) {
        twins(
          request(`logs.${region}.amazonaws.com`, "kms:GenerateDataKey", keyArn, log(name)),
          {
            "CloudWatch Logs, for another log group": { context: log("other") },
            "another service, for a log group": { principal: "s3.amazonaws.com" },
          },
          { identity: [] },
        );
      }
      for (const outside of letsOutside ? [OUTSIDE_ROLE, OUTSIDE_STRICT_ROLE] : []) {
        twins(
          request(outside, "kms:Decrypt", keyArn, read),
          {
            "an outside reader decrypts through another service": { context: { ...read, ...via("s3") } },
            "another role of the reader's account decrypts": { principal: OUTSIDER },
            "an outside reader decrypts another instance's key": {
              context: { ...read, ...forSecret(other.arn) },
            },
            "an outside reader decrypts by hand": { context: forSecret(support.arn) },
            "an outside reader encrypts": { action: "kms:GenerateDataKey" },
          },
          { identity: EVERYTHING },
        );
      }
    }
  }

  if (operatorKey.keyArn) {
    const via = (service: string) => ({ "kms:ViaService": `${service}.${region}.amazonaws.com` });
    const named = (arn: string) => ({ "kms:EncryptionContext:SecretARN": arn });
    for (const role of [rotation, provisioning, audit, operator]) {
      const context = { ...via("secretsmanager"), ...named(operatorKey.arn) };
      twins(request(role.arn, "kms:Decrypt", operatorKey.keyArn, context), {
        "the operator's API key's key, by code itself": { context: named(operatorKey.arn) },
        "the operator's API key's key, through another service": { context: { ...context, ...via("s3") } },
        "the operator's API key's key, for another secret": {
          context: { ...context, ...named(`${operatorKey.arn}x`) },
        },
      });
    }
  }

  // The functions are called by whom they are for.
  const fromAccount = (account: string) => ({ "aws:SourceAccount": account });
  const byName = (purpose: string) =>
    stack.functions.find(({ name }) => name.endsWith(`-${purpose}`)) ?? missing(purpose);
  twins(
    request(
      "secretsmanager.amazonaws.com",
      "lambda:InvokeFunction",
      byName("rotation").arn,
      fromAccount(ACCOUNT),
    ),
    {
      "Secrets Manager, for another account": { context: fromAccount(OTHER_ACCOUNT) },
      "Secrets Manager, for nobody": { context: {} },
      "another service calls the rotation function": { principal: "s3.amazonaws.com" },
      "Secrets Manager calls provisioning": { resource: byName("provisioning").arn },
      "Secrets Manager changes the function": { action: "lambda:UpdateFunctionCode" },
    },
    { identity: [] },
  );
  const rule = (name: string) => ({ "aws:SourceArn": `arn:aws:events:${region}:${ACCOUNT}:rule/${name}` });
  const { name: auditor, arn: auditorArn } = byName("audit");
  twins(
    request("events.amazonaws.com", "lambda:InvokeFunction", auditorArn, rule(auditor)),
    {
      "another rule starts the auditor": { context: rule("other") },
      "EventBridge starts the auditor for nobody": { context: {} },
      "EventBridge starts the rotation function": { resource: rotationFunction },
      "another service starts the auditor": { principal: "s3.amazonaws.com" },
    },
    { identity: [] },
  );
  for (const { arn, name } of stack.functions) {
    const caller = `arn:aws:iam::${ACCOUNT}:role/deployer`;
    const invoke = policy(allowing("lambda:InvokeFunction", { Resource: arn } as Partial<PolicyStatement>));
    twins(
      request(caller, "lambda:InvokeFunction", arn),
      { [`${name}: called from another account`]: { principal: OUTSIDER } },
      { identity: [invoke] },
    );
  }
  for (const { arn, functionName, name: roleName } of stack.roles) {
    cases.push(
      ...stack.functions
        // The auditor and operators have it rotate and test itself.
        .filter(({ name }) => !(mayAsk(functionName, roleName) && name.endsWith("-rotation")))
        .filter(({ name }) => name !== functionName)
        .map(({ arn: resource, name }) => ({
          title: `${name}: called by a role of the stack`,
          denied: request(arn, "lambda:InvokeFunction", resource),
          allowed: request(`arn:aws:iam::${ACCOUNT}:role/deployer`, "lambda:InvokeFunction", resource),
          identity: [policy(allowing("lambda:InvokeFunction"))],
        })),
    );
  }

  // In a VPC, the function's code has no use of the network interfaces that Lambda keeps for it.
  for (const role of [rotation, provisioning, audit]) {
    const lambda = stack.functions.find(({ name }) => name === role.functionName);
    if (!lambda?.inVpc) continue;
    for (const [action, resource] of [
      ["ec2:AssignPrivateIpAddresses", "network-interface/eni-1"],
      ["ec2:CreateNetworkInterface", "subnet/subnet-1"],
      ["ec2:DeleteNetworkInterface", "network-interface/eni-1"],
      ["ec2:DescribeNetworkInterfaces", "*"],
      ["ec2:DescribeSubnets", "*"],
      ["ec2:UnassignPrivateIpAddresses", "network-interface/eni-1"],
    ] as const) {
      const arn = resource === "*" ? "*" : `arn:aws:ec2:${region}:${ACCOUNT}:${resource}`;
      twins(request(role.arn, action, arn), {
        [`${action} by the function's code`]: { context: { "lambda:SourceFunctionArn": lambda.arn } },
      });
    }
  }
  return cases;
}

/** Where reads are tied to VPC endpoints, what a read carries that comes through one. */
export function endpoint(stack: StackAccess): Readonly<Record<string, string>> {
  return JSON.stringify(stack.secrets[0]?.policy).includes(VPC_ENDPOINT)
    ? { "aws:SourceVpce": VPC_ENDPOINT }
    : {};
}

function mayAsk(functionName: string | undefined, roleName: string): boolean {
  return functionName?.endsWith("-audit") === true || roleName === "operator";
}

function prefixed<Value>(prefix: string, byTitle: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(byTitle).map(([title, value]) => [prefix + title, value]));
}

function missing(what: string): never {
  throw new Error(`the stack has no ${what}`);
}
