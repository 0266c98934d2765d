import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { AgentKeysStack } from "../../constructs";
import { supportService } from "../../examples/ecs-service";
import { supportPod } from "../../examples/kubernetes";
import { supportFunction } from "../../examples/lambda-function";
import { openToAgents, supportServiceElsewhere } from "../../examples/other-account";
import { supportRunner } from "../../examples/runner";
import { app, bundles, environment, Synthesised, stack } from "../helpers/synth";

const ROOT = path.join(__dirname, "../..");
const page = readFileSync(path.join(ROOT, "docs/consumers.md"), "utf8");

function example(info: string): string {
  const [, text] = new RegExp(`\`\`\`${info}\\n([^]*?)\`\`\``).exec(page) ?? [];
  return String(text);
}

function synthesise(use: (stack: AgentKeysStack) => void): Synthesised {
  const settings = environment({ kms: "managed-per-environment" });
  const own = new AgentKeysStack(app(), "dev", { environment: settings, bundles });
  use(own);
  return new Synthesised(own);
}

test.each(["runner", "ecs-service", "lambda-function", "kubernetes", "other-account"])(
  "the example %s of the page is the one that is run",
  (name) => {
    const file = readFileSync(path.join(ROOT, "examples", `${name}.ts`), "utf8");
    expect(example(`ts ${name}`)).toBe(file.replace('"../constructs"', '"valmi-agent-keys"'));
  },
);

test("ECS: the container gets the key by the ARN of its secret, and starts with the permission", () => {
  const synthesised = synthesise((own) => supportService(own, "image", ["subnet-1"]));
  const task = synthesised.one("aws_ecs_task_definition");
  const [container] = JSON.parse(String(task.container_definitions));
  expect(container.secrets).toEqual(
    ["VALMI_AGENT_KEY", "VALUE_AGENT_SECRET"].map((name) => ({
      name,
      valueFrom: expect.stringMatching(/aws_secretsmanager_secret\.[^:]+:VALMI_AGENT_KEY::$/),
    })),
  );
  const service = synthesised.addresses().find((address) => address.startsWith("aws_ecs_service."));
  const needs = [...synthesised.needs(String(service))];
  for (const type of ["aws_lambda_invocation", "aws_iam_role_policy", "aws_secretsmanager_secret"]) {
    expect(needs).toContainEqual(expect.stringMatching(new RegExp(`^${type}\\.`)));
  }
  expect(synthesised.all("aws_cloudwatch_event_target").map(({ input }) => input)).toContain(
    '{"cluster":"agents","service":"support"}',
  );
});

test("the runner: its command names the secret and the queue", () => {
  const synthesised = synthesise(supportRunner);
  const outputs = synthesised.configuration.output as unknown as Record<string, { value: string }>;
  expect(outputs["support-command"]?.value).toMatch(
    /^node_modules\/\.bin\/valmi-agent-keys exec --secret \$\{aws_secretsmanager_secret\..+\.arn\} --events \$\{aws_sqs_queue\..+\.url\} -- node agent\.js$/,
  );
  expect(synthesised.all("aws_cloudwatch_event_permission")).toEqual([]);
});

test("Lambda: the function's environment holds the secret's ARN alone", () => {
  const synthesised = synthesise((own) => supportFunction(own, bundles.rotation));
  const functions = synthesised.all("aws_lambda_function") as {
    function_name: string;
    environment: object;
  }[];
  expect(functions.find(({ function_name }) => function_name === "support")?.environment).toEqual({
    variables: { VALMI_AGENT_KEY_SECRET_ARN: expect.stringContaining("aws_secretsmanager_secret") },
  });
});

test("Kubernetes: the manifest and the annotation are outputs, the latter as on the page", () => {
  const provider = "arn:aws:iam::222222222222:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABCDEF";
  const { configuration } = synthesise((own) => supportPod(own, provider));
  const outputs = configuration.output as unknown as Record<string, { value: unknown }>;
  expect(outputs["support-manifest"]?.value).toMatch(/^kind: ExternalSecret$/m);
  const { metadata, spec } = parse(example("yaml"));
  expect(metadata.annotations).toEqual(outputs["support-annotations"]?.value);
  expect(spec.template.spec.containers[0].envFrom).toEqual([{ secretRef: { name: "support" } }]);
});

test("another account: the secret admits the role, and the constructs there take the ARN", () => {
  const synthesised = synthesise(openToAgents);
  const policy = String(synthesised.one("aws_secretsmanager_secret").policy);
  expect(policy).toContain("arn:aws:iam::222222222222:role/support-execution");
  const elsewhere = stack();
  expect(supportServiceElsewhere(elsewhere, "topic-arn").secrets[0]?.valueFrom).toMatch(
    /^arn:aws:secretsmanager:eu-central-1:111111111111:/,
  );
  expect(new Synthesised(elsewhere).one("aws_cloudwatch_event_permission")).toMatchObject({
    principal: "111111111111",
  });
});
