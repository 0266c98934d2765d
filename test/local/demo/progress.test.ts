import { Progress } from "../../../local/demo/progress";

function recorder(isTTY = false) {
  const written: string[] = [];
  return { written, output: { isTTY, write: (text: string) => written.push(text) } };
}

it("says a phase in one line when it is done, with its seconds", async () => {
  const { written, output } = recorder();
  const progress = new Progress(output);

  expect(await progress.phase("cdktf deploy dev", async () => 42)).toBe(42);

  expect(written.join("")).toMatch(/^ {4,}\d+\.\d s {2}cdktf deploy dev\n$/);
  expect(progress.seconds["cdktf deploy dev"]).toBeGreaterThanOrEqual(0);
});

it("shows in a terminal what is going on", async () => {
  const { written, output } = recorder(true);

  await new Progress(output).phase("cdktf deploy dev", async () => {});

  expect(written[0]).toMatch(/0 s {2}cdktf deploy dev …$/);
});

it("marks a phase that failed, and lets the error go on", async () => {
  const { written, output } = recorder();
  const failing = new Progress(output).phase("cdktf deploy dev", async () => {
    throw new Error("no such role");
  });

  await expect(failing).rejects.toThrow("no such role");
  expect(written.join("")).toMatch(/^✘ /);
});

it("says by its name what doesn't apply, which is no failure", () => {
  const { written, output } = recorder();
  const progress = new Progress(output);

  progress.skip("destroy", "`removal` is `protect`");

  expect(written.join("")).toBe("            – skipped: destroy (`removal` is `protect`)\n");
  expect(progress.skipped).toEqual([{ name: "destroy", reason: "`removal` is `protect`" }]);
  expect([progress.checks, progress.failed]).toEqual([[], []]);
});

it("keeps the checks, and everything that it said", () => {
  const { written, output } = recorder();
  const progress = new Progress(output);

  progress.check("the plan is empty", true);
  progress.check("nothing is left", false, "1 secret");

  expect(progress.failed).toEqual([{ name: "nothing is left", passed: false, detail: "1 secret" }]);
  expect(progress.transcript).toBe(written.join(""));
  expect(progress.transcript).toContain("✘ nothing is left: 1 secret\n");
});
