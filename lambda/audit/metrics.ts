import { type Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { AuditReport } from "../../core/audit/audit";
import { METRICS } from "../../core/contract";
import { SECOND_MS } from "../../core/time";

/** Logs one line in embedded metric format, from which CloudWatch makes metrics. No dimension names an instance. */
export function emitMetrics(metrics: Metrics, report: AuditReport): void {
  const count = report.findings.filter(({ severity }) => severity === "page").length;
  metrics.addMetric(METRICS.findings, MetricUnit.Count, count);
  metrics.addMetric(METRICS.audited, MetricUnit.Count, report.audited);
  if (report.oldestKeyAgeMs !== undefined) {
    metrics.addMetric(
      METRICS.oldestKeyAge,
      MetricUnit.Seconds,
      Math.round(report.oldestKeyAgeMs / SECOND_MS),
    );
  }
  if (report.leastGraceLeftMs !== undefined) {
    metrics.addMetric(
      METRICS.leastGraceLeft,
      MetricUnit.Seconds,
      Math.round(report.leastGraceLeftMs / SECOND_MS),
    );
  }
  metrics.publishStoredMetrics();
}
