import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { RotateSecretCommand } from "@aws-sdk/client-secrets-manager";
import { SNSClient } from "@aws-sdk/client-sns";
import Table from "cli-table3";
import { functionName } from "../../constructs/names";
import { DAY, HOUR } from "../../local/clock";
import { SAMPLE_WORKSPACE_ID } from "../../local/control-plane/seed";
import { readStored } from "../../local/demo/agent-keys";
import { searchPlaces } from "../../local/demo/leak-search";
import { LOCAL_CREDENTIALS } from "../../local/emulator";
import type { LocalRun } from "../../local/local-run";
import { startFront } from "../harness/front";
import {
  addStranger,
  endChildrenOnSignal,
  findToolchain,
  startRun,
  until,
} from "../harness/local-deployment";
import { Terraform, THIS_RELEASE } from "../harness/terraform";
import { judgeLogLines } from "./log-lines";
import { leakPlaces, type Stage } from "./places";
import { ProcessList } from "./process-list";
import { Subscriber } from "./topic";

/*
 * No key leaves the secrets that it belongs in. A real deploy, rotations and failures, with every log at debug level and
 * with keys that hold every sign which JSON, a URL or HTML would escape; then each place is searched. Then a key is
 * leaked into each place on purpose, and has to be found there.
 */

/** Of every kind of sign that a header can carry. */
const SIGNS = "m4rk+/=&<>%25\"\\'";
const REFRESH = "POST /agent_instance/{agent_instance_id}/refresh";
const INFO = "GET /agent_instance/info";
const UPDATE = "PUT /agent_instance/{agent_instance_id}";

async function main(): Promise<void> {
  const startedAt = performance.now();
  const seconds = () => `${((performance.now() - startedAt) / 1_000).toFixed(0).padStart(4)} s`;
  const report = (line: string) => console.log(`${seconds()}  ${line}`);
  const environment = "dev";
  const plain = "token_pl4nted0123456789abcdef0123456789";
  const operatorKey = `token_${SIGNS}0123456789abcdef`;
  const processes = new ProcessList();
  const front = await startFront();
  const run = await startRun(environment, {
    app: THIS_RELEASE,
    front,
    controlPlane: {
      keyPrefix: `agent_${SIGNS}`,
      apiKeys: [operatorKey, plain].map((key) => ({
        key,
        workspaceId: SAMPLE_WORKSPACE_ID,
        status: "valid" as const,
      })),
    },
    variables: { TF_LOG: "DEBUG", CDKTF_LOG_LEVEL: "debug" },
    env: {
      ...process.env,
      POWERTOOLS_LOG_LEVEL: "DEBUG",
      POWERTOOLS_LOGGER_LOG_EVENT: "true",
      LOG_LEVEL: "DEBUG",
    },
  });
  const client = {
    endpoint: front.url,
    region: run.environment.region,
    credentials: {
      accessKeyId: LOCAL_CREDENTIALS.AWS_ACCESS_KEY_ID,
      secretAccessKey: LOCAL_CREDENTIALS.AWS_SECRET_ACCESS_KEY,
    },
  };
  const subscriber = new Subscriber(new SNSClient(client), front.url);
  const lambda = new LambdaClient(client);
  const failuresFile = resolve(run.folder, "failures.json");
  const failing = startChild(process.execPath, [
    "--import",
    "tsx",
    require.resolve("./failures-process"),
    failuresFile,
  ]);
  try {
    const stage: Stage = {
      run,
      front,
      processes,
      plain,
      subscriber,
      printed: [],
      failures: { errors: [], logged: [], results: [] },
      planted: mintForNobody(run),
      terraform: new Terraform(run, await findToolchain()),
      commandLine: (args, input) => commandLine(stage, args, input),
    };
    await playEverything(stage, operatorKey, lambda, report);

    report("failures of every call, in a process of their own");
    if ((await failing.exit) !== 0) throw new Error(`the failures can't be played:\n${failing.output()}`);
    const { paths, names, credentials, ...failures } = JSON.parse(readFileSync(failuresFile, "utf8"));
    Object.assign(stage.failures, failures);
    report(`${paths} failures played, which ended by ${names.length} names`);
    writeFileSync(failuresFile, "");

    const keys = (): string[] => [
      operatorKey,
      plain,
      ...credentials,
      ...run.controlPlane.state.allInstances().flatMap((instance) => instance.keys.map(({ value }) => value)),
    ];
    report(`searching for ${keys().length} keys`);
    const places = leakPlaces(stage);
    const search = async () =>
      Object.fromEntries(
        await Promise.all(
          places.map(async ({ name, collect }) => [name, searchPlaces(keys(), await collect())] as const),
        ),
      );
    const clean = await search();
    const lines = judgeLogLines(readFileSync(resolve(run.folder, "emulator.log"), "utf8"), (service) =>
      service.startsWith(`valmi-${environment}-`),
    );

    report("leaking a key into each place");
    for (const { plant } of places) await plant?.();
    const leaked = await search();

    const table = new Table({
      head: ["place", "bytes searched", "hits", "planted, found"],
      colAligns: ["left", "right", "right", "left"],
      style: { head: [], border: [] },
    });
    for (const { name } of places) {
      const { bytes = 0, hits = [] } = clean[name] ?? {};
      const found = (leaked[name]?.hits.length ?? 0) > hits.length;
      table.push([name, bytes.toLocaleString("en"), String(hits.length), found ? "yes" : "NO"]);
    }
    console.log(table.toString());
    const hits = places.flatMap(({ name }) =>
      (clean[name]?.hits ?? []).map(({ place }) => `${name}: ${place}`),
    );
    const blind = places.filter(({ name }) => (leaked[name]?.hits.length ?? 0) === 0).map(({ name }) => name);
    const empty = places.filter(({ name }) => (clean[name]?.bytes ?? 0) === 0).map(({ name }) => name);
    for (const hit of new Set(hits)) console.error(`a key in ${hit}`);
    for (const name of blind) console.error(`a planted key was not found in: ${name}`);
    for (const name of empty) console.error(`there was nothing to search in: ${name}`);
    for (const wrong of new Set(lines.wrong)) console.error(`log line ${wrong}`);
    console.log(
      "By design a key is in its secret, in the environment of the command that `exec` runs, and the operator's",
    );
    console.log(
      "API key of a local run is printed by `npm run local -- --keep` and `npm run local:control-plane`.",
    );
    console.log(`${lines.lines} log lines, ${lines.wrong.length} without what each has to say or with more`);
    const isGood = hits.length + blind.length + empty.length + lines.wrong.length === 0 && lines.lines > 0;
    console.log(
      `${hits.length} hits in ${places.length} places, ${seconds().trim()}: ${isGood ? "passed" : "FAILED"}`,
    );
    process.exitCode = isGood ? 0 : 1;
    if (isGood) await run.close().then(() => run.removeFolder());
    else console.log(`everything is in ${run.folder}`);
  } finally {
    processes.stop();
    subscriber.close();
    failing.child.kill();
    await run.close();
    await front.close();
  }
}

