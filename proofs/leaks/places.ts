import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { DynamoDBClient, PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import {
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  ListFunctionsCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import {
  DescribeSecretCommand,
  ListSecretsCommand,
  TagResourceCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";
import { unzipSync, zipSync } from "fflate";
import { type Place, placesBelow } from "../../local/demo/leak-search";
import { LOCAL_CREDENTIALS } from "../../local/emulator";
import type { LocalRun } from "../../local/local-run";
import { provisioningInput } from "../harness/builders";
import type { RecordingFront } from "../harness/front";
import { until } from "../harness/local-deployment";
import type { Terraform } from "../harness/terraform";
import type { ProcessList } from "./process-list";
import type { Subscriber } from "./topic";

/** Where a key could come to lie, with the way that one would come there. */
export interface LeakPlace {
  readonly name: string;
  collect(): Promise<readonly Place[]>;
  /** Has a key leak here, through whatever writes to this place. @default - another place's leak reaches it too */
  plant?(): Promise<void>;
}

export interface Stage {
  readonly run: LocalRun;
  readonly front: RecordingFront;
  readonly terraform: Terraform;
  readonly processes: ProcessList;
  readonly subscriber: Subscriber;
  /** What the command line printed. */
  readonly printed: string[];
  /** What left the functions in the failures that are played in a process of their own. */
  readonly failures: { readonly errors: string[]; readonly logged: string[]; readonly results: string[] };
  /** Runs the command line with standard input, and keeps what it prints. */
  commandLine(args: readonly string[], input: string): Promise<void>;
  /** A key of no instance that matters, of every sign that a key may have. */
  readonly planted: string;
  /** An operator's API key, of letters and digits: some places take nothing else. */
  readonly plain: string;
}

export function leakPlaces(stage: Stage): LeakPlace[] {
  const { run, front, terraform, processes, subscriber, printed, failures, planted, plain } = stage;
  const { folder, deployment, secrets } = run;
  const client = {
    endpoint: front.url,
    region: run.environment.region,
    credentials: {
      accessKeyId: LOCAL_CREDENTIALS.AWS_ACCESS_KEY_ID,
      secretAccessKey: LOCAL_CREDENTIALS.AWS_SECRET_ACCESS_KEY,
    },
  };
  const lambda = new LambdaClient(client);
  const dynamoDb = new DynamoDBClient(client);
  const text = (place: string, content: string): Place => ({ place, content: Buffer.from(content) });
  const filesLike = (pattern: RegExp) => async () =>
    placesBelow(folder).filter(({ place }) => pattern.test(basename(place)));
  const functionNames = async () =>
    ((await lambda.send(new ListFunctionsCommand({}))).Functions ?? []).map(
      ({ FunctionName = "" }) => FunctionName,
    );
  const provisioning = async () =>
    (await functionNames()).find((name) => name.endsWith("provisioning")) ?? "";
  const invoke = async (fields: object) =>
    lambda.send(
      new InvokeCommand({
        FunctionName: await provisioning(),
        Payload: JSON.stringify({
          ...provisioningInput({ secretArn: await anySecretArn() }),
          ...fields,
          tf: { action: "update", prev_input: null },
        }),
      }),
    );
  const agentKeySecrets = async () =>
    ((await secrets.send(new ListSecretsCommand({}))).SecretList ?? []).filter(({ Name }) =>
      Name?.endsWith("agent-key"),
    );
  const anySecretArn = async () => (await agentKeySecrets())[0]?.ARN ?? "";
  const table = `valmi-${run.environment.name}-agent-key-intents`;
  const outputs = async () =>
    writeFileSync(join(folder, "outputs.json"), JSON.stringify(await deployment.outputs(), null, 2));

  return [
    {
      name: "Terraform state",
      collect: filesLike(/\.tfstate$/),
      // One leak for all that Terraform writes: a value of the stack that holds a key.
      async plant() {
        const file = join(deployment.stackFolder(), "cdk.tf.json");
        const stack = readFileSync(file, "utf8");
        const leaking = JSON.parse(stack);
        leaking.output.planted = { value: planted };
        writeFileSync(file, JSON.stringify(leaking));
        await deployment.plan();
        await terraform.apply();
        await outputs();
        const plan = ["plan.out", "plan.json"].map(
          (name) => [name, readFileSync(join(folder, name))] as const,
        );
        // The next apply makes a backup of this one's state.
        leaking.output.planted = { value: `${planted}, again` };
        writeFileSync(file, JSON.stringify(leaking));
        await terraform.apply();
        for (const [name, content] of plan) writeFileSync(join(folder, name), content);
      },
    },
    { name: "its backup", collect: filesLike(/\.tfstate\.backup$/) },
    { name: "plan file, unpacked", collect: filesLike(/^plan\.out$/) },
    { name: "plan as JSON", collect: filesLike(/^plan\.json$/) },
    { name: "outputs", collect: filesLike(/^outputs\.json$/) },
    {
      name: "output folder, every file",
      collect: async () => placesBelow(join(folder, "cdktf.out")),
    },
    {
      name: "bundles, unpacked",
      collect: filesLike(/\.zip$/),
      async plant() {
        const [bundle] = placesBelow(folder).filter(({ place }) => place.endsWith(".zip"));
        if (bundle === undefined) throw new Error("there is no bundle");
        const { "index.js": code = new Uint8Array() } = unzipSync(bundle.content);
        const leaking = Buffer.concat([code, Buffer.from(`\nconst key = ${JSON.stringify(planted)};\n`)]);
        writeFileSync(join(folder, bundle.place), zipSync({ "index.js": leaking }));
      },
    },
    {
      name: "Lambda environment",
      collect: async () =>
        Promise.all(
          (await functionNames()).map(async (FunctionName) => {
            const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
            return text(FunctionName, JSON.stringify(Environment?.Variables));
          }),
        ),
      async plant() {
        const FunctionName = await provisioning();
        const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
        const Variables = { ...Environment?.Variables, PLANTED: plain };
        await lambda.send(
          new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }),
        );
      },
    },
    {
      name: "Lambda results",
      collect: async () => [
        ...front.calls
          .filter(({ operation }) => operation === "Invoke")
          .map((call, index) =>
            text(`invocation ${index}`, `${JSON.stringify(call.answerHeaders)}\n${call.answer}`),
          ),
        ...failures.results.map((result, index) => text(`failure ${index}`, result)),
      ],
      // The answer repeats it.
      plant: async () => void (await invoke({ digest: planted })),
    },
    {
      name: "intent table",
      collect: async () => [
        text(table, JSON.stringify((await dynamoDb.send(new ScanCommand({ TableName: table }))).Items)),
      ],
      plant: async () =>
        void (await dynamoDb.send(
          new PutItemCommand({
            TableName: table,
            Item: {
              secretArn: { S: "planted" },
              baseVersionId: { S: "none" },
              idempotencyKey: { S: planted },
            },
          }),
        )),
    },
    {
      name: "logs of the functions, debug",
      collect: async () => [
        ...(await filesLike(/^emulator\.log$/)()),
        ...failures.logged.map((line, index) => text(`failure ${index}`, line)),
      ],
      // An update of what isn't there fails, and the log says of which instance.
      plant: async () =>
        void (await invoke({ id: planted, secretArn: `${(await anySecretArn()).slice(0, -6)}AbCdEf` })),
    },
    {
      name: "logs of Terraform, debug",
      collect: async () => placesBelow(join(folder, "logs")),
    },
    {
      name: "error texts, every failure",
      collect: async () => [
        ...failures.errors.map((error, index) => text(`failure ${index}`, error)),
        text(
          "resources",
          front.calls
            .filter(({ status }) => status >= 300)
            .map(({ answer }) => answer)
            .join("\n"),
        ),
      ],
      plant: async () => void failures.errors.push(String(new Error(`the Control Plane refuses ${planted}`))),
    },
    {
      name: "events",
      collect: async () => [text("events", JSON.stringify(run.secretsManager.state.events))],
      // An event tells which label was moved.
      async plant() {
        const SecretId = await anySecretArn();
        const { VersionIdsToStages = {} } = await secrets.send(new DescribeSecretCommand({ SecretId }));
        const [MoveToVersionId] = Object.keys(VersionIdsToStages);
        await secrets.send(
          new UpdateSecretVersionStageCommand({ SecretId, VersionStage: plain, MoveToVersionId }),
        );
      },
    },
    {
      name: "messages of the topic",
      collect: async () => subscriber.messages.map((message, index) => text(`message ${index}`, message)),
      async plant() {
        const before = subscriber.messages.length;
        await subscriber.publish(`the key ${planted} is refused`);
        await until("the message has come", () => subscriber.messages.length > before);
      },
    },
    {
      name: "tags and descriptions",
      collect: async () => [
        text("secrets", JSON.stringify((await secrets.send(new ListSecretsCommand({}))).SecretList)),
        text(
          "instances",
          JSON.stringify(run.controlPlane.state.allInstances().map(({ keys: _, ...instance }) => instance)),
        ),
      ],
      plant: async () =>
        void (await secrets.send(
          new TagResourceCommand({
            SecretId: await anySecretArn(),
            Tags: [{ Key: "valmi:planted", Value: plain }],
          }),
        )),
    },
    {
      name: "arguments of processes",
      collect: async () => [text(`${processes.looks} looks`, processes.text)],
      async plant() {
        const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 30_000)", planted], {
          stdio: "ignore",
        });
        while (!processes.text.includes(planted)) {
          if (child.exitCode !== null) throw new Error("the planted process ended before anybody looked");
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        await ended(child);
      },
    },
    {
      name: "what the command line prints",
      collect: async () => [text("printed", printed.join("\n"))],
      // Nothing of ours prints a key; the command that it runs may.
      plant: async () =>
        stage.commandLine(
          [
            "exec",
            "--secret",
            await anySecretArn(),
            "--",
            process.execPath,
            "-e",
            "console.log(process.env.VALMI_AGENT_KEY)",
          ],
          "",
        ),
    },
  ];
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  await exit;
}
