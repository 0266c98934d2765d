import { seedOfCommit } from "../../../proofs/harness/seed";
import { parseOptions, replayCommand } from "../../../proofs/simulation/options";

describe("the options", () => {
  it("have defaults of which the promise is kept", () => {
    expect(parseOptions([])).toMatchObject({
      agents: 1_000,
      years: 10,
      seed: seedOfCommit(),
      seeds: 1,
      everyAudit: false,
      secondRefresh: "A",
      graceHours: 24,
      faultRate: 1,
      only: undefined,
    });
  });

  it.each([
    [["--agents", "0"], "--agents: must be a whole number from 1, got '0'"],
    [["--agents", "1.5"], "--agents: must be a whole number from 1, got '1.5'"],
    [["--years", "x"], "--years: must be a number from 0.1, got 'x'"],
    [["--seed", ""], "--seed: must be a whole number from 0, got ''"],
    [["--second-refresh", "C"], "--second-refresh: must be one of A, B, D, E, got 'C'"],
    [["--out", "picture.png"], "--out: must end in .html or .svg, got 'picture.png'"],
    [["--variant", "none"], "--variant: must be one of no intent; "],
  ])("refuse %j", (args, text) => {
    expect(() => parseOptions(args)).toThrow(text);
  });

  it("give the command that shows one agent again", () => {
    const options = parseOptions(["--years", "3", "--seed", "9", "--grace-hours", "0", "--agents", "50"]);
    const command = replayCommand(options, 17);

    expect(command).toBe("npm run simulate -- --agents 1 --only 17 --years 3 --seed 9 --grace-hours 0");
    expect(parseOptions(command.split(" ").slice(4))).toMatchObject({ only: 17, seed: 9, graceHours: 0 });
  });
});
