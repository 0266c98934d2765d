import { readFile } from "node:fs/promises";
import path from "node:path";
import { DescribeTrailsCommand, GetTrailStatusCommand } from "@aws-sdk/client-cloudtrail";
import { GetFunctionConfigurationCommand, ResourceNotFoundException } from "@aws-sdk/client-lambda";
import type { Command } from "commander";
import { lambdaRotationFunction, snsAlerts } from "../../core/audit/ports";
import { command } from "../../core/command-line";
import { AUDIT_ENV, AWS_PROVIDER_VERSIONS } from "../../core/contract";
import { isLoopback } from "../../core/rules";
import { MINUTE_MS, moment, span } from "../../core/time";
import type { CommandLine } from "../answer";
import { messageOf } from "../command-error";
import { connectOnTime, type EnvironmentAccess, openEnvironment } from "../instances/environment";
import { type ListedInstance, listSome, nameOf } from "../instances/instance";
import { type EnvironmentOption, environment, json, region } from "../options";
import type { OperatorPorts } from "../ports";
import { coloured, table } from "../tables";
import type { Terminal } from "../terminal";

export function registerDoctor(program: Command, line: CommandLine): void {
  program
    .command("doctor")
    .description(
      "what rotations need: permissions, API key, Control Plane, clocks, schedules, alerts, versions; changes nothing",
    )
    .addOption(environment)
    .addOption(json)
    .addOption(region)
    .action(line.answering(doctor));
}

async function doctor(ports: OperatorPorts, options: EnvironmentOption) {
  const instances = await listSome(ports, options.environment);
  const checks: Check[] = [];
  for (const name of new Set(instances.map((instance) => instance.environment))) {
    const own = instances.filter((instance) => instance.environment === name);
    checks.push(...(await examine(ports, name, own)));
  }
  const isHealthy = checks.every(({ state }) => state !== "problem");
  return {
    text: checksTable(ports.terminal, checks),
    json: checks,
    exit: isHealthy ? ("done" as const) : ("findings" as const),
  };
}

/** One thing that has to be right for rotations to work, and for somebody to hear when they don't. */
interface Check {
  readonly environment: string;
  readonly name: CheckName;
  /** `unseen`: it could not be looked at from here, so that nobody knows. */
  readonly state: "ok" | "problem" | "unseen";
  readonly detail: string;
  /** What to do about a problem. */
  readonly fix?: string;
}

type CheckName =
  | "rotation-function"
  | "invoke-permission"
  | "self-test"
  | "intent-table"
  | "operator-key"
  | "clock"
  | "schedules"
  | "auditor"
  | "alert-route"
  | "trail"
  | "aws-provider";

type Judgement = Omit<Check, "environment" | "name">;

const ok = (detail: string): Judgement => ({ state: "ok", detail });
const problem = (detail: string, fix: string): Judgement => ({ state: "problem", detail, fix });
const unseen = (detail: string): Judgement => ({ state: "unseen", detail });

/** Between this machine and the Control Plane; rotation goes by the latter's alone. */
const MOST_SKEW_MS = 2 * MINUTE_MS;

