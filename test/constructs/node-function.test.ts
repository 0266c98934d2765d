import * as path from "node:path";
import { type AgentKeysSettings, NodeFunction, resolveSettings } from "../../constructs";
import { bundles, leastSettings, Synthesised, stack } from "../helpers/synth";

const location = { partition: "aws", region: "eu-central-1", accountId: "123456789012" };
const readTable = {
  Sid: "Read",
  Effect: "Allow",
  Action: "dynamodb:GetItem",
  Resource: "table-arn",
} as const;

function make(changes: Partial<AgentKeysSettings> = {}, bundle = bundles.rotation) {
  const scope = stack();
  new NodeFunction(scope, "f", {
    functionName: "valmi-dev-f",
    description: "Does things",
    bundle,
    timeoutSeconds: 30,
    access: [
      { environment: { TABLE: "t" }, statements: [readTable] },
      { environment: { URL: "u" }, statements: [] },
    ],
    location,
    settings: resolveSettings({ ...leastSettings, ...changes }),
  });
  return new Synthesised(scope);
}

test("with the least props: a function from the bundle, outside of any VPC", () => {
  const synthesised = make();
  const { filename, ...lambda } = synthesised.one("aws_lambda_function");
  expect(lambda).toEqual({
    function_name: "valmi-dev-f",
    description: "Does things",
    role: expect.stringMatching(/^\${aws_iam_role\.f_role_\w+\.arn}$/),
    runtime: "nodejs22.x",
    architectures: ["arm64"],
    handler: "index.handler",
    memory_size: 256,
    timeout: 30,
    source_code_hash: `\${filebase64sha256("${filename}")}`,
    environment: { variables: { POWERTOOLS_SERVICE_NAME: "valmi-dev-f", TABLE: "t", URL: "u" } },
    tags: {},
    depends_on: [
      expect.stringMatching(/^aws_iam_role_policy\.f_policy_/),
      expect.stringMatching(/^aws_cloudwatch_log_group\.f_log-group_/),
    ],
  });
  // Relative to the stack's folder, so that it is the same on every machine.
  expect(filename).toMatch(/^assets\/f_code_\w+\/[0-9A-F]{32}\/rotation\.zip$/);
  expect(synthesised.one("aws_cloudwatch_log_group")).toEqual({
    name: "/aws/lambda/valmi-dev-f",
    retention_in_days: 365,
    tags: {},
  });
  expect(synthesised.one("aws_iam_role")).toMatchObject({ name: "valmi-dev-f", path: "/" });
  expect(synthesised.one("aws_iam_role")).not.toHaveProperty("permissions_boundary");
  expect(synthesised.addresses()).toHaveLength(4);
});

test("may do what it is given, and write to its own log group", () => {
  expect(make().statements("aws_iam_role_policy")).toEqual([
    readTable,
    {
      Sid: "WriteLog",
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/valmi-dev-f:*",
    },
  ]);
  expect(JSON.parse(String(make().one("aws_iam_role").assume_role_policy)).Statement).toEqual([
    { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
  ]);
});

test("with all props: boundary, path, tags, runtime, architecture and retention reach where they belong", () => {
  const synthesised = make({
    permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/boundary",
    iamPath: "/agents/",
    tags: { team: "agents" },
    functions: { runtime: "nodejs24.x", architecture: "x86_64", logRetentionDays: 30 },
  });
  expect(synthesised.one("aws_iam_role")).toMatchObject({
    path: "/agents/",
    permissions_boundary: "arn:aws:iam::123456789012:policy/boundary",
    tags: { team: "agents" },
  });
  expect(synthesised.one("aws_lambda_function")).toMatchObject({
    runtime: "nodejs24.x",
    architectures: ["x86_64"],
    tags: { team: "agents" },
  });
  expect(synthesised.one("aws_cloudwatch_log_group")).toMatchObject({
    retention_in_days: 30,
    tags: { team: "agents" },
  });
});

test("in a VPC: Lambda may keep network interfaces for it, its own code may not", () => {
  const synthesised = make({ vpc: { subnetIds: ["subnet-1", "subnet-2"], securityGroupIds: ["sg-1"] } });
  expect(synthesised.one("aws_lambda_function").vpc_config).toEqual({
    subnet_ids: ["subnet-1", "subnet-2"],
    security_group_ids: ["sg-1"],
  });
  const [, , allowed, denied] = synthesised.statements("aws_iam_role_policy");
  expect(allowed).toMatchObject({
    Effect: "Allow",
    Resource: "*",
    Action: expect.arrayContaining(["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"]),
  });
  expect(denied).toEqual({
    ...allowed,
    Sid: "NetworkInterfacesNotByCode",
    Effect: "Deny",
    Condition: {
      ArnEquals: {
        "lambda:SourceFunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:valmi-dev-f",
      },
    },
  });
});

test.each([
  ["a missing bundle", path.join(__dirname, "no-such.zip")],
  ["a folder", __dirname],
])("refuses %s, with the way to make a bundle", (_, bundle) => {
  expect(() => make({}, bundle)).toThrow(/no function bundle at \/.*: .*npm run build.*`bundles`/);
});

test("an environment that Lambda would refuse is refused at synth, by what makes it long", () => {
  const withVariable = (length: number) =>
    new NodeFunction(stack(), "f", {
      functionName: "valmi-dev-f",
      description: "Does things",
      bundle: bundles.rotation,
      timeoutSeconds: 30,
      access: [{ environment: { LONG: "x".repeat(length) }, statements: [] }],
      location,
      settings: resolveSettings(leastSettings),
    });
  const others = "LONG".length + "POWERTOOLS_SERVICE_NAME".length + "valmi-dev-f".length;
  expect(() => withVariable(4_096 - others)).not.toThrow();
  expect(() => withVariable(4_097 - others)).toThrow(
    "The environment of the function valmi-dev-f has about 4097 bytes, and Lambda allows 4096: shorten `controlPlane.caCertificate`",
  );
});
