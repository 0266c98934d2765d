import type { ResolvedSettings } from "./environment/environment";

/**
 * What an environment costs a month, about: list prices of us-east-1 in USD, without free tiers and taxes.
 * https://aws.amazon.com/secrets-manager/pricing/, …/kms/pricing/, …/cloudwatch/pricing/, …/lambda/pricing/,
 * …/dynamodb/pricing/
 */
const PRICES = {
  secret: 0.4,
  secretsManagerCall: 0.05 / 10_000,
  kmsKey: 1,
  metric: 0.3,
  alarmedMetric: 0.1,
  dashboard: 3,
  lambdaGigabyteSecond: 0.000_013_333_4,
  lambdaRequest: 0.2 / 1_000_000,
  dynamoDbRead: 0.125 / 1_000_000,
  dynamoDbWrite: 0.625 / 1_000_000,
  logGigabyte: 0.5,
} as const;

const RUNS = (30 * 24 * 60) / 5;
const METRICS = 4;
/** The third alarm is computed from two. */
const ALARMED_METRICS = 4;

export interface CostLine {
  readonly what: string;
  readonly usd: number;
}

/** By what is paid for, the dearest first; the secret of the operator's API key is one of them. */
export function monthlyCost(
  settings: Pick<ResolvedSettings, "kms" | "alerts">,
  instances: number,
): readonly CostLine[] {
  const pagesOfHundred = Math.ceil(Math.max(1, instances) / 100);
  // Once a day a key's value, once an hour the operator's key, and four rotations a year of seven calls.
  const calls = RUNS * pagesOfHundred + instances * 30 + 24 * 30 + (instances * 4 * 7) / 12;
  const secondsOfRun = 0.5 + pagesOfHundred * 0.15;
  // A record has 600 bytes, a read unit 4 kB, and five rotations of each key are kept.
  const scanned = (instances * 5 * 600) / 4_096 / 2;
  const lines = [
    { what: `${instances + 1} secrets`, usd: (instances + 1) * PRICES.secret },
    { what: "KMS key", usd: settings.kms === "managed-per-environment" ? PRICES.kmsKey : 0 },
    { what: `${METRICS} metrics`, usd: METRICS * PRICES.metric },
    { what: "3 alarms", usd: ALARMED_METRICS * PRICES.alarmedMetric },
    { what: "dashboard", usd: settings.alerts.dashboard ? PRICES.dashboard : 0 },
    {
      what: "calls, functions, table, logs",
      usd:
        calls * PRICES.secretsManagerCall +
        RUNS * (secondsOfRun * 0.25 * PRICES.lambdaGigabyteSecond + PRICES.lambdaRequest) +
        RUNS * ((scanned + 1) * PRICES.dynamoDbRead + PRICES.dynamoDbWrite) +
        ((RUNS * 1_500) / 1e9) * PRICES.logGigabyte,
    },
  ];
  return lines.filter(({ usd }) => usd > 0).sort((a, b) => b.usd - a.usd);
}

/** One line, such as `about 3.90 USD a month: 3 secrets 1.20, 4 metrics 1.20, KMS key 1.00, …`. */
export function describeCost(lines: readonly CostLine[]): string {
  const total = lines.reduce((sum, { usd }) => sum + usd, 0);
  const parts = lines.map(({ what, usd }) => `${what} ${usd.toFixed(2)}`);
  return `about ${total.toFixed(2)} USD a month at list prices: ${parts.join(", ")}`;
}
