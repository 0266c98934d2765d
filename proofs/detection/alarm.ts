/** The settings of a CloudWatch alarm, as Terraform's configuration has them. */
export interface AlarmDefinition {
  readonly alarm_name: string;
  readonly namespace?: string;
  readonly metric_name?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
  readonly statistic?: "Maximum" | "Minimum" | "Sum" | "SampleCount";
  readonly period?: number;
  readonly metric_query?: readonly {
    readonly id: string;
    readonly expression?: string;
    readonly metric?: {
      readonly namespace: string;
      readonly metric_name: string;
      readonly dimensions: Readonly<Record<string, string>>;
      readonly stat: AlarmDefinition["statistic"];
      readonly period: number;
    };
  }[];
  readonly evaluation_periods: number;
  readonly datapoints_to_alarm?: number;
  readonly comparison_operator: "GreaterThanThreshold" | "LessThanThreshold";
  readonly threshold: number;
  readonly treat_missing_data: "missing" | "ignore" | "breaching" | "notBreaching";
}

export interface Sample {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly namespace: string;
  readonly metric: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * When an alarm goes off, from the samples between two moments: evaluated at the end of each period, M of N, with missing data
 * as the alarm treats it. `undefined` where it stays quiet.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html#alarm-evaluation
 */
export function goesOffAt(
  alarm: AlarmDefinition,
  samples: readonly Sample[],
  from: number,
  until: number,
): number | undefined {
  const period =
    (alarm.period ?? alarm.metric_query?.find(({ metric }) => metric)?.metric?.period ?? 0) * 1_000;
  const needed = alarm.datapoints_to_alarm ?? alarm.evaluation_periods;
  for (let end = (Math.floor(from / period) + 1) * period; end <= until; end += period) {
    const breaches = Array.from({ length: alarm.evaluation_periods }, (_, index) => {
      const to = end - index * period;
      return isBreaching(alarm, measured(alarm, samples, to - period, to));
    });
    if (breaches.filter((each) => each === true).length >= needed) return end;
  }
  return undefined;
}

/** `undefined`: there is no data, and it is neither. */
function isBreaching(alarm: AlarmDefinition, value: number | undefined): boolean | undefined {
  if (value === undefined) {
    if (alarm.treat_missing_data === "breaching") return true;
    return alarm.treat_missing_data === "notBreaching" ? false : undefined;
  }
  return alarm.comparison_operator === "GreaterThanThreshold"
    ? value > alarm.threshold
    : value < alarm.threshold;
}

function measured(
  alarm: AlarmDefinition,
  samples: readonly Sample[],
  from: number,
  to: number,
): number | undefined {
  if (!alarm.metric_query) {
    const { namespace = "", metric_name = "", dimensions = {}, statistic } = alarm;
    return statisticOf(statistic, pick(samples, { namespace, metric_name, dimensions }, from, to));
  }
  const expression = alarm.metric_query.find((query) => query.expression)?.expression;
  if (!/^SUM\(\[(FILL\(\w+, 0\)(, )?)+\]\)$/.test(expression ?? ""))
    throw new Error(`not understood: ${expression}`);
  return alarm.metric_query
    .flatMap(({ metric }) => (metric ? [statisticOf(metric.stat, pick(samples, metric, from, to)) ?? 0] : []))
    .reduce((sum, value) => sum + value, 0);
}

function pick(
  samples: readonly Sample[],
  wanted: Pick<Required<AlarmDefinition>, "namespace" | "metric_name" | "dimensions">,
  from: number,
  to: number,
): number[] {
  const dimensions = JSON.stringify(wanted.dimensions);
  return samples
    .filter(
      (sample) =>
        sample.at >= from &&
        sample.at < to &&
        sample.namespace === wanted.namespace &&
        sample.metric === wanted.metric_name &&
        JSON.stringify(sample.dimensions) === dimensions,
    )
    .map(({ value }) => value);
}

function statisticOf(statistic: AlarmDefinition["statistic"], values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  switch (statistic) {
    case "Maximum":
      return Math.max(...values);
    case "Minimum":
      return Math.min(...values);
    case "SampleCount":
      return values.length;
    default:
      return values.reduce((sum, value) => sum + value, 0);
  }
}

/** The samples of one line in embedded metric format. Throws where it is none. */
export function readMetricLine(line: string, at: number): Sample[] {
  const logged = JSON.parse(line) as Record<string, unknown> & {
    _aws: {
      CloudWatchMetrics: { Namespace: string; Dimensions: string[][]; Metrics: { Name: string }[] }[];
    };
  };
  return logged._aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) =>
    Dimensions.flatMap((names) =>
      Metrics.map(({ Name }) => ({
        at,
        namespace: Namespace,
        metric: Name,
        dimensions: Object.fromEntries(names.map((name) => [name, String(logged[name])])),
        value: Number(logged[Name]),
      })),
    ),
  );
}
