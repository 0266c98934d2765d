import {
  type AlarmDefinition,
  goesOffAt,
  readMetricLine,
  type Sample,
} from "../../../proofs/detection/alarm";

const PERIOD = 60_000;
const SERVICE = { service: "auditor" };

const alarm = (settings: Partial<AlarmDefinition> = {}): AlarmDefinition => ({
  alarm_name: "findings",
  namespace: "Keys",
  metric_name: "Findings",
  dimensions: SERVICE,
  statistic: "Maximum",
  period: PERIOD / 1_000,
  evaluation_periods: 1,
  comparison_operator: "GreaterThanThreshold",
  threshold: 0,
  treat_missing_data: "missing",
  ...settings,
});

/** One sample in the middle of each period from the epoch on; `undefined`: none in that period. */
const samplesOf = (...values: readonly (number | undefined)[]): Sample[] =>
  values.flatMap((value, index) =>
    value === undefined
      ? []
      : [{ at: (index + 0.5) * PERIOD, namespace: "Keys", metric: "Findings", dimensions: SERVICE, value }],
  );

/** At the end of which period the alarm goes off, counted from 1. */
function periodOf(definition: AlarmDefinition, samples: readonly Sample[], from = 0): number | undefined {
  const at = goesOffAt(definition, samples, from, 6 * PERIOD);
  return at === undefined ? undefined : at / PERIOD;
}

test("goes off at the end of the first period that breaches", () => {
  expect(periodOf(alarm(), samplesOf(0, 0, 1, 0))).toBe(3);
  expect(periodOf(alarm(), samplesOf(0, 0, 0, 0))).toBeUndefined();
});

test("the threshold itself breaches neither way", () => {
  expect(periodOf(alarm({ threshold: 1 }), samplesOf(1, 1, 2))).toBe(3);
  const below = alarm({ comparison_operator: "LessThanThreshold", threshold: 1 });
  expect(periodOf(below, samplesOf(1, 2, 0))).toBe(3);
});

test.each([
  ["breaching", 2],
  ["notBreaching", undefined],
  ["missing", undefined],
  ["ignore", undefined],
] as const)("missing data that is %s", (treat_missing_data, period) => {
  expect(periodOf(alarm({ treat_missing_data }), samplesOf(0, undefined, 0, 0, 0, 0))).toBe(period);
});

test("all of N periods have to breach where nothing else is said", () => {
  const three = alarm({ evaluation_periods: 3 });
  expect(periodOf(three, samplesOf(1, 1, 0, 1, 1, 1))).toBe(6);
  expect(periodOf(three, samplesOf(1, 1, 0, 1, 1, 0))).toBeUndefined();
  // One that has no data is not one that breaches.
  expect(periodOf(three, samplesOf(1, undefined, 1, 1, 0, 0))).toBeUndefined();
  const breaching = { ...three, treat_missing_data: "breaching" } as const;
  expect(periodOf(breaching, samplesOf(0, 1, undefined, 1, 0, 0))).toBe(4);
});

test("M of N periods are enough where it is said, in any order", () => {
  const twoOfThree = alarm({ evaluation_periods: 3, datapoints_to_alarm: 2 });
  expect(periodOf(twoOfThree, samplesOf(1, 0, 1))).toBe(3);
  expect(periodOf(twoOfThree, samplesOf(1, 0, 0, 1, 0, 0))).toBeUndefined();
});

test("what was before the given moment is over, and it goes off again by what comes after it", () => {
  expect(periodOf(alarm(), samplesOf(1, 0, 0, 1), PERIOD)).toBe(4);
  expect(periodOf(alarm(), samplesOf(1, 0, 0, 0), PERIOD)).toBeUndefined();
});

test("a sample at a period's end is the next one's", () => {
  const [sample] = samplesOf(1);
  expect(periodOf(alarm(), sample ? [{ ...sample, at: PERIOD }] : [])).toBe(2);
});

test.each([
  ["Maximum", 4],
  ["Minimum", 1],
  ["Sum", 7],
  ["SampleCount", 3],
] as const)("the statistic %s of a period", (statistic, value) => {
  const samples = [1, 4, 2].flatMap((each) => samplesOf(each));
  const over = (threshold: number) => periodOf(alarm({ statistic, threshold }), samples);
  expect([over(value - 1), over(value)]).toEqual([1, undefined]);
});

test("samples of another namespace, metric or dimension don't count", () => {
  for (const other of [
    { namespace: "Other" },
    { metric: "Audited" },
    { dimensions: { service: "another" } },
    { dimensions: {} },
  ]) {
    expect(
      periodOf(
        alarm(),
        samplesOf(1).map((sample) => ({ ...sample, ...other })),
      ),
    ).toBeUndefined();
  }
});

describe("a sum of metrics, where each one that is missing counts as 0", () => {
  const metric = (name: string) => ({
    id: name,
    metric: {
      namespace: "Keys",
      metric_name: name,
      dimensions: SERVICE,
      stat: "Sum" as const,
      period: PERIOD / 1_000,
    },
  });
  const summed = (expression: string) => {
    const {
      namespace: _,
      metric_name: __,
      dimensions: ___,
      statistic: ____,
      period: _____,
      ...rest
    } = alarm();
    return {
      ...rest,
      threshold: 2,
      metric_query: [{ id: "sum", expression }, metric("Findings"), metric("Errors")],
    };
  };
  const both = summed("SUM([FILL(Findings, 0), FILL(Errors, 0)])");

  test("is compared with the threshold", () => {
    const errors = samplesOf(1, undefined, 2).map((sample) => ({ ...sample, metric: "Errors" }));
    expect(periodOf(both, [...samplesOf(1, undefined, 1), ...errors])).toBe(3);
    expect(periodOf(both, [...samplesOf(undefined, 2), ...errors.slice(0, 1)])).toBeUndefined();
  });

  test("another expression is not understood, and says so", () => {
    expect(() => periodOf(summed("Findings / Errors"), [])).toThrow("not understood: Findings / Errors");
  });
});

test("a line in embedded metric format gives one sample for each metric and set of dimensions", () => {
  const line = {
    _aws: {
      Timestamp: 1,
      CloudWatchMetrics: [
        {
          Namespace: "Keys",
          Dimensions: [["service"]],
          Metrics: [{ Name: "Findings" }, { Name: "Audited" }],
        },
      ],
    },
    service: "auditor",
    Findings: 2,
    Audited: 10,
    instance: "of no interest",
  };

  expect(readMetricLine(JSON.stringify(line), 7)).toEqual([
    { at: 7, namespace: "Keys", metric: "Findings", dimensions: SERVICE, value: 2 },
    { at: 7, namespace: "Keys", metric: "Audited", dimensions: SERVICE, value: 10 },
  ]);
  expect(() => readMetricLine('{"level":"INFO"}', 7)).toThrow();
});
