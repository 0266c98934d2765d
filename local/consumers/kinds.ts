import { join, resolve } from "node:path";
import { ECSClient } from "@aws-sdk/client-ecs";
import { HOUR, MINUTE, SECOND } from "../clock";
import { NO_TELEMETRY } from "../demo/manual";
import { LOCAL_CREDENTIALS, withoutAws } from "../emulator";
import type { LocalRun } from "../local-run";
import { AgentProcess, CallLog, type Consumer } from "./consumer";
import { EcsTasks } from "./ecs-tasks";

const PROJECT_FOLDER = resolve(__dirname, "../..");
const CACHE_MS = 5 * MINUTE;
/** The shortest that the runner takes; its default is 300 s. Real time: the story doesn't move this clock. */
const WATCH_SECONDS = 5;
const WATCH_BY_DEFAULT_SECONDS = 300;
/** Looks are up to a fifth later than asked for, and the command has 10 s to end. */
const runnerBound = (watchSeconds: number) => (1.2 * watchSeconds + 10) * SECOND;
/** For a process to start and make its first call on a machine that is busy. */
const START_MS = 30 * SECOND;
/** By how much the story's clock moves at once while agents are to notice. */
export const STEP_MS = MINUTE;
/** EventBridge's and the state machine's own, after which the alarm comes. */
const ECS_BOUND_MS = 2 * HOUR;

export interface KindsOptions {
  readonly run: LocalRun;
  readonly secretId: string;
  /** Python with the Python client. */
  readonly python: string;
  readonly startUpKey: string;
}

/** Starts one consumer of each kind, and waits for the first call of each. None is left where one can't be started. */
export async function startConsumers(options: KindsOptions): Promise<Consumer[]> {
  const { run, secretId, python } = options;
  const { VALMI_AGENT_KEY, ...common } = environmentOf(options);
  const client = { ...common, SECRET_ID: secretId };
  const startUp = tsx("start-up-agent.ts");
  const runner = [
    join(PROJECT_FOLDER, "cli/valmi-agent-keys.js"),
    ...["exec", "--secret", secretId, "--watch", String(WATCH_SECONDS), "--", process.execPath, ...startUp],
  ];
  const libraryBounds = { here: CACHE_MS + STEP_MS + START_MS, byDefault: CACHE_MS };
  return allOrNone([
    ecsService(run, common),
    single(run, {
      name: "process under the runner",
      learns: `looks every ${WATCH_SECONDS} s`,
      bounds: {
        here: runnerBound(WATCH_SECONDS) + START_MS,
        byDefault: runnerBound(WATCH_BY_DEFAULT_SECONDS),
      },
      program: process.execPath,
      args: runner,
      env: common,
    }),
    single(run, {
      name: "TypeScript library",
      learns: "reads every 5 min",
      bounds: libraryBounds,
      program: process.execPath,
      args: tsx("library-agent.ts"),
      env: client,
    }),
    single(run, {
      name: "Python, Valmi's SDK",
      learns: "reads every 5 min",
      bounds: libraryBounds,
      program: python,
      args: [join(__dirname, "sdk_agent.py")],
      env: client,
    }),
  ]);
}

async function allOrNone(starting: readonly Promise<Consumer>[]): Promise<Consumer[]> {
  const results = await Promise.allSettled(starting);
  const started = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failure = results.find((result) => result.status === "rejected");
  if (failure === undefined) return started;
  await Promise.all(started.map((consumer) => consumer.stop()));
  throw failure.reason;
}

/** An agent that has its key from its start on, and nobody to bring it another. */
export function startStartUpReader(options: KindsOptions): Promise<Consumer> {
  return single(options.run, {
    name: "start-up reader, alone",
    learns: "never",
    bounds: { here: Number.POSITIVE_INFINITY, byDefault: Number.POSITIVE_INFINITY },
    program: process.execPath,
    args: tsx("start-up-agent.ts"),
    env: environmentOf(options),
  });
}

function environmentOf({ run, startUpKey }: KindsOptions): NodeJS.ProcessEnv & { VALMI_AGENT_KEY: string } {
  return {
    ...withoutAws(process.env),
    ...run.awsVariables,
    VALMI_CONTROL_PLANE_URL: run.controlPlane.url,
    VALUE_BACKEND_URL: run.controlPlane.url.replace(/\/api\/v1$/, ""),
    VALUE_OTEL_ENDPOINT: NO_TELEMETRY,
    VALMI_AGENT_KEY: startUpKey,
  };
}

const tsx = (program: string) => ["--import", require.resolve("tsx"), join(__dirname, program)];

interface SingleProcess extends Pick<Consumer, "name" | "learns" | "bounds"> {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

async function single(run: LocalRun, { program, args, env, ...kind }: SingleProcess): Promise<Consumer> {
  const log = new CallLog(run.clock);
  const errorFile = errorFileOf(run, kind.name);
  const agent = new AgentProcess({
    program,
    args,
    env: { ...env, ...callerName(kind.name) },
    log,
    errorFile,
  });
  const hasEnded = () => agent.hasEnded;
  const consumer = { ...kind, log, isSteady: () => true, hasEnded, stop: () => agent.stop() };
  return agent.firstCall.then(
    () => consumer,
    async (error) => {
      await agent.stop();
      throw error;
    },
  );
}

async function ecsService(run: LocalRun, env: NodeJS.ProcessEnv): Promise<Consumer> {
  const name = "ECS service";
  const log = new CallLog(run.clock);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = LOCAL_CREDENTIALS;
  const ecs = new ECSClient({
    ...(run.awsVariables.AWS_ENDPOINT_URL && { endpoint: run.awsVariables.AWS_ENDPOINT_URL }),
    region: run.environment.region,
    credentials: { accessKeyId, secretAccessKey },
  });
  const tasks = new EcsTasks({
    ecs,
    secrets: run.secrets,
    cluster: "agents",
    service: "support",
    run: (variables) =>
      new AgentProcess({
        program: process.execPath,
        args: tsx("start-up-agent.ts"),
        env: { ...env, ...variables },
        log,
        errorFile: errorFileOf(run, name),
      }),
  });
  const stop = async () => {
    await tasks.stop();
    ecs.destroy();
  };
  await tasks.started().catch(async (error) => {
    await stop();
    throw error;
  });
  return {
    name,
    learns: "label event",
    bounds: { here: ECS_BOUND_MS, byDefault: ECS_BOUND_MS },
    log,
    isSteady: () => tasks.isSteady(),
    hasEnded: () => tasks.hasEnded(),
    stop,
  };
}

const slug = (name: string) => name.toLowerCase().replace(/[^a-z]+/g, "-");
const errorFileOf = (run: LocalRun, name: string) => join(run.folder, "logs", `${slug(name)}.log`);
/** How its reads are told apart. */
const callerName = (name: string) => ({ AWS_SDK_UA_APP_ID: slug(name) });
