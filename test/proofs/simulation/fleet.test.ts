import { HOUR } from "../../../local/clock";
import { figuresOf, liveAgent } from "../../../proofs/simulation/figures";
import { runFleet, sumOf } from "../../../proofs/simulation/fleet";
import { agentOptions, parseOptions, type SimulationOptions } from "../../../proofs/simulation/options";
import { reportOf, verdictOf } from "../../../proofs/simulation/report";

const SMALL: SimulationOptions = {
  ...parseOptions(["--agents", "20", "--years", "2", "--seed", "4", "--workers", "1"]),
  // So that two years see what twenty would.
  faultRate: 10,
};

describe("a fleet", () => {
  it("keeps the promise, with faults of most kinds", async () => {
    const sum = sumOf(await runFleet(SMALL));

    expect(sum.violations).toEqual([]);
    expect(sum.agents).toBe(20);
    expect(sum.rotations).toBeGreaterThan(20 * 7);
    expect(sum.mints).toBeGreaterThanOrEqual(sum.rotations + 20);
    expect(Object.keys(sum.faults).length).toBeGreaterThan(9);
    expect(sum.failedCalls).toHaveProperty(["read at its start, not started again in time"]);
    expect(sum.failedCalls).not.toHaveProperty("unexplained");
    expect(verdictOf(sum, SMALL)).toMatch(/^PASSED/);
  });

  it("comes to the same table, whatever the number of workers", async () => {
    const few = { ...SMALL, agents: 13 };
    const alone = await runFleet(few);
    const together = await runFleet({ ...few, workers: 2 });

    expect(together).toEqual(alone);
    expect(reportOf(sumOf(together), [])).toBe(reportOf(sumOf(alone), []));
  }, 60_000);

  it("comes to another table with another seed", async () => {
    const few = { ...SMALL, agents: 3 };

    expect(await runFleet({ ...few, seed: 5 })).not.toEqual(await runFleet(few));
  });

  it("has in each agent's replay what it had in the whole", async () => {
    const whole = await runFleet({ ...SMALL, agents: 8 });
    const agent = agentOptions(SMALL, 7);
    const story: string[] = [];
    const replayed = figuresOf(agent, await liveAgent(agent, (line) => story.push(line)));

    expect(replayed).toEqual(whole[7]);
    expect(story.join("\n")).toMatch(/attempt \d+: refresh/);
  });

  it("mints once for each rotation where nothing goes wrong", async () => {
    const calm = sumOf(await runFleet({ ...SMALL, agents: 4, faultRate: 0 }));

    expect(calm.faults).toEqual({});
    expect(calm.notAccepted).toEqual({});
    expect(calm.mints).toBe(calm.rotations + 4);
    expect(calm.lostKeys).toBe(0);
  });

  it.each(["A", "B", "D"] as const)(
    "keeps the promise where a second refresh behaves as %s",
    async (secondRefresh) => {
      const sum = sumOf(await runFleet({ ...SMALL, agents: 6, secondRefresh }));

      expect(sum.violations).toEqual([]);
    },
  );

  it("keeps the promise with a grace period of zero, where every rotation is felt", async () => {
    const sum = sumOf(await runFleet({ ...SMALL, agents: 6, graceHours: 0 }));

    expect(sum.violations).toEqual([]);
    expect(sum.notAccepted["calls take time"]?.times).toBeGreaterThan(20);
  });
});

describe("agents of ten years whose dead key the watchdog once came late to, since the simulation had skipped its audits", () => {
  it.each([
    // After outages, when the auditor makes up for the looks that it could not make.
    { seed: 77660555, only: 149 },
    { seed: 100, only: 106 },
    // At the old key's end, until which, and two hours longer, the auditor looks by the hour.
    { seed: 102, only: 44 },
    { seed: 105, only: 221 },
  ])("keeps the promise for agent $only of seed $seed", async ({ seed, only }) => {
    const options = parseOptions(["--seed", String(seed)]);
    const { violations, notAccepted } = await liveAgent(agentOptions(options, only));

    expect(violations).toEqual([]);
    expect(Math.max(...notAccepted.map(({ from, until }) => until - from))).toBeGreaterThan(HOUR);
  });
});

describe("skipping audits", () => {
  it.each([
    ["A", "24", 0],
    ["A", "24", 1],
    ["A", "24", 3],
    ["A", "0", 3],
  ] as const)(
    "changes nothing where a second refresh behaves as %s, the grace period is %s h, for agent %d",
    async (secondRefresh, graceHours, only) => {
      const options = parseOptions(
        ["--years", "0.1", "--seed", "5", "--fault-rate", "30"].concat([
          "--second-refresh",
          secondRefresh,
          "--grace-hours",
          graceHours,
        ]),
      );
      const lived = async (everyAudit: boolean) => {
        const story: string[] = [];
        const agent = { ...agentOptions(options, only), everyAudit };
        const { history, violations } = await liveAgent(agent, (line) => story.push(line));
        return { story, history, violations };
      };

      const skipping = await lived(false);
      expect(skipping).toEqual(await lived(true));
      expect(skipping.violations).toEqual([]);
      expect(skipping.history.keys.length).toBeGreaterThan(1);
    },
    60_000,
  );
});

describe("a variant without one of the protocol's rules", () => {
  it("is caught without an intent, and says how to see it again", async () => {
    const options = { ...SMALL, agents: 6, variant: "no intent" };
    const sum = sumOf(await runFleet(options));
    const rules = new Set(sum.violations.map(({ rule }) => rule));

    expect(rules).toContain("no mint that nobody decided");
    const verdict = verdictOf(sum, options);
    expect(verdict).toMatch(/^FAILED/);
    expect(verdict).toMatch(
      /npm run simulate -- --agents 1 --only \d --years 2 --seed 4 --fault-rate 10 --variant "no intent"/,
    );
  });

  it("is caught without the guard, by consumers that the old key's early end meets", async () => {
    const options = { ...SMALL, agents: 20, secondRefresh: "B", variant: "no guard" } as const;
    const { violations } = sumOf(await runFleet(options));

    expect(violations.map(({ rule }) => rule)).toContain("a consumer fails for a named cause only");
    expect(violations.some(({ detail }) => detail.startsWith("one that caches for"))).toBe(true);
  });
});
