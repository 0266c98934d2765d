import { Metrics } from "@aws-lambda-powertools/metrics";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SNSClient } from "@aws-sdk/client-sns";
import type { Context } from "aws-lambda";
import { type AuditDeps, audit } from "../../core/audit/audit";
import { dynamoDbAuditJournal } from "../../core/audit/journal";
import { type AuditMemory, dynamoDbAuditMemory } from "../../core/audit/memory";
import { lambdaRotationFunction, snsAlerts } from "../../core/audit/ports";
import { type AuditorSettings, readAuditorSettings } from "../../core/audit/settings";
import { METRICS } from "../../core/contract";
import { dynamoDbIntentReader } from "../../core/intent-table/intent-reader";
import { secretsManagerFleet } from "../../core/secrets/fleet";
import { AWS_TIMEOUTS, createRuntime, invocationPorts, presentable, type Runtime } from "../runtime";
import { emitMetrics } from "./metrics";

interface Auditor {
  readonly runtime: Runtime;
  readonly settings: AuditorSettings;
  readonly metrics: Metrics;
  readonly memory: AuditMemory;
  readonly ports: Pick<AuditDeps, "fleet" | "intents" | "memory" | "journal" | "rotationFunction" | "alerts">;
}

/** The self-test runs the rotation function to its end, which may take its whole time. */
const INVOCATION_TIMEOUTS = { ...AWS_TIMEOUTS, requestTimeout: 60_000 };
const HEARTBEAT_TIMEOUT_MS = 5_000;

function createAuditor(): Auditor {
  const runtime = createRuntime();
  const settings = readAuditorSettings(process.env, runtime.settings.gracePeriodMs);
  const dynamoDb = new DynamoDBClient({ requestHandler: AWS_TIMEOUTS });
  const { intentTable } = runtime.settings;
  const memory = dynamoDbAuditMemory(dynamoDb, intentTable);
  return {
    runtime,
    settings,
    memory,
    metrics: new Metrics({ namespace: METRICS.namespace }),
    ports: {
      fleet: secretsManagerFleet(new SecretsManagerClient({ requestHandler: AWS_TIMEOUTS })),
      intents: { ...dynamoDbIntentReader(dynamoDb, intentTable), halt: () => runtime.intents.halt() },
      memory,
      journal: dynamoDbAuditJournal(dynamoDb, intentTable),
      rotationFunction: lambdaRotationFunction(
        new LambdaClient({ requestHandler: INVOCATION_TIMEOUTS, maxAttempts: 1 }),
        settings.rotationFunctionArn,
      ),
      alerts: snsAlerts(new SNSClient({ requestHandler: AWS_TIMEOUTS }), settings.alertTopicArn),
    },
  };
}

let auditor: Auditor | undefined;

/** One run, started by the schedule; the event says nothing that is needed. */
export async function handler(_event: unknown, context: Context): Promise<void> {
  auditor ??= createAuditor();
  const { runtime, settings, metrics, ports } = auditor;
  const { logger } = runtime;
  logger.resetKeys();
  logger.appendKeys({ correlationId: context.awsRequestId });
  try {
    const deps = { ...invocationPorts(runtime, context), ...ports };
    const owner = context.awsRequestId;
    const now = deps.clock.now();
    // Who can't be told is not kept from looking.
    const isAlone = await auditor.memory
      .begin({ owner, now, until: now + deps.budget.remainingMs() })
      .catch(() => true);
    if (!isAlone) return logger.warn("another audit runs: this one leaves it to that");
    const report = await audit(deps, settings.audit);
    await auditor.memory.end(owner).catch(() => undefined);
    logger.info("audited", {
      audited: report.audited,
      checked: report.checked,
      findings: report.findings.length,
      asked: report.asked,
      pages: report.pages.map(({ name, state }) => `${state} ${name}`),
    });
    emitMetrics(metrics, report);
    if (report.canPage && settings.heartbeatUrl !== undefined) await beat(settings.heartbeatUrl);
  } catch (error) {
    const failure = presentable(error);
    logger.error("audit failed", { errorName: failure.name, reason: failure.message });
    throw failure;
  }
}

/** A missed one is nobody's error here: whoever waits for it notices. */
async function beat(url: string): Promise<void> {
  await fetch(url, { signal: AbortSignal.timeout(HEARTBEAT_TIMEOUT_MS) }).catch(() => undefined);
}