/** Looks at everything that can be looked at from here. Changes nothing: the self-test writes the value that is there. */
async function examine(
  ports: OperatorPorts,
  environment: string,
  instances: readonly ListedInstance[],
): Promise<Check[]> {
  const checks: Check[] = [];
  const check = async (name: CheckName, look: () => Promise<Judgement>): Promise<boolean> => {
    ports.terminal.progress(`${environment}: ${name}`);
    const judgement = await look().catch(failed);
    checks.push({ environment, name, ...judgement });
    return judgement.state === "ok";
  };
  const [first] = instances;
  if (!first) return checks;

  let access: EnvironmentAccess | undefined;
  await check("rotation-function", async () => {
    access = await openEnvironment(ports, first);
    return ok(`${first.rotationFunction}, settings readable`);
  });
  if (access) {
    const { settings, rotationFunctionArn, history, connect } = access;
    const rotationFunction = lambdaRotationFunction(ports.aws.lambda, rotationFunctionArn);
    await check("invoke-permission", async () =>
      (await rotationFunction.mayBeInvoked())
        ? ok("Secrets Manager may invoke the rotation function")
        : problem(
            "the function's policy does not let Secrets Manager invoke it",
            `deploy: npx cdktf deploy ${environment}`,
          ),
    );
    await check("intent-table", async () => {
      const records = await history.ofSecret(first.secretArn);
      return ok(`readable, ${records.length} records of ${nameOf(first)}`);
    });
    await check("operator-key", async () => {
      const controlPlane = await connect();
      return ok(`accepted for workspace '${await controlPlane.workspaceName()}'`);
    });
    await check("clock", async () => {
      const controlPlane = await connectOnTime({ connect });
      return judgeClock(controlPlane.now(), ports.clock.now(), settings.controlPlaneUrl);
    });
    const withKey = instances.find(({ versionStages }) => Object.keys(versionStages).length > 0);
    await check("self-test", async () => {
      if (!withKey) return unseen("no instance has a key yet");
      const failures = await rotationFunction.selfTest(withKey.secretArn);
      return failures.length === 0
        ? ok(`the rotation function can do what a rotation of ${nameOf(withKey)} needs, under its own role`)
        : problem(
            `the rotation function could not do: ${failures.join(", ")}`,
            `its log says why: aws logs tail /aws/lambda/${first.rotationFunction} --since 10m`,
          );
    });
  }
  const now = ports.clock.now();
  await check("schedules", async () => judgeSchedules(instances, access?.rotationFunctionArn, now));
  let topicArn: string | undefined;
  const { auditor } = first;
  const hasAuditor = await check("auditor", async () => {
    const found = await ports.aws.lambda
      .send(new GetFunctionConfigurationCommand({ FunctionName: auditor }))
      .catch((error: unknown) => {
        if (error instanceof ResourceNotFoundException) return undefined;
        throw error;
      });
    if (!found) {
      const what = `there is no function ${auditor}: nobody watches the rotations`;
      return problem(what, `deploy: npx cdktf deploy ${environment}`);
    }
    const { Environment, State } = found;
    topicArn = Environment?.Variables?.[AUDIT_ENV.alertTopicArn];
    return ok(`${auditor}${State === undefined ? "" : `, ${State.toLowerCase()}`}`);
  });
  await check("alert-route", async () => {
    if (!hasAuditor || topicArn === undefined) return unseen("without the auditor nobody is paged");
    const broken = await snsAlerts(ports.aws.sns, topicArn).brokenRoute();
    return broken === undefined
      ? ok(`somebody has confirmed a subscription to ${topicArn}`)
      : problem(`${topicArn}: ${broken}`, "subscribe, and confirm by the link that SNS sends");
  });
  await check("trail", () => lookAtTrails(ports));
  await check("aws-provider", () => lookAtProvider(environment));
  return checks;
}

export function judgeClock(controlPlaneNow: number, machineNow: number, controlPlaneUrl: string): Judgement {
  const skew = controlPlaneNow - machineNow;
  const distance = `${span(skew)} ${skew < 0 ? "behind" : "ahead of"}`;
  if (isLoopback(controlPlaneUrl)) {
    return ok(`the Control Plane is on this machine; its clock, which a local run moves, is ${distance} it`);
  }
  const said = `the Control Plane's clock is ${distance} this machine's`;
  if (Math.abs(skew) <= MOST_SKEW_MS) return ok(said);
  return problem(
    said,
    "set this machine's clock; if it is right, tell Valmi: grace periods go by their clock",
  );
}

