import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { RotateSecretCommand } from "@aws-sdk/client-secrets-manager";
import { DAY } from "../../local/clock";
import type { LocalRun } from "../../local/local-run";
import { startFront } from "../../proofs/harness/front";
import { endChildrenOnSignal, findToolchain, startRun } from "../../proofs/harness/local-deployment";
import { type Apply, Terraform, THIS_RELEASE } from "../../proofs/harness/terraform";
import { type DeployerCalls, requestsOfCall } from "./deployer-calls";
import { requestsOfFunctions } from "./function-calls";

/*
 * Records a local run in which an environment that has everything that an environment can have is made, changed and
 * removed, and its keys are rotated and audited, by `node --import tsx test/iam/record-local-run.ts`: what Terraform
 * asks of AWS into `deployer-calls.json`, what the functions ask into `function-calls.json`. `npm run test:iam` judges
 * both.
 */

/** What each deploy changes of `dev`, beside what the one before did. */
const DEPLOYS = [
  {
    removal: "protect",
    kms: "managed-per-environment",
    permissionsBoundaryArn: "arn:aws:iam::000000000000:policy/boundary",
    iamPath: "/agents/",
    tags: { team: "agents" },
    alerts: { trail: true },
  },
  {
    removal: "delete",
    tags: { owner: "agents" },
    rotation: { automaticallyAfterDays: 60 },
    functions: { logRetentionDays: 30, architecture: "x86_64" },
  },
  { rotation: "off" },
];

async function record(): Promise<void> {
  const toolchain = await findToolchain();
  const front = await startFront();
  // The alarms are kept beside the rest of the local AWS.
  const cloudwatchFront = await startFront();
  const run = await startRun("dev", {
    app: THIS_RELEASE,
    front,
    variables: { AWS_ENDPOINT_URL_CLOUDWATCH: cloudwatchFront.url },
  });
  const { url } = run.cloudwatch;
  cloudwatchFront.forwardTo({ emulatorUrl: url, secretsManagerUrl: url });
  const resourceTypes = new Set<string>();
  try {
    const terraform = new Terraform(run, toolchain);
    let settings = {};
    for (const changes of DEPLOYS) {
      settings = { ...settings, ...changes };
      await writeFile(join(run.folder, "changes.json"), JSON.stringify(settings));
      await terraform.synthesise();
      const stack = JSON.parse(await readFile(join(run.deployment.stackFolder(), "cdk.tf.json"), "utf8"));
      for (const type of Object.keys(stack.resource)) resourceTypes.add(type);
      for (const type of Object.keys(stack.data)) resourceTypes.add(`data.${type}`);
      await sendFunctionsTo(front.url, stack, run);
      refuseFailure(await terraform.apply());
      await run.secretsManager.settle();
      console.log(`deployed: ${Object.keys(changes).join(", ")}`);
      if (changes === DEPLOYS[0]) await rotateAndAudit(run);
    }
    refuseFailure(await terraform.apply({ destroy: true }));
    console.log("destroyed");
  } finally {
    await run.close();
    await front.close();
    await cloudwatchFront.close();
  }
  await run.removeFolder();

  const calls = [...front.calls, ...cloudwatchFront.calls].filter(({ userAgent }) =>
    /Terraform/.test(userAgent),
  );
  const requests = calls.flatMap(requestsOfCall).map((request) => JSON.stringify(request));
  const recorded: DeployerCalls = {
    resourceTypes: [...resourceTypes].sort(),
    requests: [...new Set(requests)].sort().map((request) => JSON.parse(request)),
  };
  await write("deployer-calls.json", recorded);
  console.log(`Terraform: ${calls.length} calls, ${recorded.requests.length} different requests`);
  const ofFunctions = requestsOfFunctions(front.calls);
  await write("function-calls.json", ofFunctions);
  console.log(`functions: ${ofFunctions.length} different requests`);
}

/** Each function names itself in its calls, and makes them through the front. */
async function sendFunctionsTo(url: string, stack: Stack, run: LocalRun): Promise<void> {
  for (const { function_name, environment } of Object.values(stack.resource.aws_lambda_function)) {
    Object.assign(environment.variables, {
      AWS_SDK_UA_APP_ID: function_name,
      ...Object.fromEntries(
        ["SECRETS_MANAGER", "DYNAMODB", "LAMBDA", "SNS"].map((service) => [
          `AWS_ENDPOINT_URL_${service}`,
          url,
        ]),
      ),
    });
  }
  await writeFile(join(run.deployment.stackFolder(), "cdk.tf.json"), JSON.stringify(stack));
}

interface Stack {
  readonly resource: {
    readonly aws_lambda_function: Readonly<
      Record<string, { function_name: string; environment: { variables: Record<string, string> } }>
    >;
  };
}

/** Also with a key that is dead, which the auditor finds and reports. */
async function rotateAndAudit(run: LocalRun): Promise<void> {
  const { secretsManager, secrets, controlPlane, environment, awsVariables } = run;
  const lambda = new LambdaClient({
    endpoint: awsVariables.AWS_ENDPOINT_URL ?? "",
    region: environment.region,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const audit = async () => {
    const command = new InvokeCommand({ FunctionName: `valmi-${environment.name}-agent-key-audit` });
    const { FunctionError, Payload } = await lambda.send(command);
    if (FunctionError) throw new Error(Payload?.transformToString());
    await secretsManager.settle();
  };
  await secretsManager.advanceBy(2 * DAY);
  await secrets.send(new RotateSecretCommand({ SecretId: `valmi/${environment.name}/support/agent-key` }));
  await secretsManager.settle();
  console.log("rotated");
  await audit();
  const { state } = controlPlane;
  const support = state.allInstances().find(({ name }) => name === `${environment.name}-support`);
  state.refresh(support?.workspaceId ?? "", support?.id ?? "");
  await secretsManager.advanceBy(2 * DAY);
  await audit();
  lambda.destroy();
  console.log("audited");
}

async function write(name: string, content: unknown): Promise<void> {
  const file = join(__dirname, name);
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
  await promisify(execFile)(process.execPath, [
    require.resolve("@biomejs/biome/bin/biome"),
    "format",
    "--write",
    file,
  ]);
}

function refuseFailure({ succeeded, log }: Apply): void {
  if (!succeeded) throw new Error(log);
}

endChildrenOnSignal();
void record();
