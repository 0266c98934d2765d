import { type Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import type { AuditReport } from "../../core/audit/audit";
import { METRICS } from "../../core/contract";

/** Logs what a run tells CloudWatch, as one line in embedded metric format; no dimension names an instance. */
export function emitMetrics(metrics: Metrics, report: AuditReport): void {
  const count = report.findings.filter(({ severity }) => severity === "page").length;
  metrics.addMetric(METRICS.findings, MetricUnit.Count, count);
  metrics.addMetric(METRICS.audited, MetricUnit.Count, report.audited);
  if (report.oldestKeyAgeMs !== undefined) {
    metrics.addMetric(METRICS.oldestKeyAge, MetricUnit.Seconds, Math.round(report.oldestKeyAgeMs / 1_000));
  }
  if (report.leastGraceLeftMs !== undefined) {
    metrics.addMetric(
      METRICS.leastGraceLeft,
      MetricUnit.Seconds,
      Math.round(report.leastGraceLeftMs / 1_000),
    );
  }
  metrics.publishStoredMetrics();
}