/** A key that no function knows. */
function mintForNobody({ controlPlane }: LocalRun): string {
  const [type] = controlPlane.state.snapshot().agentTypes;
  if (type === undefined) throw new Error("the Control Plane knows no agent type");
  return controlPlane.state.createInstance(type.workspaceId, {
    name: "planted",
    description: "",
    agentTypeId: type.id,
    accountId: null,
    contactId: null,
  }).agentKey;
}

/** Everything that a key goes through: commands, deploys, rotations, and failures of each. */
async function playEverything(
  stage: Stage,
  operatorKey: string,
  lambda: LambdaClient,
  report: (line: string) => void,
): Promise<void> {
  const { run, terraform, subscriber } = stage;
  const { environment, controlPlane, secretsManager } = run;
  const { apiKeySecretName } = environment.controlPlane;
  const secretName = `valmi/${environment.name}/support/agent-key`;

  report("the operator's API key, by the command line");
  const set = ["operator-key", "set", "--secret", apiKeySecretName, "--control-plane", controlPlane.url];
  await stage.commandLine(set, `${operatorKey}\n`);
  await stage.commandLine(set, `${operatorKey}wrong\n`);
  await stage.commandLine(set, `${operatorKey} ${operatorKey}\n`);

  report("a deploy that is refused, and one that isn't");
  const namesake = addStranger(run, `${environment.name}-research`);
  await terraform.synthesise();
  if ((await terraform.apply()).succeeded) throw new Error("a namesake was taken over");
  if (!namesake.isUntouched()) throw new Error("the namesake was touched");
  const { state } = controlPlane;
  const { instances, ...rest } = state.snapshot();
  const renamed = instances.map((each) =>
    each.name === `${environment.name}-research` ? { ...each, name: "a stranger" } : each,
  );
  state.restore({ ...rest, instances: renamed });
  await run.deployment.deploy();
  await secretsManager.settle();

  report("rotations, and every way for one to fail");
  const rotate = async () => {
    const request = new RotateSecretCommand({ SecretId: secretName });
    await run.secrets.send(request).catch((error: Error) => {
      if (!error.message.includes("will be reattempted")) throw error;
    });
    await secretsManager.settle();
  };
  await rotate();
  const orders: (() => void)[] = [
    ...(["drop", "malformed", "oversized", "redirect"] as const).map(
      (effect) => () => void controlPlane.faults.order({ route: REFRESH, effect, when: "after" }),
    ),
    ...[401, 403, 404, 409, 422, 503].map(
      (status) => () =>
        void controlPlane.faults.order({ route: REFRESH, effect: "status", status, when: "before" }),
    ),
    () => void controlPlane.faults.order({ route: INFO, effect: "malformed", when: "after" }),
    () => secretsManager.orderFault({ operation: "GetSecretValue", kind: "drop-answer" }),
    () =>
      secretsManager.orderFault({
        operation: "GetSecretValue",
        kind: "refuse",
        error: { code: "DecryptionFailure", statusCode: 400 },
      }),
    () => secretsManager.orderFault({ operation: "PutSecretValue", kind: "drop-answer" }),
    () => secretsManager.orderFault({ operation: "PutSecretValue", kind: "refuse" }),
    () => secretsManager.orderFault({ operation: "UpdateSecretVersionStage", kind: "drop-answer" }),
  ];
  for (const order of orders) {
    await secretsManager.advanceBy(2 * DAY);
    order();
    await rotate();
    controlPlane.faults.clear();
    await fetch(`${secretsManager.url}/_local/faults`, { method: "DELETE" });
    await secretsManager.advanceBy(HOUR);
    await rotate();
  }

  report("the auditor, upon a key that is dead");
  await subscriber.subscribe();
  const FunctionName = functionName({ namePrefix: "valmi", name: environment.name }, "audit");
  const audit = () => lambda.send(new InvokeCommand({ FunctionName }));
  // From its first run on it knows which keys it has not looked at.
  await audit();
  const support = state.allInstances().find(({ name }) => name === `${environment.name}-support`);
  state.refresh(support?.workspaceId ?? "", support?.id ?? "");
  await secretsManager.advanceBy(2 * DAY);
  await audit();
  await until("somebody is paged", () => subscriber.messages.length > 0);
  await rotate();

  report("an update that fails, a plan, the outputs");
  const agentInstances = environment.agentInstances.map((instance) => ({
    ...instance,
    description: "Changed",
  }));
  writeFileSync(resolve(run.folder, "changes.json"), JSON.stringify({ agentInstances }));
  await terraform.synthesise();
  controlPlane.faults.order({ route: UPDATE, effect: "status", status: 422, when: "before", times: 8 });
  if ((await terraform.apply()).succeeded) throw new Error("an update that failed was taken for a success");
  controlPlane.faults.clear();
  const revised = agentInstances.map((instance) => ({ ...instance, revision: 1 }));
  writeFileSync(resolve(run.folder, "changes.json"), JSON.stringify({ agentInstances: revised }));
  await terraform.synthesise();
  await run.deployment.plan();
  if (!(await terraform.apply()).succeeded) throw new Error("a raised revision did not repair the update");
  writeFileSync(resolve(run.folder, "outputs.json"), JSON.stringify(await run.deployment.outputs()));

  report("a command with its agent key, by the command line");
  const stored = await readStored(run.secrets, secretName);
  const quiet = "process.exitCode = process.env.VALMI_AGENT_KEY ? 0 : 1; setTimeout(() => {}, 300)";
  await stage.commandLine(["exec", "--secret", secretName, "--", process.execPath, "-e", quiet], "");
  await stage.commandLine(
    ["adopt", "--secret", secretName, "--api-key-secret", apiKeySecretName],
    stored.agentKey.reveal(),
  );
}

async function commandLine(
  { run, printed }: Pick<Stage, "run" | "printed">,
  args: readonly string[],
  input: string,
): Promise<void> {
  const program = resolve(__dirname, "../../cli/main.ts");
  const started = startChild(process.execPath, ["--import", "tsx", program, ...args], {
    ...process.env,
    ...run.awsVariables,
  });
  started.child.stdin?.end(input);
  await Promise.race([started.exit, delay(60_000, undefined, { ref: false })]);
  started.child.kill();
  printed.push(started.output());
}

function startChild(
  program: string,
  args: readonly string[],
  env = process.env,
): { child: ChildProcess; exit: Promise<number | null>; output(): string } {
  const child = spawn(program, args, { env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += chunk;
    });
  }
  const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, exit, output: () => output };
}

endChildrenOnSignal();
void main();
