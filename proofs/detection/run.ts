import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { Metrics } from "@aws-lambda-powertools/metrics";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { TerraformStack, Testing } from "cdktf";
import Table from "cli-table3";
import { AgentKeys } from "../../constructs";
import { METRICS } from "../../core/contract";
import { span } from "../../core/time";
import { emitMetrics } from "../../lambda/audit/metrics";
import { DAY, HOUR } from "../../local/clock";
import { AuditedWorld } from "../stuck/audited-world";
import { type AlarmDefinition, goesOffAt, readMetricLine, type Sample } from "./alarm";
import { BREAKAGES, type Breakage } from "./breakages";
import { auditLargeFleet } from "./large-fleet";

/** The promise: every broken path is noticed within this. */
const NOTICED_WITHIN = 26 * HOUR;

export interface Noticed {
  readonly breakage: Breakage;
  /** Milliseconds from the breakage, by each way that noticed it. */
  readonly ways: ReadonlyMap<string, number>;
}

/** The alarms as the stack of an environment has them. */
export function synthesisedAlarms(): AlarmDefinition[] {
  const outdir = mkdtempSync(path.join(tmpdir(), "valmi-agent-keys-detection-"));
  try {
    const bundle = (name: string) => {
      const file = path.join(outdir, `${name}.zip`);
      writeFileSync(file, name);
      return file;
    };
    const stack = new TerraformStack(Testing.app({ outdir }), "dev");
    new AwsProvider(stack, "aws", { region: "eu-west-1" });
    new AgentKeys(stack, "agent-keys", {
      name: "dev",
      region: "eu-west-1",
      controlPlane: { apiKeySecretName: "valmi/operator" },
      agentInstances: [{ id: "support", agentType: { id: "at_support" } }],
      bundles: { rotation: bundle("rotation"), provisioning: bundle("provisioning"), audit: bundle("audit") },
    });
    const { resource } = JSON.parse(Testing.synth(stack, true));
    return Object.values(resource.aws_cloudwatch_metric_alarm);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** Breaks one path at a time of the day that the audit has least reason to look at, and sees who notices and when. */
export async function detect(breakage: Breakage, alarms: readonly AlarmDefinition[]): Promise<Noticed> {
  const audited = new AuditedWorld();
  // A quiet day before: its checks and its self-test are done just before the breakage, at midnight.
  await audited.pass(DAY - HOUR);
  const quiet = audited.reports.flatMap(({ report }) => report.pages).length;
  if (quiet > 0) throw new Error(`paged before anything was broken: ${audited.paged.join(", ")}`);
  const from = audited.world.clock.time;
  breakage.breaks(audited);
  await audited.pass(NOTICED_WITHIN);

  const ways = new Map<string, number>();
  const notice = (way: string, at: number | undefined) => {
    if (at !== undefined && at >= from && !ways.has(way)) ways.set(way, at - from);
  };
  for (const { at, report } of audited.reports) {
    for (const { name, state } of report.pages) if (state === "found") notice(`page ${name}`, at);
    // Whoever waits for it is patient for a quarter of an hour.
    if (at >= from && !report.canPage) notice("heartbeat", at + HOUR / 4);
  }
  const lastRun = audited.reports.at(-1)?.at ?? from;
  if (lastRun < audited.world.clock.time - HOUR) notice("heartbeat", Math.max(from, lastRun) + HOUR / 4);
  const samples = await samplesOf(audited);
  for (const alarm of alarms) {
    notice(
      `alarm ${alarm.alarm_name.split("agent-key-")[1]}`,
      goesOffAt(alarm, samples, from, from + NOTICED_WITHIN),
    );
  }
  return { breakage, ways };
}

/** What CloudWatch is told: the auditor's metric lines as it logs them, and Lambda's own count of errors. */
async function samplesOf({ reports, errors }: AuditedWorld): Promise<Sample[]> {
  const metrics = new Metrics({ namespace: METRICS.namespace, serviceName: "valmi-dev-agent-key-audit" });
  const samples: Sample[] = [];
  const { log } = console;
  try {
    for (const { at, report } of reports) {
      console.log = (line: string) => void samples.push(...readMetricLine(line, at));
      emitMetrics(metrics, report);
    }
  } finally {
    console.log = log;
  }
  const functions = { rotation: "valmi-dev-agent-key-rotation", auditor: "valmi-dev-agent-key-audit" };
  for (const { at, by } of errors) {
    const dimensions = { FunctionName: functions[by] };
    samples.push({ at, namespace: "AWS/Lambda", metric: "Errors", dimensions, value: 1 });
  }
  return samples;
}

async function main(): Promise<void> {
  // The metrics' library writes to a console of its own otherwise.
  Object.assign(process.env, { POWERTOOLS_DEV: "true", POWERTOOLS_METRICS_DISABLED: "false" });
  const alarms = synthesisedAlarms();
  const table = new Table({
    head: ["broken", "noticed by", "after", "also by"],
    style: { head: [], border: [] },
  });
  let failed = 0;
  for (const breakage of BREAKAGES) {
    const { ways } = await detect(breakage, alarms);
    const after = ways.get(breakage.noticedBy);
    const others = [...ways].filter(([way]) => way !== breakage.noticedBy);
    const also = others.map(([way, ms]) => `${way} (${span(ms)})`).join(", ");
    const isLate = after === undefined || after > NOTICED_WITHIN;
    if (isLate) failed++;
    table.push([breakage.name, breakage.noticedBy, isLate ? "NOT NOTICED" : span(after), also]);
  }
  process.stdout.write(
    `${table.toString()}\n${BREAKAGES.length - failed} of ${BREAKAGES.length} noticed within 26 hours\n\n`,
  );
  // A whole day of few, and as many as one environment may have for some hours.
  const fleets = [await auditLargeFleet(200, 24), await auditLargeFleet(10_000, 4)];
  for (const { text } of fleets) process.stdout.write(`${text}\n`);
  process.exitCode = failed === 0 && fleets.every(({ faults }) => faults.length === 0) ? 0 : 1;
}

if (require.main === module) void main();
