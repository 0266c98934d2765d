import { describeCost, monthlyCost } from "../../constructs/cost";

const alerts = { runbookUrl: "-", healing: "on", trail: false, dashboard: false } as const;
const total = (lines: ReturnType<typeof monthlyCost>) => lines.reduce((sum, { usd }) => sum + usd, 0);

test("three environments with two keys each cost about 9 USD a month, and 3 more with a KMS key for each", () => {
  expect(3 * total(monthlyCost({ kms: "aws", alerts }, 2))).toBeCloseTo(8.9, 0);
  expect(3 * total(monthlyCost({ kms: "managed-per-environment", alerts }, 2))).toBeCloseTo(11.9, 0);
});

test("what is dearest comes first: the secrets themselves", () => {
  const lines = monthlyCost({ kms: "managed-per-environment", alerts }, 1_000);

  expect(lines[0]).toEqual({ what: "1001 secrets", usd: expect.closeTo(400.4) });
  // To watch them costs little beside.
  expect(total(lines.slice(1))).toBeLessThan(10);
});

test("a dashboard is paid for where it is drawn", () => {
  const without = monthlyCost({ kms: "aws", alerts }, 2);

  expect(
    total(monthlyCost({ kms: "aws", alerts: { ...alerts, dashboard: true } }, 2)) - total(without),
  ).toBeCloseTo(3);
  expect(describeCost(without)).toMatch(
    /^about 2\.\d\d USD a month at list prices: 3 secrets 1\.20, 4 metrics 1\.20, /,
  );
});
