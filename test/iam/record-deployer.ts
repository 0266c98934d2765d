import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { startFront } from "../e2e/front";
import { endChildrenOnSignal, findToolchain, startRun } from "../e2e/run";
import { type Apply, Terraform, THIS_RELEASE } from "../plan/terraform";
import { type DeployerCalls, requestsOfCall } from "./deployer-calls";

/*
 * Records what Terraform asks of AWS to make, change and remove an environment that has everything that an environment
 * can have, by `node --import tsx test/iam/record-deployer.ts`: `deployer-calls.json`, which `npm run test:iam` judges.
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
      refuseFailure(await terraform.apply());
      await run.secretsManager.settle();
      console.log(`deployed: ${Object.keys(changes).join(", ")}`);
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
  const file = join(__dirname, "deployer-calls.json");
  await writeFile(file, `${JSON.stringify(recorded, null, 2)}\n`);
  await promisify(execFile)(process.execPath, [
    require.resolve("@biomejs/biome/bin/biome"),
    "format",
    "--write",
    file,
  ]);
  console.log(`${calls.length} calls, ${recorded.requests.length} different requests: ${file}`);
}

function refuseFailure({ succeeded, log }: Apply): void {
  if (!succeeded) throw new Error(log);
}

endChildrenOnSignal();
void record();