/** Every secret of an environment rotates, by this environment's function, on one schedule, and none is overdue. */
export function judgeSchedules(
  instances: readonly ListedInstance[],
  rotationFunctionArn: string | undefined,
  now: number,
): Judgement {
  const wrong = instances.flatMap((instance) => {
    const { rotation } = instance;
    const name = nameOf(instance);
    if (!rotation.enabled || !rotation.scheduled) return [`${name} does not rotate`];
    if (rotationFunctionArn !== undefined && rotation.functionArn !== rotationFunctionArn) {
      return [`${name} has another rotation function`];
    }
    if (rotation.nextAt !== undefined && rotation.nextAt < now) {
      return [`${name} was due at ${moment(rotation.nextAt)}`];
    }
    return [];
  });
  const days = [...new Set(instances.map(({ rotation }) => rotation.automaticallyAfterDays))];
  if (days.length > 1) wrong.push(`there are several intervals: ${days.join(", ")} days`);
  if (wrong.length === 0)
    return ok(`${instances.length} of ${instances.length} rotate every ${days[0]} days`);
  const shown = wrong.slice(0, 3).join("; ") + (wrong.length > 3 ? `; and ${wrong.length - 3} more` : "");
  return problem(shown, `deploy the environment, or rotate what is overdue: ${command("status")}`);
}

/** Only a hint: the auditor goes by what it sees itself, and needs no trail. */
async function lookAtTrails({ aws }: OperatorPorts): Promise<Judgement> {
  const { trailList = [] } = await aws.cloudTrail.send(new DescribeTrailsCommand({}));
  for (const { TrailARN, Name } of trailList) {
    const { IsLogging } = await aws.cloudTrail.send(
      new GetTrailStatusCommand({ Name: TrailARN ?? Name ?? "" }),
    );
    if (IsLogging) return ok(`${Name ?? TrailARN} is logging, so that events of failed rotations are sent`);
  }
  return unseen("no trail is logging: rules on events such as RotationFailed would never match");
}

async function lookAtProvider(environment: string): Promise<Judgement> {
  for (const file of [
    path.join("cdktf.out", "stacks", environment, ".terraform.lock.hcl"),
    ".terraform.lock.hcl",
  ]) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text !== undefined) return judgeProvider(text, file);
  }
  return unseen("no .terraform.lock.hcl in this folder; run it where you deploy");
}

/** @param lock the text of a `.terraform.lock.hcl` */
export function judgeProvider(lock: string, file: string): Judgement {
  const [, version] = /provider "[^"]*\/hashicorp\/aws" \{\s*version\s*=\s*"([^"]+)"/.exec(lock) ?? [];
  if (version === undefined) return unseen(`${file} names no AWS provider`);
  const [least = "", below = ""] = AWS_PROVIDER_VERSIONS.split(",").map((part) =>
    part.replace(/[^\d.]/g, ""),
  );
  if (compare(version, least) >= 0 && compare(version, below) < 0) return ok(`AWS provider ${version}`);
  return problem(
    `AWS provider ${version} in ${file}, and ${AWS_PROVIDER_VERSIONS} is needed`,
    "run npx cdktf get, and delete the lock file",
  );
}

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** What a person may not look at is not wrong for that. */
function failed(error: unknown): Judgement {
  const message = messageOf(error);
  if (/AccessDenied|NotAuthorized|UnauthorizedOperation|AuthorizationError/.test((error as Error).name)) {
    return unseen(`you may not look: ${message}`);
  }
  const [what, ...rest] = message.split("; ");
  return problem(what ?? message, rest.join("; ") || "repair it, and run doctor again");
}

function checksTable(terminal: Terminal, checks: readonly Check[]): string {
  const states = {
    ok: coloured(terminal, "green", "ok"),
    problem: coloured(terminal, "red", "PROBLEM"),
    unseen: "unseen",
  };
  return table(
    terminal,
    ["environment", "check", "", "what was seen"],
    checks.map(({ environment, name, state, detail, fix }) => [
      environment,
      name,
      states[state],
      fix === undefined ? detail : `${detail}\n→ ${fix}`,
    ]),
    { 3: 74 },
  );
}
