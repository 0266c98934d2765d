import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { TerraformStack } from "cdktf";
import { AgentKeysStack, type Environment } from "../../constructs";
import { AWS_PROVIDER_VERSIONS } from "../../core/contract";
import { environments } from "../../environments";
import { supportService } from "../../examples/ecs-service";
import { supportPod } from "../../examples/kubernetes";
import { supportFunction } from "../../examples/lambda-function";
import { openToAgents, supportServiceElsewhere } from "../../examples/other-account";
import { LOCAL_CREDENTIALS, withoutAws } from "../../local/emulator";
import { terraformCliConfig } from "../../local/toolchain/aws-provider";
import { findToolchain } from "../../proofs/harness/local-deployment";
import { app, bundles } from "../helpers/synth";

/*
 * Terraform and the AWS provider judge every stack as it is synthesised: names, types and values of all arguments.
 */

const run = promisify(execFile);

/** Where nobody listens. */
const NOBODY = "http://127.0.0.1:1";

const EVERY_OPTION: Omit<Environment, "name" | "region" | "agentInstances"> = {
  accountId: "123456789012",
  assumeRole: { roleArn: "arn:aws:iam::123456789012:role/deploy", externalId: "valmi" },
  backend: {
    bucket: "state",
    key: "keys.tfstate",
    region: "eu-west-1",
    roleArn: "arn:aws:iam::123456789012:role/state",
  },
  controlPlane: {
    url: "https://valmi.internal.example.com/api/v1",
    auth: "bearer",
    apiKeySecretName: "operator-api-key",
    apiKeyKmsKeyArn: "arn:aws:kms:eu-central-1:123456789012:key/11111111-1111-1111-1111-111111111111",
    gracePeriodHours: 48,
  },
  rotation: { automaticallyAfterDays: 30, windowHours: 4 },
  removal: "deactivate",
  recoveryWindowDays: 7,
  tags: { team: "agents" },
  namePrefix: "agents",
  permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/boundary",
  iamPath: "/agents/",
  kms: {
    keyArn: "arn:aws:kms:eu-central-1:123456789012:key/22222222-2222-2222-2222-222222222222",
    encryptsFunctions: true,
  },
  readThroughVpcEndpoints: ["vpce-0a1b2c3d"],
  vpc: { subnetIds: ["subnet-1", "subnet-2"], securityGroupIds: ["sg-1"] },
  functions: { runtime: "nodejs20.x", architecture: "x86_64", logRetentionDays: 30 },
};

const ADOPTED = { id: "adopted", adopt: { agentInstanceId: "ai_1", existingKey: "provided" } } as const;

const cases: [string, Environment][] = [
  ...environments.flatMap((environment): [string, Environment][] => [
    [environment.name, environment],
    [
      `${environment.name} with every option`,
      { ...environment, ...EVERY_OPTION, agentInstances: [...environment.agentInstances, ADOPTED] },
    ],
  ]),
  ...environments
    .slice(0, 1)
    .map((environment): [string, Environment] => [
      `${environment.name} without rotation, with a key of its own`,
      { ...environment, rotation: "off", kms: "managed-per-environment" },
    ]),
];

let terraform: (folder: string, ...args: string[]) => Promise<{ stdout: string; stderr: string }>;

beforeAll(async () => {
  const { terraform: program, awsProvider } = await findToolchain();
  const configFile = join(app().outdir, "terraform.rc");
  await writeFile(configFile, terraformCliConfig(awsProvider));
  const env = {
    ...withoutAws(process.env),
    ...LOCAL_CREDENTIALS,
    AWS_ENDPOINT_URL: NOBODY,
    AWS_MAX_ATTEMPTS: "1",
    TF_CLI_CONFIG_FILE: configFile,
    CHECKPOINT_DISABLE: "1",
  };
  // A refusal is an answer as well.
  terraform = (cwd, ...args) => run(program.path, args, { cwd, env }).catch((refusal) => refusal);
});

async function errorsIn(folder: string): Promise<object[]> {
  await terraform(folder, "init", "-backend=false", "-input=false", "-no-color");
  const { diagnostics } = JSON.parse((await terraform(folder, "validate", "-json")).stdout);
  return diagnostics.filter(({ severity }: { severity: string }) => severity === "error");
}

test("the agents of the examples, beside an environment and in an account of their own", async () => {
  const own = app();
  const [dev] = environments;
  if (dev === undefined) throw new Error("environments.ts is empty");
  const beside = new AgentKeysStack(own, "beside", {
    environment: { ...dev, kms: "managed-per-environment" },
    bundles,
  });
  supportService(beside, "image", ["subnet-1"]);
  supportFunction(beside, bundles.rotation);
  supportPod(beside, "arn:aws:iam::222222222222:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABCDEF");
  openToAgents(beside);
  const elsewhere = new TerraformStack(own, "elsewhere");
  new AwsProvider(elsewhere, "aws", { region: "eu-central-1" });
  elsewhere.addOverride("terraform.required_providers.aws.version", AWS_PROVIDER_VERSIONS);
  supportServiceElsewhere(elsewhere, "arn:aws:sns:eu-central-1:222222222222:alarms");
  own.synth();

  for (const name of ["beside", "elsewhere"]) {
    expect(await errorsIn(join(own.outdir, "stacks", name))).toEqual([]);
  }
});

test.each(cases)("stack of %s", async (name, environment) => {
  const own = app();
  const id = name.replaceAll(/\W+/g, "-");
  new AgentKeysStack(own, id, { environment, bundles });
  own.synth();
  const folder = join(own.outdir, "stacks", id);
  expect(await errorsIn(folder)).toEqual([]);

  if (environment.backend) {
    // `validate` leaves the backend out. Terraform checks its arguments before it calls anybody.
    const { stderr } = await terraform(folder, "init", "-input=false", "-no-color");
    expect(stderr).toMatch(/connection\s+refused/);
  }
});
